// Compiled once per instruction set (cmake/Kernels.cmake): plain loops that the compiler turns into vector instructions. Only
// static functions and no templates of the standard library: nothing here may be shared between the variants by the linker.
#include "agent/codec/kernel_arithmetic.h"

namespace joulespool::codec::JOULESPOOL_KERNELS {
namespace {

uint32_t folded_bits(const int32_t* __restrict numbers, size_t count) {
  int32_t bits = 0;
  for (size_t at = 0; at < count; ++at) bits |= folded(numbers[at]);
  return wrapped(bits);
}

size_t to_bytes(const int32_t* __restrict residual, size_t count, unsigned shift, uint8_t* __restrict symbols) {
  if (folded_bits(residual, count) >> shift < 128) {  // nothing escapes
    for (size_t at = 0; at < count; ++at) symbols[at] = static_cast<uint8_t>((residual[at] >> shift) + 128);
    return 0;
  }
  int32_t escapes = 0;
  for (size_t at = 0; at < count; ++at) {
    const int32_t symbol = residual[at] >> shift;
    const int32_t fits = folded(symbol) < 128 ? -1 : 0;
    symbols[at] = static_cast<uint8_t>((symbol & fits) + 128);
    escapes -= ~fits;
  }
  return static_cast<size_t>(escapes);
}

// Digits of 16 residuals at a time, side by side: digit d stands for d - digits / 2, and that of an escape for 0.
template <int32_t digits, size_t per_symbol>
size_t to_digits(const int32_t* __restrict residual, size_t count, uint8_t* __restrict symbols) {
  int32_t escapes = 0;
  size_t at = 0;
  const bool none_escapes = folded_bits(residual, count) < digits / 2 && (digits & (digits - 1)) == 0;
  for (; none_escapes && at + 16 * per_symbol <= count; at += 16 * per_symbol, symbols += 16)
    for (size_t k = 0; k < 16; ++k) {
      int32_t symbol = 0;
      for (size_t m = per_symbol; m-- > 0;) symbol = symbol * digits + residual[at + 16 * m + k] + digits / 2;
      symbols[k] = static_cast<uint8_t>(symbol);
    }
  for (; at < count; at += 16 * per_symbol, symbols += 16) {
    int32_t some[16 * per_symbol] = {};
    const int32_t* from = residual + at;
    if (at + 16 * per_symbol > count) {
      for (size_t k = 0; k < count - at; ++k) some[k] = residual[at + k];
      from = some;
    }
    for (size_t k = 0; k < 16; ++k) {
      int32_t symbol = 0;
      for (size_t m = per_symbol; m-- > 0;) {
        const int32_t number = from[16 * m + k];
        const int32_t fits = folded(number) < digits / 2 ? -1 : 0;
        symbol = symbol * digits + (number & fits) + digits / 2;
        escapes -= ~fits;
      }
      symbols[k] = static_cast<uint8_t>(symbol);
    }
  }
  return static_cast<size_t>(escapes);
}

size_t to_pairs(const int32_t* residual, size_t count, uint8_t* symbols) { return to_digits<16, 2>(residual, count, symbols); }
size_t to_triples(const int32_t* residual, size_t count, uint8_t* symbols) { return to_digits<6, 3>(residual, count, symbols); }
size_t to_quads(const int32_t* residual, size_t count, uint8_t* symbols) { return to_digits<4, 4>(residual, count, symbols); }

void from_bytes(const uint8_t* __restrict symbols, size_t count, unsigned shift, const uint32_t* __restrict low,
                int32_t* __restrict residual) {
  if (shift == 0) {
    for (size_t at = 0; at < count; ++at) residual[at] = static_cast<int32_t>(symbols[at]) - 128;
    return;
  }
  for (size_t at = 0; at < count; ++at)
    residual[at] = static_cast<int32_t>((static_cast<uint32_t>(symbols[at]) - 128) << shift | low[at]);
}

template <uint32_t digits, size_t per_symbol>
void from_digits(const uint8_t* __restrict symbols, size_t count, int32_t* __restrict residual) {
  for (size_t at = 0; at < count; at += 16 * per_symbol, symbols += 16) {
    int32_t block[16 * per_symbol];
    int32_t* to = at + 16 * per_symbol <= count ? residual + at : block;
    for (size_t k = 0; k < 16; ++k) {
      uint32_t symbol = symbols[k];
      for (size_t m = 0; m < per_symbol; ++m) {
        to[16 * m + k] = static_cast<int32_t>(symbol % digits) - static_cast<int32_t>(digits / 2);
        symbol /= digits;
      }
    }
    if (to == block) __builtin_memcpy(residual + at, block, (count - at) * sizeof(int32_t));
  }
}

void from_pairs(const uint8_t* symbols, size_t count, int32_t* residual) { from_digits<16, 2>(symbols, count, residual); }
void from_triples(const uint8_t* symbols, size_t count, int32_t* residual) { from_digits<6, 3>(symbols, count, residual); }
void from_quads(const uint8_t* symbols, size_t count, int32_t* residual) { from_digits<4, 4>(symbols, count, residual); }

// How many of a chunk are above `limit`.
uint32_t count_above(const int32_t* __restrict numbers, int32_t limit) {
  int32_t above = 0;
  for (size_t at = 0; at < cost_chunk; ++at) above += numbers[at] > limit ? 1 : 0;
  return wrapped(above);
}

void chunk_spread(const int32_t* __restrict residual, uint32_t* __restrict outside) {
  int32_t magnitude[cost_chunk];
  for (size_t at = 0; at < cost_chunk; ++at) magnitude[at] = folded(residual[at]);
  int32_t bits = 0;
  for (size_t at = 0; at < cost_chunk; ++at) bits |= residual[at];
  outside[0] |= wrapped(bits);
  outside[1] += count_above(magnitude, 1);
  outside[2] += count_above(magnitude, 2);
  outside[3] += count_above(magnitude, 7);
}

size_t spread(const int32_t* __restrict residual, size_t count, uint32_t* __restrict outside) {
  size_t seen = 0;
  for (size_t k = 0; k < 4; ++k) outside[k] = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count), seen += cost_chunk)
    chunk_spread(residual + at, outside);
  if (seen > 0) return seen;
  int32_t rest[cost_chunk] = {};  // zeros are inside of everything
  for (size_t at = 0; at < count; ++at) rest[at] = residual[at];
  chunk_spread(rest, outside);
  return count;
}

