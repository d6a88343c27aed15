// What windows and rolling statistics cost, beside memcpy and a plain read of the same memory in the same run. JSON on stdout.
#include <algorithm>
#include <cstring>
#include <ctime>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "agent/signal/rolling_statistics.h"
#include "agent/signal/window_accumulator.h"
#include "agent/signal/window_kernels.h"
#include "tests/bench/profiles.h"

namespace {

using namespace joulespool;
using bench::Recording;
using signal::Quantity;

constexpr size_t sample_count = 1 << 18;
constexpr size_t window_samples = 2000;  // 1 ms at 2 MS/s
constexpr int repeats = 31;

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Median CPU nanoseconds of one thread, per unit of work.
template <class Work>
double ns_per_unit(size_t units, Work work) {
  std::vector<double> times;
  for (int turn = 0; turn <= repeats; ++turn) {
    const double before = thread_cpu_ns();
    work();
    if (turn > 0) times.push_back((thread_cpu_ns() - before) / static_cast<double>(units));  // the first warms up
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[repeats / 2];
}

// Three columns of `sample_count` samples.
using Columns = std::array<std::vector<float>, 3>;

double memcpy_ns(const Columns& columns) {
  std::vector<float> copy(sample_count);
  return ns_per_unit(3 * sample_count, [&] {
    for (const auto& column : columns) std::memcpy(copy.data(), column.data(), sample_count * sizeof(float));
  });
}

double read_ns(const Columns& columns) {
  volatile uint32_t sink = 0;
  return ns_per_unit(3 * sample_count, [&] {
    uint32_t sum = 0;
    for (const auto& column : columns)
      for (const float x : column) sum += __builtin_bit_cast(uint32_t, x);
    sink = sum;
  });
}

double windows_ns(const Columns& columns, bool has_power, InstructionSet set) {
  std::vector<wire::Window> windows;
  windows.reserve(sample_count / window_samples + 1);
  const std::span<const float> power = has_power ? std::span<const float>(columns[2]) : std::span<const float>();
  return ns_per_unit(3 * sample_count, [&] {
    windows.clear();
    signal::WindowAccumulator accumulator(window_samples, set);
    accumulator.add({0, 1, columns[0], columns[1], power}, windows);
  });
}

double plain_ns(const Columns& columns) {
  return ns_per_unit(3 * sample_count, [&] {
    wire::Window window;
    signal::add_samples_plainly({columns[0].data(), columns[1].data(), columns[2].data()}, sample_count, window);
  });
}

nlohmann::json measure(const std::string& name, const Columns& columns) {
  nlohmann::json out = {{"name", name}, {"memcpy_ns", memcpy_ns(columns)}, {"read_ns", read_ns(columns)}};
  out["plain_ns"] = plain_ns(columns);
  for (const InstructionSet set : available_instruction_sets()) {
    out["ns"][std::string(to_string(set))] = windows_ns(columns, true, set);
    out["without_p_ns"][std::string(to_string(set))] = windows_ns(columns, false, set);
  }
  return out;
}

Columns columns_of(bench::Model model, bench::Profile profile) {
  Recording made = bench::make_recording(model, profile, 1, sample_count);
  return {std::move(made.i), std::move(made.v), std::move(made.p)};
}

// One sample in a hundred is missing, anywhere: every chunk has some.
Columns with_scattered_nan(Columns columns) {
  uint32_t state = 1;
  for (size_t at = 0; at < sample_count; ++at) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes' quick generator
    if (state >> 16 < 655)
      for (auto& column : columns) column[at] = std::numeric_limits<float>::quiet_NaN();
  }
  return columns;
}

// Nanoseconds per window that comes, with the median and the 99 % quantile of i read after each.
nlohmann::json measure_rolling(const Columns& columns, uint32_t size) {
  std::vector<wire::Window> windows;
  for (size_t at = 0; at + 64 <= sample_count; at += 64) {
    const auto part = [&](const std::vector<float>& column) { return std::span(column).subspan(at, 64); };
    windows.push_back(signal::summarise({at, 1, part(columns[0]), part(columns[1]), part(columns[2])}));
  }
  signal::RollingStatistics rolling(size);
  uint64_t number = 0;
  double sum = 0;
  const auto step = [&](bool with_quantiles) {
    rolling.add(windows[number++ % windows.size()]);
    if (with_quantiles) sum += *rolling.median(Quantity::current) + *rolling.quantile(Quantity::current, 0.99);
  };
  while (rolling.size() < size) step(false);
  nlohmann::json out = {{"windows", size}};
  for (const bool with_quantiles : {false, true})
    out[with_quantiles ? "step_and_quantiles_ns" : "step_ns"] = ns_per_unit(4096, [&] {
      for (int at = 0; at < 4096; ++at) step(with_quantiles);
    });
  out["sum"] = sum;
  return out;
}

}  // namespace

int main() {
  nlohmann::json out;
  for (const bench::Profile profile : bench::realistic_profiles)
    out["windows"].push_back(measure("js110 " + std::string(name_of(profile)), columns_of(bench::Model::js110, profile)));
  for (const bench::Profile profile : {bench::Profile::sleep_ble, bench::Profile::cpu})
    out["windows"].push_back(measure("js220 " + std::string(name_of(profile)), columns_of(bench::Model::js220, profile)));
  const Columns quiet = columns_of(bench::Model::js110, bench::Profile::sleep_ble);
  out["windows"].push_back(measure("1 % NaN, scattered", with_scattered_nan(quiet)));
  out["windows"].push_back(measure("full-scale noise", columns_of(bench::Model::js110, bench::Profile::noise_fs)));
  for (const uint32_t size : {100U, 1000U, 60'000U}) out["rolling"].push_back(measure_rolling(quiet, size));
  std::cout << out.dump(2) << std::endl;
  return 0;
}
