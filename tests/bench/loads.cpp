#include "tests/bench/loads.h"

#include <cmath>

namespace joulespool::bench {

namespace {

double uniform(std::mt19937_64& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
}

// A rms
constexpr double work_activity = 2.4e-3;
constexpr double idle_activity = 0.4e-3;

constexpr double pi = 3.14159265358979;

// The instrument's analogue bandwidth: one pole.
void low_pass(std::vector<double>& current, double rate_hz) {
  const double share = 1 - std::exp(-2 * pi * (rate_hz > 1.5e6 ? 250e3 : 300e3) / rate_hz);
  double now = current.empty() ? 0 : current[0];
  for (double& value : current) value = now += share * (value - now);
}

// Currents that follow one another, each for a number of samples.
class Steps {
 public:
  explicit Steps(size_t count) : count_(count) { current_.reserve(count); }
  [[nodiscard]] bool full() const { return current_.size() >= count_; }
  void hold(double current, double samples) {
    for (double done = 0; done < samples && !full(); ++done) current_.push_back(current);
  }
  std::vector<double> take() { return std::move(current_); }

 private:
  size_t count_;
  std::vector<double> current_;
};

// A sensor node: 2 uA with a little ripple of its converter, and every 100 ms one advertising event of 2.5 ms (wake-up, three
// channels each sent and listened to).
std::vector<double> sleep_ble(double rate_hz, std::mt19937_64& random, size_t count) {
  Steps steps(count);
  const double us = rate_hz * 1e-6;
  steps.hold(2e-6, uniform(random, 10e3, 60e3) * us);
  while (!steps.full()) {
    steps.hold(1.2e-3, 400 * us);
    steps.hold(3.1e-3, 250 * us);
    for (int channel = 0; channel < 3; ++channel) {
      steps.hold(7.6e-3, 330 * us);
      steps.hold(4.1e-3, 60 * us);
      steps.hold(6.9e-3, 170 * us);
    }
    steps.hold(2.2e-3, 200 * us);
    steps.hold(2e-6, uniform(random, 90e3, 100e3) * us);
  }
  std::vector<double> current = steps.take();
  const double period = 3e-3 * rate_hz;
  for (size_t at = 0; at < count; ++at)
    current[at] += 12e-9 * std::abs(2 * std::fmod(static_cast<double>(at), period) / period - 1);
  return current;
}

// A processor that works for some 10 ms and waits for some 5 ms. Both run a loop that takes another current every microsecond,
// half of it the same in every round; work comes in portions of 1 ms, some heavier than others.
std::vector<double> cpu(double rate_hz, std::mt19937_64& random, size_t count) {
  std::normal_distribution<double> gaussian;
  std::vector<double> loop(331);
  for (double& current : loop) current = gaussian(random);
  Steps steps(count);
  const auto run = [&](double base, double activity, double rounds) {
    for (; rounds > 0 && !steps.full(); --rounds)
      for (const double again : loop) steps.hold(base + activity * (again + gaussian(random)), rate_hz * 1e-6);
  };
  while (!steps.full()) {
    for (double portions = uniform(random, 5, 15); portions > 0; --portions) run(uniform(random, 0.2, 0.5), work_activity, 3);
    run(0.1, idle_activity, uniform(random, 7, 21));
  }
  return steps.take();
}

// Up and down between 64 mA and 124 mA, 0.11 s each way.
std::vector<double> ramp(double rate_hz, std::mt19937_64& random, size_t count) {
  std::vector<double> current(count);
  double phase = uniform(random, 0, 2);
  for (double& value : current) {
    value = 64e-3 + 60e-3 * std::abs(1 - phase);
    phase = std::fmod(phase + 1 / (0.11 * rate_hz), 2);
  }
  return current;
}

// A motor without load: 0.36 A, its commutation at 120 Hz, and a random walk that returns.
std::vector<double> idle_motor(double rate_hz, std::mt19937_64& random, size_t count) {
  std::vector<double> current(count);
  std::normal_distribution<double> step(0, 0.17 / std::sqrt(rate_hz));
  double walk = 0;
  for (size_t at = 0; at < count; ++at) {
    walk += step(random) - walk * 20 / rate_hz;
    current[at] = 0.36 + walk + 0.09 * std::sin(2 * pi * 120 * static_cast<double>(at) / rate_hz);
  }
  return current;
}

// A load that goes through all ranges, with capacitors beside it (10 us): some 2000 range changes a second.
std::vector<double> ranges(double rate_hz, std::mt19937_64& random, size_t count) {
  constexpr double levels[] = {5e-6, 80e-6, 0.9e-3, 10e-3, 0.1, 0.6};
  Steps steps(count);
  double now = levels[0];
  const double share = 1 - std::exp(-1e6 / (10 * rate_hz));
  while (!steps.full()) {
    const double level = levels[random() % 6] * uniform(random, 0.9, 1.1);
    for (double left = uniform(random, 500, 2500) * rate_hz * 1e-6; left > 0 && !steps.full(); --left)
      steps.hold(now += share * (level - now), 1);
  }
  return steps.take();
}

std::vector<double> unfiltered(Profile profile, double rate_hz, std::mt19937_64& random, size_t count) {
  switch (profile) {
    case Profile::sleep_ble:
    case Profile::sleep_nan: return sleep_ble(rate_hz, random, count);
    case Profile::cpu: return cpu(rate_hz, random, count);
    case Profile::const_10ma: return std::vector<double>(count, 10e-3);
    case Profile::const_1a: return std::vector<double>(count, 1.02);
    case Profile::ramp: return ramp(rate_hz, random, count);
    case Profile::idle_motor: return idle_motor(rate_hz, random, count);
    case Profile::ranges: return ranges(rate_hz, random, count);
    case Profile::noise_fs: break;
  }
  return {};
}

}  // namespace

std::vector<double> load_current(Profile profile, double rate_hz, std::mt19937_64& random, size_t count) {
  std::vector<double> current = unfiltered(profile, rate_hz, random, count);
  low_pass(current, rate_hz);
  return current;
}

}  // namespace joulespool::bench
