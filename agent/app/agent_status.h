// What the running agent says of itself, for `joulespool status` and the retained state topic.
#pragma once

#include <string>

#include "agent/app/sample_ring.h"
#include "agent/app/scrub.h"
#include "agent/app/writer.h"
#include "agent/config/settings.h"
#include "agent/uplink/uplink.h"

namespace joulespool::app {

// Who runs.
struct AgentIdentity {
  std::string host;
  std::string boot;  // random per run
  int64_t started_monotonic_ns = 0;
  std::string spool_directory;
  uint64_t spool_budget_bytes = 0;
};

// JSON, version 1 (keys are only ever added): {version, software, host, boot, online, uptime_s, devices[], spool{}, uplink{}}.
// A device: id, source, state, detail (why it is in that state; ""), firmware (""), sample_rate_hz, sample_id_end, samples,
// samples_lost, energy_units, charge_units, power_w, ring_fill, ring_peak, overrun_samples, and
//   live: null unless streaming; {duration_s, samples, valid, i, v, p} over the last cut (spool.commit-window-ms),
//     i (A), v (V), p (W): {mean, min, max}, or null if no sample had a number
//   gaps: {reason: {records, samples}} of this run
//   clock: {quality: unknown|unsynchronised|host|instrument, corrections, last_correction_ns}
//   cross_check: {compared, skipped, beyond, charge_last, charge_largest, energy_last, energy_largest}: relative, 0.001 is 0.1 %
// spool.frames_merged, frames_evicted: since the start, for want of room (docs/spool.md) or by age
// spool.check, of the slow background check: enabled, rounds (finished), last_finished_age_s (null: none yet), frames_checked,
//   bytes_checked, damaged_found (all since the start), error (why it cannot read; "")
std::string status_json(const AgentIdentity& identity, const WriterStatus& writer, const SampleRing& ring,
                        const uplink::UplinkStatus& uplink, const ScrubStatus& scrub, Clock& clock);

// The same topic's payload when nobody is there any more.
std::string offline_json(const AgentIdentity& identity);

}  // namespace joulespool::app
