// What tests of driver's processes know on both sides.
#pragma once

#include <vector>

#include "agent/device/sample_source.h"
#include "agent/device/simulated_device.h"

namespace joulespool::test {

constexpr size_t scripted_samples = 1000;  // of a block

inline float scripted_current(uint64_t sample_id) { return static_cast<float>(sample_id % 8'000'009) * 1e-6F; }
inline float scripted_voltage(uint64_t sample_id) { return 3.0F - scripted_current(sample_id); }

// Block after block, 2 ticks a sample.
struct ScriptedBlocks {
  uint64_t life = 77;
  uint64_t next = 0;
  std::vector<float> i = std::vector<float>(scripted_samples), v = std::vector<float>(scripted_samples);

  void deliver(const std::string& device, device::SampleSink& sink) {
    for (size_t k = 0; k < scripted_samples; ++k) {
      i[k] = scripted_current(next + 2 * k);
      v[k] = scripted_voltage(next + 2 * k);
    }
    const wire::UtcMap utc{next, 1'700'000'000'000'000'000, 2e6, wire::UtcQuality::instrument};
    sink.on_samples(device, {next, {life, 2'000'000, 2}, utc, i, v, {}, {}});
    next += 2 * scripted_samples;
  }
};

// The simulated device behind an id, when the script is "simulate".
inline device::SimulatedDevice simulated_of(const std::string& id) {
  device::SimulatedDevice settings;
  settings.model = id.substr(0, 5);
  settings.serial = id.substr(6);
  settings.sample_rate_hz = 10'000;
  settings.load = "cpu";
  settings.block_ms = 10;
  return settings;
}

}  // namespace joulespool::test
