#include "tests/bench/loads.h"

#include <cmath>

namespace joulespool::bench {

namespace {

double uniform(std::mt19937_64& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
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

// A sensor node: 2 uA, and every 100 ms one advertising event of 2.5 ms (wake-up, three channels each sent and listened to).
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
  return steps.take();
}

// A processor that runs a loop of 1 ms: 120 phases of its own current each, the same in every round but for a few percent.
std::vector<double> cpu(double rate_hz, std::mt19937_64& random, size_t count) {
  struct Phase {
    double current, us;
  };
  std::vector<Phase> loop(120);
  for (Phase& phase : loop) phase = {uniform(random, 0.1, 0.4), uniform(random, 2, 14)};
  Steps steps(count);
  while (!steps.full())
    for (const Phase& phase : loop) steps.hold(phase.current * uniform(random, 0.98, 1.02), phase.us * rate_hz * 1e-6);
  return steps.take();
}

std::vector<double> ramp(double rate_hz, std::mt19937_64& random, size_t count) {
  std::vector<double> current(count);
  const double from = uniform(random, 0.085, 0.105), per_second = 16e-3;
  for (size_t at = 0; at < count; ++at) current[at] = from + per_second * static_cast<double>(at) / rate_hz;
  return current;
}

// A motor without load: 0.3 A with a random walk that returns to it.
std::vector<double> idle_motor(double rate_hz, std::mt19937_64& random, size_t count) {
  std::vector<double> current(count);
  std::normal_distribution<double> step(0, 0.06 / std::sqrt(rate_hz));
  double now = 0.33;
  for (double& value : current) {
    now += step(random) + (0.33 - now) * 20 / rate_hz;
    value = now;
  }
  return current;
}

// A load that goes through all ranges: 2000 range changes a second.
std::vector<double> ranges(double rate_hz, std::mt19937_64& random, size_t count) {
  constexpr double levels[] = {5e-6, 80e-6, 0.9e-3, 10e-3, 0.1, 0.6};
  Steps steps(count);
  while (!steps.full()) steps.hold(levels[random() % 6] * uniform(random, 0.9, 1.1), uniform(random, 200, 800) * rate_hz * 1e-6);
  return steps.take();
}

}  // namespace

std::vector<double> load_current(Profile profile, double rate_hz, std::mt19937_64& random, size_t count) {
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

}  // namespace joulespool::bench
