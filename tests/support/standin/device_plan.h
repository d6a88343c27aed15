// One plugged-in instrument as its file in the world describes it: lines key=value. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/device/fault_plan.h"
#include "agent/device/simulated_device.h"
#include "tests/support/standin/tick_spans.h"

namespace joulespool::standin {

struct MapStep {
  uint64_t tick = 0;
  int64_t ns = 0;
};

// Ticks are those of sample_id (js220, js320: counter_start + ticks since it was powered); of a js110 they count from the start
// of its stream and include what is skipped. Model to counter_start hold from plugging in to unplugging; the rest may be changed.
struct DevicePlan {
  std::string model;   // js110, js220, js320; &js110, &js220: a bootloader
  std::string serial;  // as the driver writes it
  uint64_t seed = 1;
  std::string load = "sleep-ble";
  int64_t powered_utc_ns = 0;  // when the counter was counter_start; in the world: 0 or not there: when the file was written
  uint64_t counter_start = 0;
  double speed = 1;  // 4: everything comes four times as fast

  TickSpans lost, lost_i, lost_v;         // js220, js320: sample_id jumps, for i and v or only one of them
  TickSpans skip;                         // js110: multiples of 126 ticks, which only the log tells
  device::Faults nan;                     // the sensor's data is missing there: i and v are NaN
  uint32_t leading_nan = 0;               // js110: so many in front of i and v after they were enabled
  std::vector<MapStep> map_steps;         // map_step=TICK:NS: from that sample_id on, the map to UTC is off by NS
  double map_drift_ppm = 0;               // the map runs away so fast
  bool clock_1970 = false;                // maps as of a host that does not know the time
  int32_t open_rc = 0;                    // what opening returns
  bool mute = false;                      // opens, and never sends anything
  std::optional<uint64_t> mute_after;     // a stream that began before this tick sends nothing from there on
  std::optional<uint64_t> crash_at_tick;  // a stream that began before this tick ends the process there
  bool deaf = false;                      // answers nothing
  uint8_t struct_version = 1;
  double stats_scale = 1;  // statistics are off by this factor
  std::string firmware = "1.3.0";

  [[nodiscard]] std::string prefix() const { return "u/" + model + "/" + serial; }
  [[nodiscard]] bool is_bootloader() const { return model.starts_with('&'); }
  [[nodiscard]] bool is_js110() const { return model == "js110"; }
};

// Nothing, and why on stderr, if it cannot be read.
std::optional<DevicePlan> parse_device_plan(std::string_view text);

// The simulated instrument that measures the same at this rate (Hz, of i and v).
device::SimulatedDevice simulated_twin(const DevicePlan& plan, uint32_t rate_hz);

}  // namespace joulespool::standin
