// The inner loops of decimation, once per instruction set (cmake/Kernels.cmake). All give the same results, bit for bit: every
// output is made by the same operations in the same order, and vectors only make several outputs at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/base/cpu.h"

namespace joulespool::signal {

// One gain, and where the two differences it applies to are, from where the output's own would be.
struct DecimationTap {
  float gain = 0;
  int32_t ahead = 0;
  int32_t behind = 0;
};

// Arrays never overlap.
struct DecimationKernels {
  // True if all are numbers with |x| < 2^31, as wire::to_units() wants them.
  bool (*all_valid)(const float* x, size_t count);

  // Groups (x0, x1), `before` the sample before the first group: centre = x0 / 2 + (x-1 + x1) / 4, rise = x1 - x-1.
  void (*split2)(const float* x, size_t groups, float before, float* centre, float* rise);
  // Groups (x0 ... x4): centre = x0, and in row k of `rises` xk - xk-1; a row begins `stride` after the one before.
  void (*split5)(const float* x, size_t groups, float before, float* centre, float* rises, size_t stride);

  // out[n] = centre[n] + the sum over the taps, in their order, of gain * (rises[n + ahead] - rises[n + behind]).
  void (*filter)(const float* centre, const float* rises, const DecimationTap* taps, size_t tap_count, size_t count, float* out);
};

const DecimationKernels& decimation_kernels(InstructionSet set);

}  // namespace joulespool::signal