size_t find_outside(const int32_t* __restrict residual, size_t count, uint32_t limit, uint16_t* __restrict positions) {
  constexpr size_t block = 32;
  const auto least = static_cast<int32_t>(limit);
  size_t found = 0;
  for (size_t first = 0; first < count; first += block) {
    const size_t end = first + block < count ? first + block : count;
    if (first + block <= count) {
      int32_t outside = 0;
      for (size_t k = 0; k < block; ++k) outside |= folded(residual[first + k]) < least ? 0 : -1;
      if (outside == 0) continue;
    }
    for (size_t at = first; at < end; ++at) {
      positions[found] = static_cast<uint16_t>(at);
      found += folded(residual[at]) >= least ? 1U : 0U;
    }
  }
  return found;
}

uint32_t any(const int32_t* __restrict numbers, size_t count) {
  uint32_t bits = 0;
  for (size_t at = 0; at < count; ++at) bits |= wrapped(numbers[at]);
  return bits;
}

// Eight lanes side by side.
#ifdef JOULESPOOL_SCALAR
struct Row {
  uint32_t lane[pack_lanes];
  friend Row operator&(Row a, uint32_t b) {
    return each(a, [b](uint32_t x) { return x & b; });
  }
  friend Row operator<<(Row a, unsigned b) {
    return each(a, [b](uint32_t x) { return x << b; });
  }
  friend Row operator>>(Row a, unsigned b) {
    return each(a, [b](uint32_t x) { return x >> b; });
  }
  friend Row operator|(Row a, Row b) {
    for (size_t k = 0; k < pack_lanes; ++k) a.lane[k] |= b.lane[k];
    return a;
  }
  template <class Function>
  static Row each(Row a, Function function) {
    for (uint32_t& x : a.lane) x = function(x);
    return a;
  }
};
#else
using Row = uint32_t __attribute__((vector_size(pack_lanes * sizeof(uint32_t))));
#endif

Row load_row(const void* from) {
  Row row;
  __builtin_memcpy(&row, from, sizeof row);
  return row;
}

void store_row(void* to, Row row) { __builtin_memcpy(to, &row, sizeof row); }

// A row that is not full: the rest is 0.
Row load_part(const int32_t* from, size_t lanes) {
  uint32_t some[pack_lanes] = {};
  for (size_t k = 0; k < lanes; ++k) some[k] = wrapped(from[k]);
  return load_row(some);
}

void pack(const int32_t* __restrict numbers, size_t count, unsigned bits, uint32_t* __restrict packed) {
  Row word{};
  unsigned filled = 0;
  const uint32_t mask = (1U << bits) - 1;
  for (size_t at = 0; at < count; at += pack_lanes) {
    const Row row = (count - at >= pack_lanes ? load_row(numbers + at) : load_part(numbers + at, count - at)) & mask;
    word = word | row << filled;
    filled += bits;
    if (filled < 32) continue;
    store_row(packed, word);
    packed += pack_lanes;
    filled -= 32;
    word = filled == 0 ? Row{} : row >> (bits - filled);
  }
  if (filled > 0) store_row(packed, word);
}

void unpack(const uint32_t* __restrict packed, size_t count, unsigned bits, uint32_t* __restrict numbers) {
  const uint32_t mask = (1U << bits) - 1;
  unsigned taken = 0;
  Row word = load_row(packed);
  packed += pack_lanes;
  for (size_t at = 0; at < count; at += pack_lanes) {
    Row row = word >> taken;
    taken += bits;
    if (taken >= 32 && (taken > 32 || at + pack_lanes < count)) {
      taken -= 32;
      word = load_row(packed);
      packed += pack_lanes;
      if (taken > 0) row = row | word << (bits - taken);
    }
    row = row & mask;
    if (count - at >= pack_lanes) {
      store_row(numbers + at, row);
      continue;
    }
    uint32_t some[pack_lanes];
    store_row(some, row);
    for (size_t k = 0; k < count - at; ++k) numbers[at + k] = some[k];
  }
}

}  // namespace

extern const SymbolKernels symbol_kernels;
const SymbolKernels symbol_kernels{to_bytes,   to_pairs, to_triples,   to_quads, from_bytes, from_pairs, from_triples,
                                   from_quads, spread,   find_outside, any,      pack,       unpack};

}  // namespace joulespool::codec::JOULESPOOL_KERNELS
