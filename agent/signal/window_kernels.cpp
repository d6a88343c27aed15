// Exact sums at the speed of rounded ones. A sample's integer is k = round(x * 2^31). Chunks of at most 512 samples whose valid
// values are below 2^16 are summed in one of three ways, per signal:
// - One binade (v, mostly): all values have one sign and exponent, and are 2^-8 or more. Then k is a multiple of 2^grid_bits, and
//   floats' bit patterns count these multiples: integers from the start.
// - Narrow: x + 1.5 * 2^21 rounds x to a multiple of 2^-31, ties to even, and its bit pattern is a constant plus k; patterns are
//   summed as integers. With a reference c near the middle, d = x - c (rounded) is exact, and d^2 is as long as |d| <= 2^26 steps
//   of the grid. d^2 + 2^52 steps^2 then has the pattern of a constant plus d^2 in steps^2, and
//   sum k^2 = sum d^2 + 2 c sum k - n c^2, in 128 bits.
// - Wide: a float has 24 significant bits, rounding to an integer only takes some away, so k^2 is exact in a double. It is
//   split at 2^44 by adding and subtracting 1.5 * 2^(52 + 44), and both parts are summed by their patterns.
// Samples without numbers are replaced by the chunk's first valid sample, whose share is taken off afterwards. What is left (a
// valid value of 2^16 or more, fewer samples than a vector has lanes) goes the plain way.
#include "agent/signal/window_kernels.h"

#include <experimental/simd>
#include <type_traits>

