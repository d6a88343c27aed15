// The time of one instrument: its counter, and the map from its ids to UTC.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/device/joulescope_abi.h"
#include "tests/support/standin/device_plan.h"

namespace joulespool::standin {

// Both clocks of the host at one moment.
struct HostTime {
  int64_t monotonic_ns = 0;
  int64_t utc_ns = 0;
};

class InstrumentClock {
 public:
  InstrumentClock(const DevicePlan& plan, uint32_t counter_rate_hz, HostTime now);

  // js110: its counter begins with its stream.
  void restart(HostTime now);
  // js110: from this sample_id on so many ticks less were sent than went by.
  void note_slide(uint64_t sample_id, uint64_t ticks) { slides_.emplace_back(sample_id, ticks); }

  [[nodiscard]] uint64_t ticks_at(int64_t monotonic_ns) const;
  // The map of a message that begins with this id. js220, js320: the instrument's, corrected each second, true to the host's
  // clock. js110: the host's: arrival of the last whole second, less what the least of the last 60 seconds knows nothing of.
  [[nodiscard]] device::abi::TimeMap map_at(uint64_t sample_id, const DevicePlan& plan) const;

 private:
  [[nodiscard]] uint64_t slide_before(uint64_t sample_id) const;

  const bool is_js110_;
  const uint32_t counter_rate_hz_;
  const double speed_;
  uint64_t counter_start_;
  HostTime origin_;  // when the counter was counter_start
  std::vector<std::pair<uint64_t, uint64_t>> slides_;
};

}  // namespace joulespool::standin
