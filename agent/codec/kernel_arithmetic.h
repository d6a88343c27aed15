// For kernel sources only: each variant has its own copy (cmake/Kernels.cmake).
#pragma once

#include "agent/codec/kernels.h"

namespace joulespool::codec::JOULESPOOL_KERNELS {

// Adding it to a double of magnitude below 2^51 rounds to an integer, ties to even, which is then in the low bits.
constexpr double rounding = 6755399441055744.0;  // 1.5 * 2^52

static inline uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
static inline float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
static inline int32_t low_half(double value) { return static_cast<int32_t>(__builtin_bit_cast(int64_t, value)); }
static inline uint32_t wrapped(int32_t value) { return static_cast<uint32_t>(value); }
static inline int32_t minus(int32_t a, int32_t b) { return static_cast<int32_t>(wrapped(a) - wrapped(b)); }
// 0, 1, 2, ... for 0, 1, 2, ... and for -1, -2, -3, ...
static inline int32_t folded(int32_t number) { return number ^ (number >> 31); }
// Chunks of a page that stand for all of it: every fourth, or all of a short one.
static inline size_t chunk_stride(size_t count) { return count >= 4 * cost_stride ? cost_stride : cost_chunk; }

}  // namespace joulespool::codec::JOULESPOOL_KERNELS
