// Signals made from integers alone, without libm: the same bits on every machine. They look like what instruments deliver only as
// far as codecs care.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/wire/types.h"

namespace joulespool::test {

// SplitMix64 (Steele, Lea, Flood 2014).
class IntegerMix {
 public:
  explicit IntegerMix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  // In [-2 * width, 2 * width]: the sum of four uniform ones, so small values are more likely.
  int64_t noise(int64_t width);

 private:
  uint64_t state_;
};

// Equally long. p empty: the float32 product.
struct IntegerSignal {
  std::vector<float> i, v, p;
};

// Codes of a 14-bit converter through (float)((code + offset) * gain) in float64. The code of i rests, steps, ramps and has
// noise; every range_samples another range with its own calibration. p: the float32 of the float64 product.
IntegerSignal lattice_signal(size_t count, uint64_t seed, size_t range_samples = 3000);
// Multiples of 2^-31, as the JS220 filters them: noise about a slow wave.
IntegerSignal grid_signal(size_t count, uint64_t seed);
// Any bit pattern.
IntegerSignal random_signal(size_t count, uint64_t seed);
// NaNs with payloads, -0.0, denormals, infinities, largest and smallest numbers among numbers of a lattice; p is the product with
// some bits changed.
IntegerSignal special_signal(size_t count, uint64_t seed);
// The same value everywhere.
IntegerSignal constant_signal(size_t count, float i, float v);

// `count` elements of `bits` (1 or 4) each in runs of at most `run_max`, packed from the least significant bit on.
wire::Bytes packed_runs(size_t count, unsigned bits, size_t run_max, uint64_t seed);

}  // namespace joulespool::test
