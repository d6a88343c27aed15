// The sums of a stream of samples that a program in another language can make too (big_integer_sums_test.py): stream_sums SAMPLES
// SEED. One line per instruction set on stdout.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "agent/base/int128.h"
#include "agent/signal/window_accumulator.h"

namespace {

using namespace joulespool;

constexpr uint64_t stretch = 2048;  // samples of one kind
constexpr size_t block = 1 << 16;
constexpr uint64_t window_ticks = 2000;

// SplitMix64 by its counter (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
uint64_t hash(uint64_t seed, uint64_t n) {
  uint64_t z = seed + n * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Any pattern, but numbers from 2^25 to 2^31, whose squares do not fit 128 bits once there are many, are made smaller.
uint32_t any_pattern(uint64_t random) {
  const auto bits = static_cast<uint32_t>(random);
  const uint32_t exponent = bits >> 23 & 255;
  return exponent >= 152 && exponent < 158 ? bits - (16U << 23) : bits;
}

// Value n of a signal: a bit pattern made of a hash. Its kind goes by the stretch of samples.
float value_at(uint64_t seed, uint64_t n) {
  const uint64_t kind = hash(~seed, n / stretch);
  const uint64_t random = hash(seed, n);
  if ((random >> 52) == 0 && (kind >> 60) > 3) return std::bit_cast<float>(any_pattern(random));  // now and then
  const auto sign = static_cast<uint32_t>((kind >> 8 & 1) != 0 ? random >> 63 : kind >> 63) << 31;
  const uint64_t spread = kind >> 16 & 15;  // exponents
  const auto exponent = static_cast<uint32_t>(100 + (kind >> 32 & 31) + (random >> 32 & spread));
  const auto mantissa = static_cast<uint32_t>(random & 0x7FFFFF) >> (kind >> 24 & 15);
  const bool is_missing = (kind & 127) == 0;  // a stretch of NaN
  return std::bit_cast<float>(is_missing ? 0x7FC00000U : sign | exponent << 23 | mantissa);
}

void print(const wire::Window& window) {
  std::cout << window.count << ' ' << window.valid;
  for (const int128 sum : {window.i_sum, window.v_sum, window.p_sum, window.i2_sum, window.v2_sum})
    std::cout << ' ' << to_decimal(sum);
  for (const float x : {window.i_min, window.i_max, window.v_min, window.v_max, window.p_min, window.p_max})
    std::cout << ' ' << std::bit_cast<uint32_t>(x);
  std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint64_t samples = std::strtoull(argv[1], nullptr, 10), seed = std::strtoull(argv[2], nullptr, 10);
  const std::vector<InstructionSet> sets = available_instruction_sets();
  std::vector<wire::Window> totals(sets.size());
  std::vector<signal::WindowAccumulator> accumulators;
  for (const InstructionSet set : sets) accumulators.emplace_back(window_ticks, set);
  std::vector<float> i(block), v(block);
  std::vector<wire::Window> windows;
  for (uint64_t first = 0; first < samples; first += block) {
    const size_t count = std::min<uint64_t>(block, samples - first);
    for (size_t at = 0; at < count; ++at) {
      i[at] = value_at(seed, first + at);
      v[at] = value_at(seed + 1, first + at);
    }
    for (size_t set = 0; set < sets.size(); ++set) {
      windows.clear();
      accumulators[set].add({first, 1, std::span(i).first(count), std::span(v).first(count), {}}, windows);
      if (first + count == samples) accumulators[set].flush(windows);
      for (const wire::Window& window : windows) totals[set].merge(window);
    }
  }
  for (size_t set = 0; set < sets.size(); ++set) {
    std::cout << to_string(sets[set]) << ' ';
    print(totals[set]);
  }
  return 0;
}
