// The inner loop of windows, once per instruction set (cmake/Kernels.cmake).
#pragma once

#include <cstddef>

#include "agent/base/cpu.h"
#include "agent/wire/window.h"

namespace joulespool::signal {

// `count` values each, A, V and W. p may be null: then the power of a sample is the float32 product of i and v.
struct SampleColumns {
  const float* i = nullptr;
  const float* v = nullptr;
  const float* p = nullptr;
};

// Adds samples to the sums, extremes and `valid` of `window`; its sample_ids and `count` are the caller's.
using AddSamples = void (*)(const SampleColumns& columns, size_t count, wire::Window& window);

// The fastest one that needs no more than `set`. All give the same bits, those of add_samples_plainly.
AddSamples add_samples_kernel(InstructionSet set);

// The definition (agent/wire/FORMAT.md section 5), sample by sample; sums of squares modulo 2^128, which takes samples of 10^8 A.
// Of equal extremes the first stays: it decides whether a 0 is +0.0 or -0.0.
void add_samples_plainly(const SampleColumns& columns, size_t count, wire::Window& window);

namespace scalar {
void add_samples(const SampleColumns& columns, size_t count, wire::Window& window);
}
namespace baseline {
void add_samples(const SampleColumns& columns, size_t count, wire::Window& window);
}
namespace avx2 {  // x86-64 only
void add_samples(const SampleColumns& columns, size_t count, wire::Window& window);
}

}  // namespace joulespool::signal
