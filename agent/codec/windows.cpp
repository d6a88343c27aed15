#include "agent/codec/windows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "agent/base/int128.h"
#include "agent/codec/number_code.h"
#include "agent/codec/window_columns.h"
#include "agent/codec/window_states.h"

namespace joulespool::codec {
namespace {

using wire::Window;

// What the buffers have room for from the start, so that frames of much noise need no more memory than those before.
constexpr size_t head_bytes_max = 4096;
constexpr size_t window_bytes_usual = 64;
constexpr unsigned hidden_bits_max = 63;  // of a 64-bit integer that is sure to hold a signed number

// The value that more than half of the windows have, if one does; else some window's.
uint64_t usual_of(std::span<const uint64_t> values) {
  uint64_t usual = 0;
  size_t votes = 0;
  for (const uint64_t value : values) {
    if (votes == 0) usual = value;
    votes += value == usual ? 1 : static_cast<size_t>(-1);
  }
  return usual;
}

// Of a straight line through pairs of differences, by least squares.
class SlopeFit {
 public:
  void add(double x, double y) {
    n_ += 1;
    x_ += x;
    y_ += y;
    xx_ += x * x;
    xy_ += x * y;
    yy_ += y * y;
  }
  // Times 2^24; 0 where a slope explains nothing. through_origin: y is 0 where x is.
  [[nodiscard]] int64_t slope(bool through_origin) const {
    const double mean_x = through_origin || n_ == 0 ? 0 : x_ / n_;
    const double mean_y = through_origin || n_ == 0 ? 0 : y_ / n_;
    const double xx = xx_ - mean_x * x_;
    const double yy = yy_ - mean_y * y_;
    const double xy = xy_ - mean_x * y_;
    constexpr double explained_min = 4;  // times what a slope explains of noise by chance
    if (!(xx > 0) || !(xy * xy * n_ > explained_min * xx * yy)) return 0;
    const double slope = xy / xx * 0x1p24;
    return std::fabs(slope) < 0x1p52 ? std::llrint(slope) : 0;
  }

 private:
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0, yy_ = 0;
};

unsigned trailing_zeros(uint128 bits) {
  const auto low = static_cast<uint64_t>(bits);
  if (low != 0) return static_cast<unsigned>(std::countr_zero(low));
  const auto high = static_cast<uint64_t>(bits >> 64);
  return high == 0 ? 0 : 64 + static_cast<unsigned>(std::countr_zero(high));
}

// How many of the lowest bits of each must go so that the rest is a 64-bit integer.
unsigned excess_bits(std::span<const int128> values) {
  uint128 magnitudes = 0;
  for (const int128 value : values) magnitudes |= static_cast<uint128>(value ^ (value >> 127));
  const auto high = static_cast<uint64_t>(magnitudes >> 64);
  const auto low = static_cast<uint64_t>(magnitudes);
  const auto width = static_cast<unsigned>(high != 0 ? 64 + std::bit_width(high) : std::bit_width(low));
  return width <= hidden_bits_max ? 0 : width - hidden_bits_max;
}

}  // namespace

// A payload in the making. All vectors keep their memory.
struct WindowEncoder::Columns {
  std::span<const Window> windows;
  IntegerWriter integers;
  WindowStates state_finder;
  ByteWriter out, body;
  std::vector<uint8_t> states;
  std::vector<uint64_t> valid;
  WindowContext context;
  std::vector<WindowFormulas> formulas;
  std::vector<int64_t> levels, values, best_values;
  std::vector<int128> differences;
  int64_t v_slope = 0;

