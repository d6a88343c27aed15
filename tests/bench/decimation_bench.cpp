// What a waveform at a lower rate costs per sample, beside memcpy of the same samples in the same run, and how clean it is. JSON
// on stdout.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "agent/device/simulated_source.h"
#include "agent/signal/decimator.h"

namespace {

using namespace joulespool;
using signal::Decimator;

constexpr size_t sample_count = 1 << 18;
constexpr size_t block = 4096;  // samples per call, as sources hand them over
constexpr int repeats = 31;

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Median CPU nanoseconds per sample and signal, of three signals.
template <class Work>
double ns_per_value(Work work) {
  std::vector<double> times;
  for (int turn = 0; turn <= repeats; ++turn) {
    const double before = thread_cpu_ns();
    work();
    if (turn > 0) times.push_back((thread_cpu_ns() - before) / (3 * sample_count));  // the first warms up
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[repeats / 2];
}

using Signals = std::vector<std::vector<float>>;

Signals simulated() {
  Signals signals(3, std::vector<float>(sample_count));
  device::SimulatedDevice settings;
  settings.model = "js110";
  settings.load = "sleep-ble";
  device::simulated_samples(settings, 0, signals[0], signals[1]);
  for (size_t at = 0; at < sample_count; ++at) signals[2][at] = signals[0][at] * signals[1][at];
  return signals;
}

double decimation_ns(const Signals& signals, uint32_t factor, InstructionSet set) {
  std::vector<Decimator> decimators;
  for (size_t k = 0; k < signals.size(); ++k) decimators.push_back(*Decimator::make(factor, set));
  std::vector<float> out;
  out.reserve(sample_count);
  return ns_per_value([&] {
    for (Decimator& decimator : decimators) decimator.begin(0, 1);
    for (size_t at = 0; at < sample_count; at += block)
      for (size_t k = 0; k < signals.size(); ++k) {
        out.clear();
        decimators[k].add(std::span(signals[k]).subspan(at, block), out);
      }
  });
}

// h(k): how much of a sample k samples after an output's place is in that output. Element reach + k; from impulses at all places
// between two outputs.
std::vector<double> impulse_response(Decimator& decimator) {
  const size_t factor = decimator.factor();
  const size_t middle = decimator.delay() / factor + 2, reach = middle * factor;
  std::vector<double> response(2 * reach + factor);
  std::vector<float> samples((2 * middle + 1) * factor), out;
  for (size_t place = 0; place < factor; ++place) {
    std::fill(samples.begin(), samples.end(), 0.0F);
    samples[reach + place] = 1;
    out.clear();
    decimator.begin(0, 1);
    decimator.add(samples, out);
    decimator.finish(out);
    for (size_t n = 0; n < out.size(); ++n) response[2 * reach + place - n * factor] = out[n];
  }
  return response;
}

double amplitude(std::span<const double> response, double frequency) {
  const double step = 2 * std::numbers::pi * frequency;
  const double turn_re = std::cos(step), turn_im = std::sin(step);
  double re = 1, im = 0, sum_re = 0, sum_im = 0;
  for (const double h : response) {
    sum_re += h * re;
    sum_im += h * im;
    const double next = re * turn_re - im * turn_im;
    im = re * turn_im + im * turn_re;
    re = next;
  }
  return std::hypot(sum_re, sum_im);
}

double decibels(double of) { return 20 * std::log10(of); }

nlohmann::json quality(uint32_t factor) {
  Decimator decimator = *Decimator::make(factor);
  const std::vector<double> response = impulse_response(decimator);
  constexpr int points = 10;
  double alias = 0, lowest = 2, highest = 0;
  for (int at = -points; at <= points; ++at) {
    const double near = signal::decimation_passband * at / points;
    for (uint32_t band = 1; band <= factor / 2; ++band) alias = std::max(alias, amplitude(response, (band + near) / factor));
    lowest = std::min(lowest, amplitude(response, near / factor));
    highest = std::max(highest, amplitude(response, near / factor));
  }
  return {{"factor", factor},
          {"delay", decimator.delay()},
          {"alias_db", decibels(alias)},
          {"ripple_db", std::max(decibels(highest), -decibels(lowest))},
          {"edge_db", decibels(amplitude(response, signal::decimation_passband / factor))}};
}

}  // namespace

int main() {
  const Signals signals = simulated();
  Signals copied = signals;
  const double memcpy_ns = ns_per_value([&] {
    for (size_t k = 0; k < signals.size(); ++k) std::memcpy(copied[k].data(), signals[k].data(), sample_count * sizeof(float));
  });
  nlohmann::json out = nlohmann::json::array();
  for (const uint32_t factor : {2U, 5U, 10U, 20U, 200U, 1000U}) {
    nlohmann::json row = quality(factor);
    row["memcpy_ns"] = memcpy_ns;
    for (const InstructionSet set : available_instruction_sets())
      row["ns"][std::string(to_string(set))] = decimation_ns(signals, factor, set);
    out.push_back(row);
  }
  std::cout << out.dump(2) << std::endl;
  return 0;
}
