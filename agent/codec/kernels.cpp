// Compiled once per instruction set (cmake/Kernels.cmake): plain loops that the compiler turns into vector instructions. Only static
// functions and no templates of the standard library: nothing here may be shared between the variants by the linker.
#include "agent/codec/kernels.h"

namespace joulespool::codec::JOULESPOOL_KERNELS {
namespace {

// Adding it to a double of magnitude below 2^51 rounds to an integer, ties to even, which is then in the low bits.
constexpr double rounding = 6755399441055744.0;  // 1.5 * 2^52
constexpr uint32_t not_finite = 0x7F800000;
constexpr uint32_t quiet_nan = 0x7FC00000;

uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
int32_t low_half(double value) { return static_cast<int32_t>(__builtin_bit_cast(int64_t, value)); }
uint32_t wrapped(int32_t value) { return static_cast<uint32_t>(value); }
// 0, 1, 2, ... for 0, 1, 2, ... and for -1, -2, -3, ...
int32_t folded(int32_t number) { return number ^ (number >> 31); }
int32_t minus(int32_t a, int32_t b) { return static_cast<int32_t>(wrapped(a) - wrapped(b)); }

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

// Chunks of a page that stand for all of it: every fourth, or all of a short one.
size_t chunk_stride(size_t count) { return count >= 4 * cost_stride ? cost_stride : cost_chunk; }

double mean(const int32_t* __restrict index, size_t count) {
  int64_t total = 0;
  size_t seen = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count), seen += cost_chunk)
    for (size_t k = 0; k < cost_chunk; ++k) total += index[at + k];
  if (seen == 0)
    for (; seen < count; ++seen) total += index[seen];
  return static_cast<double>(total) / static_cast<double>(seen);
}

// Residual of the integer at `h`: what the predictors look at lies before it.
int32_t residual_centre(const int32_t* h, int32_t base) { return minus(*h, base); }
int32_t residual_delta(const int32_t* h) { return minus(*h, h[-1]); }
int32_t residual_delta2(const int32_t* h) { return static_cast<int32_t>(wrapped(*h) - 2 * wrapped(h[-1]) + wrapped(h[-2])); }
int32_t residual_mean8(const int32_t* h) {
  const uint32_t eight = wrapped(h[-1]) + wrapped(h[-2]) + wrapped(h[-3]) + wrapped(h[-4]) + wrapped(h[-5]) + wrapped(h[-6]) +
                         wrapped(h[-7]) + wrapped(h[-8]);
  return minus(*h, static_cast<int32_t>(eight) >> 3);
}

// floor((sum of coefficient * step + half) / 2^linear_shift), in float64 without any rounding: the sum is below 2^51.
// 2^-(linear_shift + 1) more moves the floor of x + 1/2 to the nearest of something that is never half way.
void residuals_linear(const int32_t* __restrict h, int32_t* __restrict residual, size_t count, const LinearPrediction& linear) {
  constexpr double unit = 1.0 / (1 << linear_shift);
  double steps[page_samples_max + linear_order_max];
  double predicted[page_samples_max];
  const int32_t* first = h - linear_order_max;
  for (size_t at = 0; at < count + linear_order_max; ++at)
    steps[at] = static_cast<double>(minus(first[at], first[static_cast<ptrdiff_t>(at) - 1]));
  for (size_t at = 0; at < count; ++at) predicted[at] = unit / 2;
  size_t m = 0;
  for (; m + 4 <= linear.order; m += 4) {
    const double* newest = steps + linear_order_max - 1 - m;
    const double a = linear.coefficients[m] * unit, b = linear.coefficients[m + 1] * unit, c = linear.coefficients[m + 2] * unit,
                 d = linear.coefficients[m + 3] * unit;
    for (size_t at = 0; at < count; ++at)
      predicted[at] += a * newest[at] + b * newest[at - 1] + c * newest[at - 2] + d * newest[at - 3];
  }
  for (; m < linear.order; ++m) {
    const double* newest = steps + linear_order_max - 1 - m;
    const double a = linear.coefficients[m] * unit;
    for (size_t at = 0; at < count; ++at) predicted[at] += a * newest[at];
  }
  for (size_t at = 0; at < count; ++at)
    residual[at] = static_cast<int32_t>(wrapped(h[at]) - wrapped(h[static_cast<ptrdiff_t>(at) - 1]) - wrapped(low_half(predicted[at] + rounding)));
}

