// Compiled once per instruction set (cmake/Kernels.cmake). The compiler does not keep several sums in vector registers by itself,
// hence std::experimental::simd for the filter; the other loops are plain.
#include "agent/signal/decimation_kernels.h"

#include <experimental/simd>
#include <type_traits>

namespace joulespool::signal::JOULESPOOL_KERNELS {
namespace {

namespace simd = std::experimental;
constexpr bool has_vectors = InstructionSet::JOULESPOOL_KERNELS != InstructionSet::scalar;
using One = simd::simd<float, simd::simd_abi::scalar>;
using Lanes = std::conditional_t<has_vectors, simd::native_simd<float>, One>;

bool all_valid(const float* __restrict x, size_t count) {
  constexpr size_t width = Lanes::size();
  constexpr float limit = 2147483648.0F;  // a comparison with NaN is false
  Lanes::mask_type valid[4] = {Lanes::mask_type(true), Lanes::mask_type(true), Lanes::mask_type(true), Lanes::mask_type(true)};
  size_t at = 0;
  for (; at + 4 * width <= count; at += 4 * width)
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) valid[k] &= simd::abs(Lanes(x + at + k * width, simd::element_aligned)) < limit;
  bool all = simd::all_of(valid[0] & valid[1] & valid[2] & valid[3]);
  for (; at < count; ++at) all = all && x[at] < limit && x[at] > -limit;
  return all;
}

void split2(const float* __restrict x, size_t groups, float before, float* __restrict centre, float* __restrict rise) {
  if (groups == 0) return;
  centre[0] = 0.5F * x[0] + 0.25F * (before + x[1]);
  rise[0] = x[1] - before;
  for (size_t n = 1; n < groups; ++n) {
    centre[n] = 0.5F * x[2 * n] + 0.25F * (x[2 * n - 1] + x[2 * n + 1]);
    rise[n] = x[2 * n + 1] - x[2 * n - 1];
  }
}

void split5(const float* __restrict x, size_t groups, float before, float* __restrict centre, float* __restrict rises,
            size_t stride) {
  for (size_t n = 0; n < groups; ++n) {
    const float* group = x + 5 * n;
    centre[n] = group[0];
    rises[n] = group[0] - before;
    rises[n + stride] = group[1] - group[0];
    rises[n + 2 * stride] = group[2] - group[1];
    rises[n + 3 * stride] = group[3] - group[2];
    rises[n + 4 * stride] = group[4] - group[3];
    before = group[4];
  }
}

// As many outputs as fit `count` vectors.
template <class Vector, size_t count>
[[gnu::always_inline]] inline void filter_block(const float* centre, const float* rises, const DecimationTap* taps,
                                                size_t tap_count, float* out) {
  constexpr size_t width = Vector::size();
  Vector sums[count];
  for (size_t k = 0; k < count; ++k) sums[k] = 0;
  for (size_t tap = 0; tap < tap_count; ++tap) {
    const Vector gain = taps[tap].gain;
    const float* ahead = rises + taps[tap].ahead;
    const float* behind = rises + taps[tap].behind;
#pragma GCC unroll 8
    for (size_t k = 0; k < count; ++k)
      sums[k] += gain * (Vector(ahead + k * width, simd::element_aligned) - Vector(behind + k * width, simd::element_aligned));
  }
#pragma GCC unroll 8
  for (size_t k = 0; k < count; ++k) {
    const Vector sum = Vector(centre + k * width, simd::element_aligned) + sums[k];
    sum.copy_to(out + k * width, simd::element_aligned);
  }
}

void filter(const float* centre, const float* rises, const DecimationTap* taps, size_t tap_count, size_t count, float* out) {
  constexpr size_t width = Lanes::size();
  size_t at = 0;
  for (; at + 8 * width <= count; at += 8 * width) filter_block<Lanes, 8>(centre + at, rises + at, taps, tap_count, out + at);
  for (; at + 2 * width <= count; at += 2 * width) filter_block<Lanes, 2>(centre + at, rises + at, taps, tap_count, out + at);
  for (; at < count && count >= width; at += width) {
    const size_t first = at < count - width ? at : count - width;  // the last vector makes some outputs once more
    filter_block<Lanes, 1>(centre + first, rises + first, taps, tap_count, out + first);
  }
  for (; at < count; ++at) filter_block<One, 1>(centre + at, rises + at, taps, tap_count, out + at);
}

}  // namespace

extern const DecimationKernels decimation_kernels;
const DecimationKernels decimation_kernels = {all_valid, split2, split5, filter};

}  // namespace joulespool::signal::JOULESPOOL_KERNELS
