#include "agent/app/agent_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/units.h"
#include "agent/base/version.h"

namespace joulespool::app {
namespace {

using nlohmann::json;

json spread_json(int128 sum, float min, float max, uint64_t valid) {
  return {{"mean", static_cast<double>(sum) / units_per_one / static_cast<double>(valid)}, {"min", min}, {"max", max}};
}

json live_json(const DeviceStatus& device) {
  const wire::Window& live = device.live;
  if (live.count == 0 || device.state != "streaming") return nullptr;
  json shown = {{"duration_s", static_cast<double>(live.count) / device.axis.sample_rate_hz()},
                {"samples", live.count},
                {"valid", live.valid},
                {"i", nullptr},
                {"v", nullptr},
                {"p", nullptr}};
  if (live.valid == 0) return shown;
  shown["i"] = spread_json(live.i_sum, live.i_min, live.i_max, live.valid);
  shown["v"] = spread_json(live.v_sum, live.v_min, live.v_max, live.valid);
  shown["p"] = spread_json(live.p_sum, live.p_min, live.p_max, live.valid);
  return shown;
}

json gaps_json(const DeviceStatus& device) {
  json gaps = json::object();
  for (const auto& [reason, count] : device.gaps)
    gaps[std::string(wire::to_string(reason))] = {{"records", count.records}, {"samples", count.samples}};
  return gaps;
}

json cross_check_json(const signal::CrossCheckCounts& counts) {
  return {{"compared", counts.compared},
          {"skipped", counts.skipped},
          {"beyond", counts.beyond},
          {"charge_last", counts.charge_last},
          {"charge_largest", counts.charge_largest},
          {"energy_last", counts.energy_last},
          {"energy_largest", counts.energy_largest}};
}

json device_json(const DeviceStatus& device, const SampleRing& ring) {
  const RingFill fill = ring.fill(device.device.id);
  return {{"id", device.device.id},
          {"source", device.source},
          {"state", device.state},
          {"detail", device.detail},
          {"firmware", device.firmware},
          {"sample_rate_hz", device.axis.counter_rate_hz == 0 ? 0 : device.axis.sample_rate_hz()},
          {"sample_id_end", device.sample_id_end},
          {"samples", device.totals.samples},
          {"samples_lost", device.totals.samples_lost},
          {"energy_units", to_decimal(device.totals.p_sum)},
          {"charge_units", to_decimal(device.totals.i_sum)},
          {"power_w", device.power_w},
          {"ring_fill", fill.now},
          {"ring_peak", fill.peak},
          {"overrun_samples", fill.samples_lost},
          {"live", live_json(device)},
          {"gaps", gaps_json(device)},
          {"clock",
           {{"quality", wire::to_string(device.clock.quality)},
            {"corrections", device.clock.corrections},
            {"last_correction_ns", device.clock.last_correction_ns}}},
          {"cross_check", cross_check_json(device.cross_check)}};
}

json check_json(const ScrubStatus& scrub, int64_t utc_ns) {
  json shown = {{"enabled", scrub.enabled},
                {"rounds", scrub.rounds},
                {"last_finished_age_s", nullptr},
                {"frames_checked", scrub.frames_checked},
                {"bytes_checked", scrub.bytes_checked},
                {"damaged_found", scrub.damaged_found},
                {"error", scrub.error}};
  if (scrub.last_finished_utc_ns != 0)
    shown["last_finished_age_s"] =
        std::max(0.0, static_cast<double>(utc_ns - scrub.last_finished_utc_ns) / static_cast<double>(ns_per_s));
  return shown;
}

json spool_json(const AgentIdentity& identity, const WriterStatus& writer, const ScrubStatus& scrub, int64_t utc_ns) {
  uint64_t queued_frames = 0, queued_bytes = 0, kept_frames = 0, kept_bytes = 0;
  int64_t oldest_utc_ns = 0;
  for (const spool::LaneUsage& lane : writer.usage.lanes) {
    queued_frames += lane.queued_frames;
    queued_bytes += lane.queued_bytes;
    kept_frames += lane.kept_frames;
    kept_bytes += lane.kept_bytes;
    if (lane.queued_frames > 0 && (oldest_utc_ns == 0 || lane.oldest_queued_utc_ns < oldest_utc_ns))
      oldest_utc_ns = lane.oldest_queued_utc_ns;
  }
  const double age_s = oldest_utc_ns == 0 ? 0 : static_cast<double>(utc_ns - oldest_utc_ns) / static_cast<double>(ns_per_s);
  return {{"directory", identity.spool_directory},
          {"disk_bytes", writer.usage.disk_bytes},
          {"budget_bytes", identity.spool_budget_bytes},
          {"queued_frames", queued_frames},
          {"queued_bytes", queued_bytes},
          {"kept_frames", kept_frames},
          {"kept_bytes", kept_bytes},
          {"oldest_queued_age_s", std::max(0.0, age_s)},
          {"quarantined_frames", writer.usage.quarantined_frames},
          {"frames_merged", writer.frames_merged},
          {"frames_evicted", writer.frames_evicted},
          {"commits", writer.commits},
          {"commits_failed", writer.commits_failed},
          {"error", writer.spool_error},
          {"check", check_json(scrub, utc_ns)}};
}

json uplink_json(const uplink::UplinkStatus& uplink) {
  return {{"connected", uplink.connected},
          {"bridge_online", uplink.bridge_online},
          {"bridge_accepting", uplink.bridge_accepting},
          {"bridge_reason", uplink.bridge_reason},
          {"last_error", uplink.last_error},
          {"connects", uplink.connects},
          {"frames_published", uplink.counts.frames_published},
          {"bytes_published", uplink.counts.bytes_published},
          {"frames_acked", uplink.counts.frames_acked},
          {"frames_resent", uplink.counts.frames_resent},
          {"unacked_frames", uplink.frames_unacked}};
}

}  // namespace

std::string status_json(const AgentIdentity& identity, const WriterStatus& writer, const SampleRing& ring,
                        const uplink::UplinkStatus& uplink, const ScrubStatus& scrub, Clock& clock) {
  json devices = json::array();
  for (const DeviceStatus& device : writer.devices) devices.push_back(device_json(device, ring));
  const double uptime_s =
      static_cast<double>(clock.monotonic_ns() - identity.started_monotonic_ns) / static_cast<double>(ns_per_s);
  const json status = {{"version", 1},
                       {"software", version()},
                       {"host", identity.host},
                       {"boot", identity.boot},
                       {"online", true},
                       {"uptime_s", uptime_s},
                       {"devices", devices},
                       {"spool", spool_json(identity, writer, scrub, clock.realtime_ns())},
                       {"uplink", uplink_json(uplink)}};
  return status.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string offline_json(const AgentIdentity& identity) {
  return json{{"version", 1}, {"software", version()}, {"host", identity.host}, {"boot", identity.boot}, {"online", false}}
      .dump();
}

}  // namespace joulespool::app