void residuals(Predictor predictor, const int32_t* __restrict h, int32_t* __restrict residual, size_t count, int32_t base,
               const LinearPrediction& linear) {
  switch (predictor) {
    case Predictor::centre:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_centre(h + at, base);
      return;
    case Predictor::delta:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_delta(h + at);
      return;
    case Predictor::delta2:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_delta2(h + at);
      return;
    case Predictor::mean8:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_mean8(h + at);
      return;
    case Predictor::linear: return residuals_linear(h, residual, count, linear);
  }
}

// log2(|residual| + 1) in 1/256 bit: the exponent and the first bits of the mantissa of a float.
int32_t log2_of(int32_t residual) {
  const float magnitude_plus_1 = __builtin_fabsf(static_cast<float>(residual)) + 1.0F;
  return static_cast<int32_t>(bits_of(magnitude_plus_1) >> 15) - (127 << 8);
}

int32_t chunk_cost(const int32_t* __restrict residual) {
  int32_t total = 0;
  for (size_t at = 0; at < cost_chunk; ++at) total += log2_of(residual[at]);
  return total;
}

float cost(Predictor predictor, const int32_t* __restrict h, size_t count, int32_t base, const LinearPrediction& linear) {
  if (count == 0) return 0;
  int32_t residual[cost_chunk];
  int64_t total = 0;
  size_t seen = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count)) {
    residuals(predictor, h + at, residual, cost_chunk, base, linear);
    total += chunk_cost(residual);
    seen += cost_chunk;
  }
  if (seen == 0) {
    residuals(predictor, h, residual, count, base, linear);
    for (size_t at = 0; at < count; ++at) total += log2_of(residual[at]);
    seen = count;
  }
  return static_cast<float>(total) / (256.0F * static_cast<float>(seen));
}

void integrate_mean8(int32_t* index, size_t count, int32_t base) {
  uint32_t last[8];
  for (uint32_t& one : last) one = wrapped(base);
  uint32_t eight = 8 * wrapped(base);
  for (size_t at = 0; at < count; ++at) {
    const uint32_t value = wrapped(index[at]) + wrapped(static_cast<int32_t>(eight) >> 3);
    eight += value - last[at % 8];
    last[at % 8] = value;
    index[at] = static_cast<int32_t>(value);
  }
}

// There are no steps before a page.
template <size_t order>
void integrate_order(int32_t* index, size_t count, int32_t base, const LinearPrediction& linear) {
  int64_t weight[order];
  for (size_t m = 0; m < order; ++m) weight[m] = m < linear.order ? linear.coefficients[m] : 0;
  int64_t steps[page_samples_max + order];
  for (size_t m = 0; m < order; ++m) steps[m] = 0;
  uint32_t value = wrapped(base);
  for (size_t at = 0; at < count; ++at) {
    int64_t predicted = 1 << (linear_shift - 1);
    for (size_t m = order; m-- > 0;) predicted += weight[m] * steps[at + order - 1 - m];  // the newest, which we wait for, last
    const auto step = static_cast<int32_t>(wrapped(index[at]) + static_cast<uint32_t>(predicted >> linear_shift));
    steps[at + order] = step;
    value += wrapped(step);
    index[at] = static_cast<int32_t>(value);
  }
}

void integrate_linear(int32_t* index, size_t count, int32_t base, const LinearPrediction& linear) {
  if (linear.order <= 4) integrate_order<4>(index, count, base, linear);
  else if (linear.order <= 8) integrate_order<8>(index, count, base, linear);
  else integrate_order<16>(index, count, base, linear);
}

void integrate(Predictor predictor, int32_t* __restrict index, size_t count, int32_t base, const LinearPrediction& linear) {
  uint32_t value = wrapped(base), before = value;
  switch (predictor) {
    case Predictor::centre:
      for (size_t at = 0; at < count; ++at) index[at] = static_cast<int32_t>(wrapped(index[at]) + value);
      return;
    case Predictor::delta:
      for (size_t at = 0; at < count; ++at) {
        value += wrapped(index[at]);
        index[at] = static_cast<int32_t>(value);
      }
      return;
    case Predictor::delta2:
      for (size_t at = 0; at < count; ++at) {
        const uint32_t next = wrapped(index[at]) + 2 * value - before;
        before = value;
        value = next;
        index[at] = static_cast<int32_t>(value);
      }
      return;
    case Predictor::mean8: return integrate_mean8(index, count, base);
    case Predictor::linear: return integrate_linear(index, count, base, linear);
  }
}

