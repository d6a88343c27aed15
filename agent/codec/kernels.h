// The inner loops of codec 2, once per instruction set (cmake/Kernels.cmake). All give the same results, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/base/cpu.h"

namespace joulespool::codec {

// How a page's integers are predicted from those before them (FORMAT-wave.md). The numbers are part of the format.
enum class Predictor : uint8_t {
  centre = 0,  // the page's base
  delta = 1,   // the integer before
  delta2 = 2,  // the straight line through the two before
  mean8 = 3,   // floor of the mean of the eight before
  linear = 4,  // the integer before, and a linear combination of up to 16 steps before, with coefficients of the page
};
constexpr size_t linear_order_max = 16;
constexpr size_t predictor_history = linear_order_max + 1;  // integers before a page: all equal the page's base

constexpr size_t page_samples_max = 4096;
constexpr size_t pack_lanes = 8;       // low bits are packed in rows of 8
constexpr size_t cost_chunk = 64;      // costs are estimated from chunks of so many consecutive integers,
constexpr size_t cost_stride = 256;    // one chunk every so many
constexpr unsigned linear_shift = 12;  // coefficients of Predictor::linear are in units of 2^-12

// A number such that index k stands for (float)((k + offset) * step), computed in float64.
struct Lattice {
  double offset = 0;
  double step = 0;
  bool operator==(const Lattice&) const = default;
};

// Of Predictor::linear: the newest step's coefficient first.
struct LinearPrediction {
  size_t order = 0;
  int16_t coefficients[linear_order_max] = {};
};

// Arrays never overlap.

// Between floats and integers.
struct FloatKernels {
  // Largest bit pattern without its sign: >= 0x7F800000 if a value is not finite. 0 for no values.
  uint32_t (*magnitude)(const float* x, size_t count);
  // Nearest index of each value. Returns 0 if every value is reproduced bit for bit.
  uint32_t (*lattice_index)(const float* x, int32_t* index, size_t count, Lattice lattice);
  void (*lattice_value)(const int32_t* index, float* x, size_t count, Lattice lattice);
  // index = x * scale, a power of two. Values must be finite and |x * scale| < 2^31. Returns 0 if all are reproduced; `used` gets
  // the bits that any index has.
  uint32_t (*grid_index)(const float* x, int32_t* index, size_t count, float scale, float inverse, uint32_t* used);
  void (*grid_value)(const int32_t* index, float* x, size_t count, float inverse);
  // Bit patterns as integers in the order of the floats.
  void (*order_index)(const float* x, int32_t* index, size_t count);
  void (*order_value)(const int32_t* index, float* x, size_t count);
  void (*shift_right)(int32_t* index, size_t count, unsigned bits);
  // p[k] = float32 product, a NaN as 0x7FC00000.
  void (*product)(const float* i, const float* v, float* p, size_t count);
  // At how many samples p is not the float32 product, bit for bit. A NaN counts, because processors differ in those that they
  // make.
  size_t (*product_misses)(const float* i, const float* v, const float* p, size_t count);
  // p[k] = (float)(((ki + oi) * gi) * ((kv + ov) * gv)) in float64.
  void (*lattice_product)(const int32_t* i, Lattice of_i, const int32_t* v, Lattice of_v, float* p, size_t count);
  // difference[k] = bits of a - bits of b. Returns how many are not 0.
  size_t (*difference)(const float* a, const float* b, int32_t* difference, size_t count);
  // mark[k] = 1 where the bit patterns differ, else 0. Returns at how many of these b is not a NaN.
  size_t (*unlike)(const float* a, const float* b, uint8_t* mark, size_t count);
  void (*shuffle)(const uint32_t* elements, size_t count, uint8_t* planes);
  void (*unshuffle)(const uint8_t* planes, size_t count, uint32_t* elements);
};

// Before an array called `history` are as many elements as its predictor looks at: predictor_history at most.
struct PredictionKernels {
  // Of the sampled chunks. At least one integer.
  double (*mean)(const int32_t* index, size_t count);
  // Residuals modulo 2^32. `linear` is for Predictor::linear only.
  void (*residuals)(Predictor predictor, const int32_t* history, int32_t* residual, size_t count, int32_t base,
                    const LinearPrediction& linear);
  // Mean of log2(|residual| + 1) over the sampled chunks, in 1/256 bit; 0 for no integers.
  float (*cost)(Predictor predictor, const int32_t* history, size_t count, int32_t base, const LinearPrediction& linear);
  // Undoes residuals(): `index` holds residuals and gets integers.
  void (*integrate)(Predictor predictor, int32_t* index, size_t count, int32_t base, const LinearPrediction& linear);
  // Autocorrelation of the steps from integer to integer at lags 0 to linear_order_max.
  void (*autocorrelation)(const int32_t* index, size_t count, float* lags);
};

struct SymbolKernels {
  // Symbols of residuals; each returns the number of escapes, whose symbols are those of 0 (FORMAT-wave.md).
  size_t (*to_bytes)(const int32_t* residual, size_t count, unsigned shift, uint8_t* symbols);
  size_t (*to_pairs)(const int32_t* residual, size_t count, uint8_t* symbols);
  size_t (*to_triples)(const int32_t* residual, size_t count, uint8_t* symbols);
  size_t (*to_quads)(const int32_t* residual, size_t count, uint8_t* symbols);
  // Back. `low` is for a shift above 0 only.
  void (*from_bytes)(const uint8_t* symbols, size_t count, unsigned shift, const uint32_t* low, int32_t* residual);
  void (*from_pairs)(const uint8_t* symbols, size_t count, int32_t* residual);
  void (*from_triples)(const uint8_t* symbols, size_t count, int32_t* residual);
  void (*from_quads)(const uint8_t* symbols, size_t count, int32_t* residual);
  // Of the sampled chunks: all bits together, and how many residuals are outside -2..1, -3..2 and -8..7. Returns how many it saw.
  size_t (*spread)(const int32_t* residual, size_t count, uint32_t* outside);
  // Positions of residuals outside -limit..limit - 1. Returns how many there are; `positions` has room for one more than `count`.
  size_t (*find_outside)(const int32_t* residual, size_t count, uint32_t limit, uint16_t* positions);
  // All bits together.
  uint32_t (*any)(const int32_t* numbers, size_t count);
  // The low `bits` (1 to 24) of each number, 8 lanes side by side. `packed` has packed_words(count, bits) words.
  void (*pack)(const int32_t* numbers, size_t count, unsigned bits, uint32_t* packed);
  void (*unpack)(const uint32_t* packed, size_t count, unsigned bits, uint32_t* numbers);
};

struct Kernels : FloatKernels, PredictionKernels, SymbolKernels {};

const Kernels& kernels(InstructionSet set);

constexpr size_t packed_words(size_t count, unsigned bits) {
  const size_t rows = (count + pack_lanes - 1) / pack_lanes;
  return (rows * bits + 31) / 32 * pack_lanes;
}

}  // namespace joulespool::codec