namespace joulespool::signal::JOULESPOOL_KERNELS {
namespace {

namespace stdx = std::experimental;

// Extremes need a type of their own: without -ffast-math GCC does not vectorise them in plain loops, as it does the rest.
constexpr bool has_vectors = InstructionSet::JOULESPOOL_KERNELS != InstructionSet::scalar;
using Floats = std::conditional_t<has_vectors, stdx::native_simd<float>, stdx::simd<float, stdx::simd_abi::scalar>>;

constexpr size_t lanes = Floats::size();
constexpr size_t chunk_max = 512;         // patterns' sums stay in 64 bits, and buffers in the first-level cache
constexpr float fast_max = 65536.0F;      // A, V, W
constexpr float valid_max = 0x1p31F;      // wire::to_units()
constexpr double unit_magic = 0x1.8p21;   // last bit 2^-31: one unit
constexpr double units_per_one = 0x1p31;  // as in agent/base/units.h, which brings strings along
constexpr double high_magic = 0x1.8p34;   // last bit 2^-18: 2^44 units^2
constexpr double low_magic = 0x1.8p-10;   // last bit 2^-62: one unit^2
constexpr int high_bits = 44;

struct Extremes {
  float min = __builtin_inff();
  float max = -__builtin_inff();
};

struct ChunkExtremes {
  Extremes i, v, p;
  bool has_nan = false;
};

struct SignalSums {
  int128 sum = 0;      // units
  int128 squares = 0;  // units^2
};

uint64_t pattern(double x) { return __builtin_bit_cast(uint64_t, x); }

int64_t units(float x) { return static_cast<int64_t>(((static_cast<double>(x) + unit_magic) - unit_magic) * units_per_one); }

bool is_fast(const Extremes& extremes) { return extremes.min > -fast_max && extremes.max < fast_max; }

bool is_fast(const ChunkExtremes& extremes) { return is_fast(extremes.i) && is_fast(extremes.v) && is_fast(extremes.p); }

template <bool has_power>
float power_at(const SampleColumns& columns, size_t at) {
  return has_power ? columns.p[at] : columns.i[at] * columns.v[at];
}

// Of one signal, lane by lane.
struct ExtremeLanes {
  Floats min = __builtin_inff();
  Floats max = -__builtin_inff();
  [[gnu::always_inline]] void widen(const Floats& x) {
    min = stdx::min(min, x);
    max = stdx::max(max, x);
  }
  [[nodiscard]] Extremes all() const { return {stdx::hmin(min), stdx::hmax(max)}; }
};

// Where the vector after the one at `at` begins: the last one overlaps it, so that there is no rest. Needs count >= lanes.
size_t next_vector(size_t at, size_t count) { return at + lanes < count && at + 2 * lanes > count ? count - lanes : at + lanes; }

// Extremes of all samples, of use only if there is no NaN. Without a power of their own, the products go to `product`.
template <bool has_power>
ChunkExtremes extremes_of(const SampleColumns& columns, size_t count, float* product) {
  ExtremeLanes i, v, p;
  Floats::mask_type nan(false);
  for (size_t at = 0; at < count; at = next_vector(at, count)) {
    const Floats x(columns.i + at, stdx::element_aligned), y(columns.v + at, stdx::element_aligned);
    Floats z = x * y;
    if (has_power) z.copy_from(columns.p + at, stdx::element_aligned);
    else z.copy_to(product + at, stdx::element_aligned);
    i.widen(x);
    v.widen(y);
    p.widen(z);
    nan = nan || stdx::isunordered(x, y) || stdx::isunordered(z, z);
  }
  return {i.all(), v.all(), p.all(), stdx::any_of(nan)};
}

int64_t sum_of(const float* x, size_t count) {
  uint64_t sum = 0;
  for (size_t at = 0; at < count; ++at) sum += pattern(static_cast<double>(x[at]) + unit_magic);
  return static_cast<int64_t>(sum - count * pattern(unit_magic));
}

// The value of smallest magnitude between the extremes.
float smallest(const Extremes& extremes) { return extremes.min > 0 ? extremes.min : extremes.max < 0 ? extremes.max : 0.0F; }

int exponent_bits(float x) { return static_cast<int>((__builtin_bit_cast(uint32_t, x) >> 23) & 255); }

// log2 of the grid on which all values between the extremes are, in units.
int grid_bits(const Extremes& extremes) {
  const int bits = exponent_bits(smallest(extremes)) - 127 - 23 + 31;
  return bits > 0 ? bits : 0;
}

bool is_one_binade(const Extremes& extremes) {
  return exponent_bits(smallest(extremes)) >= 127 - 8 && exponent_bits(extremes.min) == exponent_bits(extremes.max);
}

SignalSums binade_sums(const float* x, size_t count, float base, int bits) {
  const auto base_pattern = __builtin_bit_cast(uint32_t, base);
  static_assert(chunk_max * ((1U << 23) - 1) <= UINT32_MAX);
  uint32_t sum = 0;
  uint64_t squares = 0;
  for (size_t at = 0; at < count; ++at) {
    const uint32_t steps = __builtin_bit_cast(uint32_t, x[at]) - base_pattern;
    sum += steps;
    squares += static_cast<uint64_t>(steps) * steps;
  }
  const int128 n = static_cast<int128>(count), first = units(base < 0 ? -base : base), beyond = static_cast<int128>(sum) << bits;
  const int128 total = n * first + beyond;
  return {base < 0 ? -total : total, n * first * first + 2 * first * beyond + (static_cast<int128>(squares) << (2 * bits))};
}

SignalSums narrow_sums(const float* x, size_t count, int64_t middle, int bits) {
  const double reference = unit_magic + static_cast<double>(middle) / units_per_one;
  const double step = static_cast<double>(int64_t{1} << bits) / units_per_one;
  const double square_magic = step * step * 0x1p52;
  uint64_t sum = 0, squares = 0;
  for (size_t at = 0; at < count; ++at) {
    const double rounded = static_cast<double>(x[at]) + unit_magic;
    const double apart = rounded - reference;
    sum += pattern(rounded);
    squares += pattern(apart * apart + square_magic);
  }
  const auto n = static_cast<int64_t>(count);
  const int128 total = static_cast<int64_t>(sum - count * pattern(unit_magic));
  const int128 apart = static_cast<int128>(squares - count * pattern(square_magic)) << (2 * bits);
  return {total, apart + 2 * middle * total - static_cast<int128>(middle) * middle * n};
}

SignalSums wide_sums(const float* x, size_t count) {
  uint64_t sum = 0, high = 0, low = 0;
  for (size_t at = 0; at < count; ++at) {
    const double rounded = static_cast<double>(x[at]) + unit_magic;
    const double value = rounded - unit_magic;
    const double square = value * value;
    const double cut = square + high_magic;
    sum += pattern(rounded);
    high += pattern(cut);
    low += pattern((square - (cut - high_magic)) + low_magic);
  }
  const auto high_total = static_cast<int64_t>(high - count * pattern(high_magic));
  const auto low_total = static_cast<int64_t>(low - count * pattern(low_magic));
  return {static_cast<int64_t>(sum - count * pattern(unit_magic)), (static_cast<int128>(high_total) << high_bits) + low_total};
}

SignalSums sums_of(const float* x, size_t count, const Extremes& extremes) {
  const int bits = grid_bits(extremes);
  if (is_one_binade(extremes)) return binade_sums(x, count, smallest(extremes), bits);
  const int64_t min = units(extremes.min);
  const int64_t steps = (units(extremes.max) - min) >> bits;
  constexpr int64_t steps_max = (int64_t{1} << 27) - 2;
  return steps <= steps_max ? narrow_sums(x, count, min + ((steps / 2) << bits), bits) : wide_sums(x, count);
}

// The extreme of a chunk, as it stands in the first of the equal samples: a 0 may be +0.0 or -0.0.
float as_in_samples(float extreme, const float* x) {
  if (extreme != 0) return extreme;
  while (*x != 0) ++x;
  return *x;
}

void widen(float& min, float& max, const Extremes& extremes, const float* x) {
  if (extremes.min < min) min = as_in_samples(extremes.min, x);
  if (extremes.max > max) max = as_in_samples(extremes.max, x);
}

// wrapping_add() of agent/base/int128.h, which the compiler might emit as a function.
int128 wrapped_sum(int128 a, int128 b) { return static_cast<int128>(static_cast<uint128>(a) + static_cast<uint128>(b)); }

// Samples that all have numbers below fast_max. `fillers` of them are copies of the first and do not count.
void add_numbers(const SampleColumns& columns, size_t count, const ChunkExtremes& extremes, size_t fillers,
                 wire::Window& window) {
  const auto surplus = static_cast<int64_t>(fillers);
  const int128 i = units(columns.i[0]), v = units(columns.v[0]), p = units(columns.p[0]);
  const SignalSums i_sums = sums_of(columns.i, count, extremes.i);
  const SignalSums v_sums = sums_of(columns.v, count, extremes.v);
  window.valid += count - fillers;
  window.i_sum += i_sums.sum - surplus * i;
  window.v_sum += v_sums.sum - surplus * v;
  window.p_sum += sum_of(columns.p, count) - surplus * p;
  window.i2_sum = wrapped_sum(window.i2_sum, i_sums.squares - surplus * i * i);
  window.v2_sum = wrapped_sum(window.v2_sum, v_sums.squares - surplus * v * v);
  widen(window.i_min, window.i_max, extremes.i, columns.i);
  widen(window.v_min, window.v_max, extremes.v, columns.v);
  widen(window.p_min, window.p_max, extremes.p, columns.p);
}

// A chunk with each sample that has no numbers replaced by its first valid one.
struct FilledChunk {
  float i[chunk_max], v[chunk_max], p[chunk_max];
  size_t fillers;
  ChunkExtremes extremes;
};

bool is_valid(float i, float v, float p) {
  return __builtin_fabsf(i) < valid_max && __builtin_fabsf(v) < valid_max && __builtin_fabsf(p) < valid_max;
}

template <bool has_power>
void fill_chunk(const SampleColumns& columns, size_t count, size_t first, FilledChunk& to) {
  const Floats i_first = columns.i[first], v_first = columns.v[first];
  const Floats p_first = power_at<has_power>(columns, first);
  ExtremeLanes i, v, p;
  Floats fillers = 0;
  for (size_t at = 0; at < count; at = next_vector(at, count)) {
    Floats x(columns.i + at, stdx::element_aligned), y(columns.v + at, stdx::element_aligned);
    Floats z = x * y;
    if (has_power) z.copy_from(columns.p + at, stdx::element_aligned);
    const auto bad = !(stdx::abs(x) < valid_max && stdx::abs(y) < valid_max && stdx::abs(z) < valid_max);
    stdx::where(bad, x) = i_first;
    stdx::where(bad, y) = v_first;
    stdx::where(bad, z) = p_first;
    i.widen(x);
    v.widen(y);
    p.widen(z);
    x.copy_to(to.i + at, stdx::element_aligned);
    y.copy_to(to.v + at, stdx::element_aligned);
    z.copy_to(to.p + at, stdx::element_aligned);
    if (at + lanes <= count / lanes * lanes) stdx::where(bad, fillers) += 1;
  }
  to.fillers = 0;
  for (size_t lane = 0; lane < lanes; ++lane) to.fillers += static_cast<size_t>(fillers[lane]);
  for (size_t at = count / lanes * lanes; at < count; ++at)
    to.fillers += is_valid(columns.i[at], columns.v[at], power_at<has_power>(columns, at)) ? 0U : 1U;
  to.extremes = {i.all(), v.all(), p.all(), false};
}

// True if samples were left out.
template <bool has_power>
bool add_mixed(const SampleColumns& columns, size_t count, wire::Window& window) {
  size_t first = 0;
  while (first < count && !is_valid(columns.i[first], columns.v[first], power_at<has_power>(columns, first))) ++first;
  if (first == count) return true;
  FilledChunk filled;
  fill_chunk<has_power>(columns, count, first, filled);
  if (is_fast(filled.extremes)) add_numbers({filled.i, filled.v, filled.p}, count, filled.extremes, filled.fillers, window);
  else add_samples_plainly(columns, count, window);
  return filled.fillers > 0;
}

template <bool has_power>
void add_chunks(const SampleColumns& columns, size_t count, wire::Window& window) {
  bool is_mixed = false;  // the last chunk: then the next one is likely to be
  for (size_t done = 0; done < count; done += chunk_max) {
    const SampleColumns chunk{columns.i + done, columns.v + done, has_power ? columns.p + done : nullptr};
    const size_t size = count - done < chunk_max ? count - done : chunk_max;
    if (size < lanes) return add_samples_plainly(chunk, size, window);
    if (!is_mixed) {
      float product[chunk_max];
      const ChunkExtremes extremes = extremes_of<has_power>(chunk, size, product);
      is_mixed = extremes.has_nan || !is_fast(extremes);
      if (!is_mixed) add_numbers({chunk.i, chunk.v, has_power ? chunk.p : product}, size, extremes, 0, window);
    }
    if (is_mixed) is_mixed = add_mixed<has_power>(chunk, size, window);
  }
}

}  // namespace

void add_samples(const SampleColumns& columns, size_t count, wire::Window& window) {
  columns.p != nullptr ? add_chunks<true>(columns, count, window) : add_chunks<false>(columns, count, window);
}

}  // namespace joulespool::signal::JOULESPOOL_KERNELS
