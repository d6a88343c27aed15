#include "tests/support/integer_signals.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "agent/codec/samples.h"

namespace joulespool::test {
namespace {

struct Calibration {
  double offset;
  double gain;
};
constexpr Calibration current_ranges[] = {{-431.25, 1.19e-3 / 16384}, {-17.6875, 3.6041e-5}, {212.875, 7.7123456789e-9}};
constexpr Calibration voltage_range = {-1024.0625, 1.0371e-3};

double value_of(int64_t code, const Calibration& calibration) {
  return (static_cast<double>(code) + calibration.offset) * calibration.gain;
}

// 0 .. top .. 0 .. with a period of 2 * top steps.
int64_t triangle(uint64_t at, uint64_t top) {
  const uint64_t phase = at % (2 * top);
  return static_cast<int64_t>(phase < top ? phase : 2 * top - phase);
}

// What load a code stands for: rests, steps, a ramp.
int64_t code_at(size_t at) {
  switch (at / 700 % 4) {
    case 0: return 900;
    case 1: return 9000 + static_cast<int64_t>(at / 100 % 3) * 40;
    case 2: return 1200 + triangle(at, 350) * 11;
    default: return 902;
  }
}

float float_of(uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

int64_t IntegerMix::noise(int64_t width) {
  int64_t sum = 0;
  const auto choices = static_cast<uint64_t>(width + 1);
  for (int k = 0; k < 4; ++k) sum += static_cast<int64_t>(next() % choices);
  return sum - 2 * width;
}

IntegerSignal lattice_signal(size_t count, uint64_t seed, size_t range_samples) {
  IntegerMix mix(seed);
  IntegerSignal signal;
  for (size_t at = 0; at < count; ++at) {
    const Calibration& range = current_ranges[at / range_samples % std::size(current_ranges)];
    const double i = value_of(code_at(at) + mix.noise(2), range);
    const double v = value_of(4200 + triangle(at, 90) + mix.noise(1), voltage_range);
    signal.i.push_back(static_cast<float>(i));
    signal.v.push_back(static_cast<float>(v));
    signal.p.push_back(static_cast<float>(i * v));
  }
  return signal;
}

IntegerSignal grid_signal(size_t count, uint64_t seed) {
  constexpr float unit = 1.0F / 2147483648.0F;
  IntegerMix mix(seed);
  IntegerSignal signal;
  int64_t filtered = 0;
  for (size_t at = 0; at < count; ++at) {
    filtered += (mix.noise(1 << 12) - filtered) / 4;
    signal.i.push_back(static_cast<float>(triangle(at, 5000) * 700 + filtered) * unit);
    signal.v.push_back(static_cast<float>(7'086'696'038 + mix.noise(1 << 14)) * unit);
  }
  return signal;
}

IntegerSignal random_signal(size_t count, uint64_t seed) {
  IntegerMix mix(seed);
  IntegerSignal signal;
  for (size_t at = 0; at < count; ++at) {
    const uint64_t bits = mix.next();
    signal.i.push_back(float_of(static_cast<uint32_t>(bits)));
    signal.v.push_back(float_of(static_cast<uint32_t>(bits >> 32)));
    signal.p.push_back(float_of(static_cast<uint32_t>(mix.next())));
  }
  return signal;
}

IntegerSignal special_signal(size_t count, uint64_t seed) {
  constexpr uint32_t specials[] = {0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0x7FC0BEEF, 0x80000000,
                                   0x00000000, 0x00000001, 0x807FFFFF, 0x00400000, 0x7F800000, 0xFF800000,
                                   0x7F7FFFFF, 0xFF7FFFFF, 0x00800000, 0x4EFFFFFF};
  IntegerMix mix(seed);
  IntegerSignal signal = lattice_signal(count, seed ^ 1);
  const auto scatter = [&](std::vector<float>& values) {
    for (float& value : values)
      if (mix.next() % 13 == 0) value = float_of(specials[mix.next() % std::size(specials)]);
  };
  scatter(signal.i);
  scatter(signal.v);
  for (size_t at = 0; at < count; ++at) signal.p[at] = codec::product(signal.i[at], signal.v[at]);
  for (float& power : signal.p)
    if (mix.next() % 29 == 0) power = float_of(std::bit_cast<uint32_t>(power) ^ static_cast<uint32_t>(mix.next() % 3));
  scatter(signal.p);
  return signal;
}

IntegerSignal constant_signal(size_t count, float i, float v) { return {std::vector(count, i), std::vector(count, v), {}}; }

wire::Bytes packed_runs(size_t count, unsigned bits, size_t run_max, uint64_t seed) {
  IntegerMix mix(seed);
  wire::Bytes packed((count * bits + 7) / 8);
  for (size_t at = 0; at < count;) {
    const auto value = static_cast<unsigned>(mix.next() % (1U << bits));
    const size_t end = std::min(count, at + 1 + mix.next() % run_max);
    for (; at < end; ++at) packed[at * bits / 8] |= static_cast<std::byte>(value << (at * bits % 8));
  }
  return packed;
}

}  // namespace joulespool::test
