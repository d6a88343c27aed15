#include "agent/codec/window_columns.h"

#include <bit>
#include <cmath>

#include "agent/codec/samples.h"

namespace joulespool::codec {
namespace {

using wire::Window;

constexpr unsigned slope_bits = 24;
constexpr unsigned unit_bits = 31;

int128 wrapping_multiply(int128 a, int128 b) { return static_cast<int128>(static_cast<uint128>(a) * static_cast<uint128>(b)); }
int128 times_slope(int128 value, int64_t slope) { return wrapping_multiply(value, slope) >> slope_bits; }

// Rounded down; 0 for a divisor of 0.
int128 floor_divide(int128 value, uint64_t by) {
  if (by == 0) return 0;
  const int128 quotient = value / by;
  return quotient - (value < 0 && quotient * by != value ? 1 : 0);
}

// The square modulo 2^128, read without a sign, by `valid`.
int128 square_by(int128 sum, uint64_t valid) {
  return valid == 0 ? 0 : static_cast<int128>(static_cast<uint128>(wrapping_multiply(sum, sum)) / valid);
}

// Of a difference of values in units; 0 where there is none.
int64_t droop(int64_t difference, int64_t slope) { return static_cast<int64_t>(times_slope(difference, slope)); }

int64_t wrapping_add(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
int64_t wrapping_subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

}  // namespace

std::string_view to_string(WindowColumn column) {
  constexpr std::string_view names[window_column_count] = {"state", "length", "sample_id_first", "count",  "valid", "i_sum",
                                                           "v_sum", "i2_sum", "p_sum",           "v2_sum", "i_min", "i_max",
                                                           "v_min", "v_max",  "p_min",           "p_max"};
  return names[static_cast<size_t>(column)];
}

uint8_t known_model(WindowColumn column) {
  constexpr unsigned all = model_formula | model_previous | model_by_state | model_dictionary;
  constexpr unsigned sums = all | model_shift | model_wide;
  constexpr unsigned extremes = all | model_units | model_shift;
  unsigned known = all;
  switch (column) {
    case WindowColumn::i_sum: known = sums; break;
    case WindowColumn::v_sum:
    case WindowColumn::p_sum: known = sums | model_slope; break;
    case WindowColumn::i2_sum: known = sums | model_halved; break;
    case WindowColumn::v2_sum: known = sums | model_halved | model_slope; break;
    case WindowColumn::v_min:
    case WindowColumn::v_max: known = extremes | model_slope; break;
    default:
      if (is_extreme(column)) known = extremes;
  }
  return static_cast<uint8_t>(known);
}

int128 v_formula(const Window& window, int64_t slope) { return times_slope(window.i_sum, slope); }

int128 i2_formula(const Window& window) { return square_by(window.i_sum, window.valid); }

int128 steady_power(const Window& window) { return floor_divide(wrapping_multiply(window.i_sum, window.v_sum), window.valid); }

int128 p_formula(const Window& window, int128 i_excess, int64_t slope) {
  return joulespool::wrapping_add(steady_power(window), times_slope(i_excess, slope)) >> unit_bits;
}

int128 v2_formula(const Window& window, int128 i_excess, int64_t slope) {
  return joulespool::wrapping_add(square_by(window.v_sum, window.valid), times_slope(i_excess, slope));
}

bool is_odd_beyond(int128 root_sum, int128 formula, unsigned shift) {
  return (((root_sum >> (shift / 2)) ^ (formula >> shift)) & 1) != 0;
}

int128 Window::*root_of(WindowColumn column) { return column == WindowColumn::i2_sum ? &Window::i_sum : &Window::v_sum; }

int64_t mean_of(int128 sum, uint64_t valid) {
  const auto narrow = static_cast<int64_t>(sum);
  if (narrow != sum || valid == 0 || valid > INT64_MAX) return static_cast<int64_t>(floor_divide(sum, valid));
  const auto by = static_cast<int64_t>(valid);  // the usual case: a 128-bit division takes several times as long
  const int64_t quotient = narrow / by;
  return quotient - (narrow < 0 && quotient * by != narrow ? 1 : 0);
}

int64_t order_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<int32_t>((bits >> 31) != 0 ? bits ^ 0x7FFFFFFFU : bits);
}

float float_of_order(int64_t order) {
  const auto bits = static_cast<uint32_t>(order);
  return std::bit_cast<float>((bits >> 31) != 0 ? bits ^ 0x7FFFFFFFU : bits);
}

float float_of_units(int64_t units) { return static_cast<float>(static_cast<double>(units) * 0x1p-31); }

bool exact_units(float value, int64_t& units) {
  const wire::Units of = wire::to_units(value);
  units = of.value;
  return of.ok && std::bit_cast<uint32_t>(float_of_units(units)) == std::bit_cast<uint32_t>(value);
}

int64_t extreme_formula(WindowColumn column, const Window& window, const WindowFormulas& of, bool in_units, int64_t slope) {
  int64_t mean = of.i_mean;
  switch (column) {
    case WindowColumn::v_min: {
      const int64_t above = wrapping_subtract(wire::to_units(window.i_max).value, of.i_mean);
      mean = wrapping_add(of.v_mean, droop(above, slope));
      break;
    }
    case WindowColumn::v_max: {
      const int64_t above = wrapping_subtract(wire::to_units(window.i_min).value, of.i_mean);
      mean = wrapping_add(of.v_mean, droop(above, slope));
      break;
    }
    case WindowColumn::p_min:
      if (!in_units) return order_of(product(window.i_min, window.v_max));
      mean = mean_of(window.p_sum, window.valid);
      break;
    case WindowColumn::p_max:
      if (!in_units) return order_of(product(window.i_max, window.v_min));
      mean = mean_of(window.p_sum, window.valid);
      break;
    default: break;
  }
  return in_units ? mean : order_of(float_of_units(mean));
}

int128 Window::*sum_of(WindowColumn column) {
  constexpr int128 Window::*members[] = {&Window::i_sum, &Window::v_sum, &Window::i2_sum, &Window::p_sum, &Window::v2_sum};
  return members[static_cast<size_t>(column) - static_cast<size_t>(WindowColumn::i_sum)];
}

float Window::*extreme_of(WindowColumn column) {
  constexpr float Window::*members[] = {&Window::i_min, &Window::i_max, &Window::v_min,
                                        &Window::v_max, &Window::p_min, &Window::p_max};
  return members[static_cast<size_t>(column) - static_cast<size_t>(WindowColumn::i_min)];
}

}  // namespace joulespool::codec