// In eight lanes of float32, added up in this order whatever the instruction set. Steps are shifted to below 2^20, so that nothing
// overflows.
void autocorrelation(const int32_t* __restrict index, size_t count, float* __restrict lags) {
  constexpr size_t lanes = 8;
  float steps[page_samples_max + linear_order_max + lanes];
  int32_t bits = 0;
  for (size_t at = 1; at < count; ++at) bits |= folded(minus(index[at], index[at - 1]));
  unsigned down = 0;
  while ((bits >> down) >= (1 << 20)) ++down;
  for (size_t m = 0; m <= linear_order_max; ++m) steps[m] = 0;
  for (size_t at = 1; at < count; ++at) steps[at + linear_order_max] = static_cast<float>(minus(index[at], index[at - 1]) >> down);
  for (size_t k = 0; k < lanes; ++k) steps[count + linear_order_max + k] = 0;
  for (size_t lag = 0; lag <= linear_order_max; ++lag) {
    const float* now = steps + linear_order_max;
    const float* before = now - lag;
    float partial[lanes] = {};
    for (size_t at = 0; at < count; at += lanes)
      for (size_t k = 0; k < lanes; ++k) partial[k] += now[at + k] * before[at + k];
    float total = 0;
    for (const float part : partial) total += part;
    lags[lag] = total;
  }
}

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

void chunk_spread(const int32_t* __restrict residual, size_t count, uint32_t* __restrict outside) {
  int32_t bits = 0, quads = 0, triples = 0, pairs = 0;
  for (size_t at = 0; at < count; ++at) {
    const int32_t r = folded(residual[at]);
    bits |= residual[at];
    quads -= r > 1 ? -1 : 0;
    triples -= r > 2 ? -1 : 0;
    pairs -= r > 7 ? -1 : 0;
  }
  outside[0] |= wrapped(bits);
  outside[1] += wrapped(quads);
  outside[2] += wrapped(triples);
  outside[3] += wrapped(pairs);
}

size_t spread(const int32_t* __restrict residual, size_t count, uint32_t* __restrict outside) {
  size_t seen = 0;
  for (size_t k = 0; k < 4; ++k) outside[k] = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count), seen += cost_chunk)
    chunk_spread(residual + at, cost_chunk, outside);
  if (seen > 0) return seen;
  chunk_spread(residual, count, outside);
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
  friend Row operator&(Row a, uint32_t b) { return each(a, [b](uint32_t x) { return x & b; }); }
  friend Row operator<<(Row a, unsigned b) { return each(a, [b](uint32_t x) { return x << b; }); }
  friend Row operator>>(Row a, unsigned b) { return each(a, [b](uint32_t x) { return x >> b; }); }
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

void product(const float* __restrict i, const float* __restrict v, float* __restrict p, size_t count) {
  for (size_t at = 0; at < count; ++at) {
    const uint32_t bits = bits_of(i[at] * v[at]);
    p[at] = float_of(static_cast<int32_t>(bits & 0x7FFFFFFF) > static_cast<int32_t>(not_finite) ? quiet_nan : bits);
  }
}

void lattice_product(const int32_t* __restrict i, Lattice of_i, const int32_t* __restrict v, Lattice of_v, float* __restrict p,
                     size_t count) {
  for (size_t at = 0; at < count; ++at)
    p[at] = static_cast<float>(((static_cast<double>(i[at]) + of_i.offset) * of_i.step) *
                               ((static_cast<double>(v[at]) + of_v.offset) * of_v.step));
}

size_t difference(const float* __restrict a, const float* __restrict b, int32_t* __restrict out, size_t count) {
  constexpr size_t block = 4096;
  size_t unlike = 0;
  for (size_t first = 0; first < count; first += block) {
    const size_t end = first + block < count ? first + block : count;
    int32_t some = 0;
    for (size_t at = first; at < end; ++at) {
      const uint32_t less = bits_of(a[at]) - bits_of(b[at]);
      out[at] = static_cast<int32_t>(less);
      some += less != 0 ? 1 : 0;
    }
    unlike += static_cast<size_t>(some);
  }
  return unlike;
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

extern const Kernels kernels;
const Kernels kernels{
    magnitude, lattice_index, lattice_value, grid_index, grid_value, order_index, order_value, shift_right,
    mean,      residuals,     cost,          integrate,  autocorrelation,
    to_bytes,  to_pairs,      to_triples,    to_quads,   from_bytes,  from_pairs,  from_triples, from_quads, spread, find_outside, any,
    pack,      unpack,        product,       lattice_product, difference, shuffle, unshuffle};

}  // namespace joulespool::codec::JOULESPOOL_KERNELS
