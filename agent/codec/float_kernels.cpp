// Compiled once per instruction set (cmake/Kernels.cmake): plain loops that the compiler turns into vector instructions. Only
// static functions and no templates of the standard library: nothing here may be shared between the variants by the linker.
#include "agent/codec/kernel_arithmetic.h"

namespace joulespool::codec::JOULESPOOL_KERNELS {
namespace {

constexpr uint32_t not_finite = 0x7F800000;
constexpr uint32_t quiet_nan = 0x7FC00000;

bool is_nan(float value) {
  return static_cast<int32_t>(bits_of(value) & 0x7FFFFFFF) > static_cast<int32_t>(not_finite);  // signed: SSE2 compares only that
}

// How often is(at) is 1 and not 0. Within a block the counter is as wide as a float, so that a vector holds as many of both.
template <class Is>
size_t count_in_blocks(size_t count, Is is) {
  constexpr size_t block = 4096;
  size_t total = 0;
  for (size_t first = 0; first < count; first += block) {
    const size_t end = first + block < count ? first + block : count;
    int32_t some = 0;
    for (size_t at = first; at < end; ++at) some += is(at);
    total += static_cast<size_t>(some);
  }
  return total;
}

uint32_t magnitude(const float* __restrict x, size_t count) {
  int32_t most = 0;  // signed: SSE2 compares only that
  for (size_t at = 0; at < count; ++at) {
    const int32_t bits = __builtin_bit_cast(int32_t, x[at]) & 0x7FFFFFFF;
    most = bits > most ? bits : most;
  }
  return wrapped(most);
}

float value_at(int32_t index, Lattice lattice) {
  return static_cast<float>((static_cast<double>(index) + lattice.offset) * lattice.step);
}

uint32_t lattice_index(const float* __restrict x, int32_t* __restrict index, size_t count, Lattice lattice) {
  const double inverse = 1 / lattice.step;
  uint32_t wrong = 0;
  for (size_t at = 0; at < count; ++at) {
    const int32_t nearest = low_half((static_cast<double>(x[at]) * inverse - lattice.offset) + rounding);
    index[at] = nearest;
    wrong |= bits_of(value_at(nearest, lattice)) ^ bits_of(x[at]);  // by the bits, so that NaN and -0.0 count as wrong
  }
  return wrong;
}

void lattice_value(const int32_t* __restrict index, float* __restrict x, size_t count, Lattice lattice) {
  for (size_t at = 0; at < count; ++at) x[at] = value_at(index[at], lattice);
}

uint32_t grid_index(const float* __restrict x, int32_t* __restrict index, size_t count, float scale, float inverse,
                    uint32_t* used) {
  uint32_t wrong = 0, bits = 0;
  for (size_t at = 0; at < count; ++at) {
    const auto nearest = static_cast<int32_t>(x[at] * scale);
    index[at] = nearest;
    bits |= wrapped(nearest);
    wrong |= bits_of(static_cast<float>(nearest) * inverse) ^ bits_of(x[at]);
  }
  *used = bits;
  return wrong;
}

void grid_value(const int32_t* __restrict index, float* __restrict x, size_t count, float inverse) {
  for (size_t at = 0; at < count; ++at) x[at] = static_cast<float>(index[at]) * inverse;
}

// Negative floats have the order of their magnitudes turned around.
uint32_t ordered(uint32_t bits) { return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) >> 1); }

void order_index(const float* __restrict x, int32_t* __restrict index, size_t count) {
  for (size_t at = 0; at < count; ++at) index[at] = static_cast<int32_t>(ordered(bits_of(x[at])));
}

void order_value(const int32_t* __restrict index, float* __restrict x, size_t count) {
  for (size_t at = 0; at < count; ++at) x[at] = float_of(ordered(wrapped(index[at])));
}

void shift_right(int32_t* __restrict index, size_t count, unsigned bits) {
  for (size_t at = 0; at < count; ++at) index[at] >>= bits;
}

void product(const float* __restrict i, const float* __restrict v, float* __restrict p, size_t count) {
  for (size_t at = 0; at < count; ++at) {
    const float value = i[at] * v[at];
    p[at] = float_of(is_nan(value) ? quiet_nan : bits_of(value));
  }
}

size_t product_misses(const float* __restrict i, const float* __restrict v, const float* __restrict p, size_t count) {
  return count_in_blocks(
      count, [i, v, p](size_t at) { return (bits_of(i[at] * v[at]) != bits_of(p[at]) ? 1 : 0) | (is_nan(p[at]) ? 1 : 0); });
}

void lattice_product(const int32_t* __restrict i, Lattice of_i, const int32_t* __restrict v, Lattice of_v, float* __restrict p,
                     size_t count) {
  for (size_t at = 0; at < count; ++at)
    p[at] = static_cast<float>(((static_cast<double>(i[at]) + of_i.offset) * of_i.step) *
                               ((static_cast<double>(v[at]) + of_v.offset) * of_v.step));
}

size_t difference(const float* __restrict a, const float* __restrict b, int32_t* __restrict out, size_t count) {
  return count_in_blocks(count, [a, b, out](size_t at) {
    const uint32_t less = bits_of(a[at]) - bits_of(b[at]);
    out[at] = static_cast<int32_t>(less);
    return less != 0 ? 1 : 0;
  });
}

size_t unlike(const float* __restrict a, const float* __restrict b, uint8_t* __restrict mark, size_t count) {
  return count_in_blocks(count, [a, b, mark](size_t at) {
    const int32_t differs = bits_of(a[at]) != bits_of(b[at]) ? 1 : 0;
    mark[at] = static_cast<uint8_t>(differs);
    return differs & (is_nan(b[at]) ? 0 : 1);
  });
}

void shuffle(const uint32_t* __restrict elements, size_t count, uint8_t* __restrict planes) {
  for (size_t plane = 0; plane < 4; ++plane)
    for (size_t at = 0; at < count; ++at) planes[plane * count + at] = static_cast<uint8_t>(elements[at] >> (8 * plane));
}

void unshuffle(const uint8_t* __restrict planes, size_t count, uint32_t* __restrict elements) {
  for (size_t at = 0; at < count; ++at)
    elements[at] = static_cast<uint32_t>(planes[at]) | static_cast<uint32_t>(planes[count + at]) << 8 |
                   static_cast<uint32_t>(planes[2 * count + at]) << 16 | static_cast<uint32_t>(planes[3 * count + at]) << 24;
}

}  // namespace

extern const FloatKernels float_kernels;
const FloatKernels float_kernels{magnitude,       lattice_index, lattice_value, grid_index, grid_value,
                                 order_index,     order_value,   shift_right,   product,    product_misses,
                                 lattice_product, difference,    unlike,        shuffle,    unshuffle};

}  // namespace joulespool::codec::JOULESPOOL_KERNELS