  template <class ValueOf>
  void fill(ValueOf value_of) {
    values.resize(windows.size());
    for (size_t at = 0; at < windows.size(); ++at) values[at] = value_of(windows[at], at);
  }
  void make_room(size_t window_count);
  void begin(std::span<const Window> of);
  void write_head();
  void write_states();
  void write_places(uint64_t sample_id_first, uint64_t ticks);
  void write_plain(uint8_t model);
  void finish_column();
  template <class FormulaOf>
  void write_sum(WindowColumn column, int64_t slope, bool has_slope, FormulaOf formula_of);
  void write_low_bits(unsigned width);
  void find_excesses();
  [[nodiscard]] int64_t slope_of_v() const;
  [[nodiscard]] int64_t slope_of_p() const;
  [[nodiscard]] int64_t slope_of_v2() const;
  void write_sums();
  bool fill_extremes(WindowColumn column, uint8_t model, unsigned& shift);
  void write_extreme(WindowColumn column);
};

void WindowEncoder::Columns::make_room(size_t window_count) {
  for (ByteWriter* buffer : {&out, &body}) {
    buffer->clear();
    buffer->extend(head_bytes_max + window_count * window_bytes_usual);
    buffer->clear();
  }
}

void WindowEncoder::Columns::begin(std::span<const Window> of) {
  windows = of;
  valid.resize(windows.size());
  formulas.resize(windows.size());
  levels.resize(windows.size());
  for (size_t at = 0; at < windows.size(); ++at) {
    const Window& window = windows[at];
    valid[at] = window.valid;
    formulas[at].i_mean = levels[at] = mean_of(window.i_sum, window.valid);
    formulas[at].v_mean = mean_of(window.v_sum, window.valid);
  }
  const unsigned state_count = state_finder.find(levels, states);
  context = {states, state_count, valid, usual_of(valid)};
}

// A column that is as its formula says has an empty body.
void WindowEncoder::Columns::finish_column() {
  out.varint(body.size());
  out.bytes(body.view());
  body.clear();
}

void WindowEncoder::Columns::write_plain(uint8_t model) {
  const IntegerPlan plan = integers.plan(values, false);
  const bool empty = plan.model == 0 && plan.centres[0] == 0 && plan.ks[0] == k_none;
  if (!empty) {
    body.u8(model | plan.model);
    integers.write(body, plan, values, false);
  }
  finish_column();
}

void WindowEncoder::Columns::write_states() {
  WindowContext stateless = context;
  stateless.state_count = 1;
  integers.begin(stateless);
  fill([&](const Window&, size_t at) { return static_cast<int64_t>(states[at]); });
  write_plain(model_formula);
  integers.begin(context);
}

void WindowEncoder::Columns::write_places(uint64_t sample_id_first, uint64_t ticks) {
  fill([](const Window& window, size_t) { return static_cast<int64_t>(window.sample_id_end - window.sample_id_first); });
  write_plain(model_formula);
  uint64_t expected = sample_id_first;
  fill([&](const Window& window, size_t) {
    const uint64_t gap = window.sample_id_first - expected;
    expected = window.sample_id_end;
    return static_cast<int64_t>(gap);
  });
  write_plain(model_formula);
  fill([&](const Window& window, size_t) {
    return static_cast<int64_t>(window.count - (window.sample_id_end - window.sample_id_first) / ticks);
  });
  write_plain(model_formula);
  fill([](const Window& window, size_t) { return static_cast<int64_t>(window.valid - window.count); });
  write_plain(model_formula);
}

// The lowest bits of all differences, which their integers lack.
void WindowEncoder::Columns::write_low_bits(unsigned width) {
  const size_t size = (windows.size() * width + 7) / 8;
  BitWriter bits(body.extend(size));
  for (const int128 difference : differences) {
    const auto low = static_cast<uint64_t>(difference);
    if (width < 64) {
      bits.put(low & ((uint64_t{1} << width) - 1), width);
    } else {
      bits.put(low & 0xFFFFFFFF, 32);
      bits.put(low >> 32, 32);
    }
  }
  bits.finish();
}

template <class FormulaOf>
void WindowEncoder::Columns::write_sum(WindowColumn column, int64_t slope, bool has_slope, FormulaOf formula_of) {
  const auto member = sum_of(column);
  uint128 bits = 0;
  for (const Window& window : windows) bits |= static_cast<uint128>(window.*member);
  const unsigned shift = trailing_zeros(bits);
  differences.resize(windows.size());
  bool halved = is_of_squares(column) && shift % 2 == 0;
  for (size_t at = 0; at < windows.size(); ++at) {
    const int128 formula = formula_of(windows[at], at);
    differences[at] = wrapping_subtract(windows[at].*member >> shift, formula >> shift);
    if (halved) halved = is_odd_beyond(windows[at].*root_of(column), formula, shift) == ((differences[at] & 1) != 0);
  }
  if (halved)
    for (int128& difference : differences) difference >>= 1;
  const unsigned width = excess_bits(differences);
  fill([&](const Window&, size_t at) { return static_cast<int64_t>(differences[at] >> width); });
  const IntegerPlan plan = integers.plan(values, true);
  body.u8(static_cast<uint8_t>(model_formula | plan.model | (has_slope ? model_slope : 0) | (shift > 0 ? model_shift : 0) |
                               (width > 0 ? model_wide : 0) | (halved ? model_halved : 0)));
  if (has_slope) body.zigzag(slope);
  if (shift > 0) body.u8(static_cast<uint8_t>(shift));
  if (width > 0) body.u8(static_cast<uint8_t>(width));
  integers.write(body, plan, values, true);
  if (width > 0) write_low_bits(width);
  finish_column();
}

int64_t WindowEncoder::Columns::slope_of_v() const {
  SlopeFit fit;
  const Window* origin = nullptr;
  for (const Window& window : windows) {
    if (window.valid != context.valid_usual) continue;
    if (origin == nullptr) origin = &window;
    fit.add(static_cast<double>(wrapping_subtract(window.i_sum, origin->i_sum)),
            static_cast<double>(wrapping_subtract(window.v_sum, origin->v_sum)));
  }
  return fit.slope(false);
}

void WindowEncoder::Columns::find_excesses() {
  for (size_t at = 0; at < windows.size(); ++at)
    formulas[at].i_excess = wrapping_subtract(windows[at].i2_sum, i2_formula(windows[at]));
}

int64_t WindowEncoder::Columns::slope_of_p() const {
  SlopeFit fit;
  for (size_t at = 0; at < windows.size(); ++at) {
    const auto power = static_cast<int128>(static_cast<uint128>(windows[at].p_sum) << 31);
    fit.add(static_cast<double>(formulas[at].i_excess), static_cast<double>(wrapping_subtract(power, steady_power(windows[at]))));
  }
  return fit.slope(true);
}

int64_t WindowEncoder::Columns::slope_of_v2() const {
  SlopeFit fit;
  for (size_t at = 0; at < windows.size(); ++at) {
    if (windows[at].valid != context.valid_usual) continue;
    fit.add(static_cast<double>(formulas[at].i_excess),
            static_cast<double>(wrapping_subtract(windows[at].v2_sum, v2_formula(windows[at], 0, 0))));
  }
  return fit.slope(false);
}

void WindowEncoder::Columns::write_sums() {
  write_sum(WindowColumn::i_sum, 0, false, [](const Window&, size_t) { return int128{0}; });
  v_slope = slope_of_v();
  write_sum(WindowColumn::v_sum, v_slope, v_slope != 0, [&](const Window& window, size_t) { return v_formula(window, v_slope); });
  find_excesses();
  write_sum(WindowColumn::i2_sum, 0, false, [](const Window& window, size_t) { return i2_formula(window); });
  const int64_t p_slope = slope_of_p();
  write_sum(WindowColumn::p_sum, p_slope, p_slope != 0,
            [&](const Window& window, size_t at) { return p_formula(window, formulas[at].i_excess, p_slope); });
  const int64_t v2_slope = slope_of_v2();
  write_sum(WindowColumn::v2_sum, v2_slope, v2_slope != 0,
            [&](const Window& window, size_t at) { return v2_formula(window, formulas[at].i_excess, v2_slope); });
}

// False if not all have units.
bool WindowEncoder::Columns::fill_extremes(WindowColumn column, uint8_t model, unsigned& shift) {
  const auto member = extreme_of(column);
  const bool in_units = (model & model_units) != 0;
  const int64_t slope = (model & model_slope) != 0 ? v_slope : 0;
  values.resize(windows.size());
  uint64_t bits = 0;
  for (size_t at = 0; at < windows.size(); ++at) {
    if (!in_units) values[at] = order_of(windows[at].*member);
    else if (!exact_units(windows[at].*member, values[at])) return false;
    bits |= static_cast<uint64_t>(values[at]);
  }
  shift = in_units ? trailing_zeros(bits) : 0;
  for (size_t at = 0; at < windows.size(); ++at) {
    values[at] >>= shift;
    if ((model & model_formula) == 0) continue;
    const int64_t formula = extreme_formula(column, windows[at], formulas[at], in_units, slope) >> shift;
    values[at] = static_cast<int64_t>(static_cast<uint64_t>(values[at]) - static_cast<uint64_t>(formula));
  }
  return true;
}

void WindowEncoder::Columns::write_extreme(WindowColumn column) {
  const bool of_v = column == WindowColumn::v_min || column == WindowColumn::v_max;
  const bool of_p = column >= WindowColumn::p_min;
  const uint8_t sloped = of_v && v_slope != 0 ? model_slope : 0;
  uint64_t best_half_bits = UINT64_MAX;
  bool best_is_table = false;
  uint8_t best_model = 0;
  unsigned best_shift = 0;
  const auto consider = [&](uint8_t model, bool may_repeat) {
    unsigned shift = 0;
    if (!fill_extremes(column, model, shift)) return false;
    const uint64_t plain = integers.estimate_half_bits(values, context.state_count > 1);
    const uint64_t table = may_repeat ? integers.plan_table(values).half_bits : UINT64_MAX;
    if (std::min(plain, table) >= best_half_bits) return true;
    best_half_bits = std::min(plain, table);
    best_is_table = table < plain;
    best_model = model;
    best_shift = shift;
    values.swap(best_values);
    return true;
  };
  consider(0, true);
  if (!of_p && consider(model_units, false)) consider(model_units | model_formula | sloped, false);
  else consider(model_formula | sloped, of_p);
  const IntegerPlan best = best_is_table ? integers.plan_table(best_values) : integers.plan(best_values, false);
  body.u8(static_cast<uint8_t>(best_model | best.model | (best_shift > 0 ? model_shift : 0)));
  if ((best_model & model_slope) != 0) body.zigzag(v_slope);
  if (best_shift > 0) body.u8(static_cast<uint8_t>(best_shift));
  integers.write(body, best, best_values, false);
  finish_column();
}

WindowEncoder::WindowEncoder() : columns_(std::make_unique<Columns>()) {}
WindowEncoder::~WindowEncoder() = default;
WindowEncoder::WindowEncoder(WindowEncoder&&) noexcept = default;
WindowEncoder& WindowEncoder::operator=(WindowEncoder&&) noexcept = default;

wire::ByteView WindowEncoder::encode(std::span<const Window> windows, uint64_t sample_id_first) {
  Columns& columns = *columns_;
  columns.make_room(windows.size());
  columns.out.varint(windows.size());
  if (windows.empty()) return columns.out.view();
  columns.begin(windows);
  const Window& middle = windows[windows.size() / 2];
  const uint64_t length = middle.sample_id_end - middle.sample_id_first;
  const uint64_t ticks = middle.count == 0 ? 1 : std::max<uint64_t>(1, length / middle.count);
  columns.out.varint(ticks);
  columns.out.varint(columns.context.valid_usual);
  columns.out.u8(static_cast<uint8_t>(columns.context.state_count));
  columns.write_states();
  columns.write_places(sample_id_first, ticks);
  columns.write_sums();
  for (size_t column = static_cast<size_t>(WindowColumn::i_min); column < window_column_count; ++column)
    columns.write_extreme(static_cast<WindowColumn>(column));
  return columns.out.view();
}

}  // namespace joulespool::codec
