// What a window's columns are, and what each is expected to be from those before it. Layout and formulas: FORMAT-stat.md.
#pragma once

#include <string_view>

#include "agent/base/int128.h"
#include "agent/codec/integer_column.h"
#include "agent/wire/window.h"

namespace joulespool::codec {

// In the order of the payload.
enum class WindowColumn : uint8_t {
  state,
  length,
  first,
  count,
  valid,
  i_sum,
  v_sum,
  i2_sum,
  p_sum,
  v2_sum,
  i_min,
  i_max,
  v_min,
  v_max,
  p_min,
  p_max,
};
constexpr size_t window_column_count = 16;
std::string_view to_string(WindowColumn column);

// Bits of a column's model, besides those of integer_column.h.
constexpr uint8_t model_formula = 0x01;  // the integers are differences from the column's formula; else the values themselves
constexpr uint8_t model_slope = 0x02;    // a slope follows, for the formula
constexpr uint8_t model_units = 0x04;    // extremes: in units of 2^-31; else in the order of floats
constexpr uint8_t model_halved = 0x04;   // sums of squares: differences without their lowest bit, which the sum itself tells
constexpr uint8_t model_shift = 0x40;    // the lowest bits are 0 in every window, and left out
constexpr uint8_t model_wide = 0x80;     // the lowest bits that are left are stored apart: the others would not fit 64 bits

// The bits that a column's model may have. Columns before the sums must have model_formula.
uint8_t known_model(WindowColumn column);

// A window while its columns are coded: what the formulas need besides it.
struct WindowFormulas {
  int128 i_excess = 0;  // i2_sum less what it would be if i did not vary
  int64_t i_mean = 0;   // units, rounded down
  int64_t v_mean = 0;
};

// Formulas of the sums. All is modulo 2^128, and rounded down. slope: times 2^-24.
int128 v_formula(const wire::Window& window, int64_t slope);
int128 i2_formula(const wire::Window& window);
int128 p_formula(const wire::Window& window, int128 i_excess, int64_t slope);
int128 v2_formula(const wire::Window& window, int128 i_excess, int64_t slope);
int64_t mean_of(int128 sum, uint64_t valid);
// Whether a sum of squares that is `formula` more or less is odd: as odd as the sum of its roots, if both are counted in the
// largest power of two that divides all samples. shift: that of the sum of squares, even.
bool is_odd_beyond(int128 root_sum, int128 formula, unsigned shift);
// The sum whose samples a sum of squares is of.
int128 wire::Window::*root_of(WindowColumn column);
// What p_formula is made of, for finding its slope: i and v as if they did not vary together, times 2^31.
int128 steady_power(const wire::Window& window);

// A float as an integer: in the order of floats every bit pattern has its own, and greater floats have greater ones.
int64_t order_of(float value);
float float_of_order(int64_t order);  // of the lowest 32 bits
// In units of 2^-31, where no other float has the same and nothing is lost. False: the value has none.
bool exact_units(float value, int64_t& units);
float float_of_units(int64_t units);

// Formula of an extreme, in units or in the order of floats. slope: of v against i.
int64_t extreme_formula(WindowColumn column, const wire::Window& window, const WindowFormulas& of, bool in_units, int64_t slope);

// The member that a column of sums or extremes is of.
int128 wire::Window::*sum_of(WindowColumn column);
float wire::Window::*extreme_of(WindowColumn column);
constexpr bool is_sum(WindowColumn column) { return column >= WindowColumn::i_sum && column <= WindowColumn::v2_sum; }
constexpr bool is_of_squares(WindowColumn column) { return column == WindowColumn::i2_sum || column == WindowColumn::v2_sum; }
constexpr bool is_extreme(WindowColumn column) { return column >= WindowColumn::i_min; }

}  // namespace joulespool::codec
