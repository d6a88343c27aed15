// What the signal path but its codec (codec_bench.cpp) costs per sample, beside memcpy and zstd -1 of the same samples in the
// same run. JSON on stdout.
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/base/crc32c.h"
#include "agent/codec/samples.h"
#include "agent/device/simulated_source.h"
#include "agent/signal/window_accumulator.h"

namespace {

using namespace joulespool;

constexpr size_t sample_count = 1 << 18;
constexpr int repeats = 15;

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Median CPU nanoseconds per sample of one thread.
template <class Work>
double ns_per_sample(Work work) {
  std::vector<double> times;
  for (int turn = 0; turn <= repeats; ++turn) {
    const double before = thread_cpu_ns();
    work();
    if (turn > 0) times.push_back((thread_cpu_ns() - before) / sample_count);  // the first warms up
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[repeats / 2];
}

struct Samples {
  std::vector<float> i, v, p;
};

Samples samples_of(const std::string& model, const std::string& load) {
  device::SimulatedDevice settings;
  settings.model = model;
  settings.load = load;
  Samples samples{std::vector<float>(sample_count), std::vector<float>(sample_count), std::vector<float>(sample_count)};
  device::simulated_samples(settings, 0, samples.i, samples.v);
  for (size_t at = 0; at < sample_count; ++at) samples.p[at] = codec::product(samples.i[at], samples.v[at]);
  return samples;
}

nlohmann::json measure(const std::string& model, const std::string& load) {
  const Samples samples = samples_of(model, load);
  std::vector<float> interleaved(2 * sample_count), copied(2 * sample_count);
  for (size_t at = 0; at < sample_count; ++at) {
    interleaved[2 * at] = samples.i[at];
    interleaved[2 * at + 1] = samples.v[at];
  }
  const size_t raw_bytes = interleaved.size() * sizeof(float);
  nlohmann::json out = {{"model", model}, {"load", load}};
  out["memcpy_ns"] = ns_per_sample([&] { std::memcpy(copied.data(), interleaved.data(), raw_bytes); });
  std::vector<char> packed(ZSTD_compressBound(raw_bytes));
  out["zstd1_ns"] = ns_per_sample([&] { ZSTD_compress(packed.data(), packed.size(), interleaved.data(), raw_bytes, 1); });
  std::vector<wire::Window> windows;
  out["windows_ns"] = ns_per_sample([&] {
    windows.clear();
    signal::WindowAccumulator accumulator(2000);
    accumulator.add({0, 1, samples.i, samples.v, samples.p}, windows);
  });
  uint32_t crc = 0;
  out["crc32c_ns"] = ns_per_sample([&] { crc ^= crc32c(std::as_bytes(std::span(interleaved))); });
  Samples again = samples;
  device::SimulatedDevice settings;
  settings.model = model;
  settings.load = load;
  out["simulate_ns"] = ns_per_sample([&] { device::simulated_samples(settings, 0, again.i, again.v); });
  return out;
}

}  // namespace

int main() {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& [model, load] : {std::pair{"js110", "sleep-ble"}, {"js110", "cpu"}, {"js220", "sleep-ble"}, {"js220", "cpu"}})
    out.push_back(measure(model, load));
  std::cout << out.dump(2) << std::endl;
  return 0;
}
