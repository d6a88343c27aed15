// What a device's pipeline is told.
#pragma once

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/config/settings.h"
#include "agent/wire/frame.h"

namespace joulespool::app {

using config::WaveMode;

struct PipelineSettings {
  std::string host;
  wire::DeviceIdentity device;
  std::string source;  // simulated, replay, joulescope, absent
  std::string boot;    // id of this run of the agent
  uint64_t epoch = 0;
  int64_t window_us = 1000;
  WaveMode wave = WaveMode::off;
  uint32_t wave_rate_hz = 0;             // of the waveform; 0: the full rate, which devices with less keep in any case
  uint64_t wave_budget_bytes_per_s = 0;  // of lane wave; 0: none
  size_t frame_size_max_bytes = wire::frame_size_max_default;
  std::vector<wire::Label> labels;
  int64_t clock_tolerance_ns = 5 * ns_per_ms;
  double cross_check_ppm = 0;  // 0: off
};
constexpr const char* source_absent = "absent";          // of a device that only the spool knows
constexpr const char* source_joulescope = "joulescope";  // of one that appears: no other source has hot plug

}  // namespace joulespool::app
