#include "agent/codec/bit_stream.h"
#include "agent/codec/window_columns.h"
#include "agent/codec/windows.h"
#include "agent/codec/windows_codec1.h"

namespace joulespool::codec {
namespace {

using wire::Window;

constexpr unsigned shift_max = 127;
constexpr unsigned extreme_shift_max = 63;
constexpr unsigned wide_max = 64;

Error damaged(std::string_view what) { return {Errc::damaged, std::string(what)}; }

// What a column's body says before its integers.
struct ColumnHead {
  uint8_t model = model_formula;
  int64_t slope = 0;
  unsigned shift = 0;
  unsigned wide = 0;
  [[nodiscard]] bool has(unsigned bit) const { return (model & bit) != 0; }
};

Result<ColumnHead> read_head(ByteReader& from, WindowColumn column) {
  ColumnHead head;
  head.model = from.u8();
  const bool may_lack_formula = is_sum(column) || is_extreme(column);
  if ((head.model & ~known_model(column)) != 0 || (!may_lack_formula && !head.has(model_formula)))
    return damaged("a model that this version does not know");
  if (head.has(model_slope)) head.slope = from.zigzag();
  if (head.has(model_shift)) head.shift = from.u8();
  if (head.has(model_wide)) head.wide = from.u8();
  const unsigned most = is_sum(column) ? shift_max : extreme_shift_max;
  if (head.shift > most || head.wide > wide_max) return damaged("more bits left out than there are");
  return head;
}

// Reads the columns in their order; each needs those before it.
class ColumnsReader {
 public:
  ColumnsReader(uint64_t count, uint64_t sample_id_first) : windows_(count), values_(count), sample_id_first_(sample_id_first) {}
  Status read_payload_head(ByteReader& from);
  Status read_column(WindowColumn column, wire::ByteView body);
  std::vector<Window> take() { return std::move(windows_); }

 private:
  void take_states();
  Status take_places(WindowColumn column);
  void take_sums(WindowColumn column, const ColumnHead& head, BitReader& low_bits);
  void take_extremes(WindowColumn column, const ColumnHead& head);
  void prepare_formulas(WindowColumn column);
  [[nodiscard]] int128 sum_formula(WindowColumn column, size_t at, int64_t slope) const;

  std::vector<Window> windows_;
  std::vector<int64_t> values_;
  std::vector<uint8_t> states_;
  std::vector<uint64_t> valid_;
  std::vector<WindowFormulas> formulas_;
  WindowContext context_;
  uint64_t sample_id_first_;
  uint64_t ticks_ = 1;
  unsigned state_count_ = 1;
};

Status ColumnsReader::read_payload_head(ByteReader& from) {
  ticks_ = from.varint();
  context_.valid_usual = from.varint();
  state_count_ = from.u8();
  if (!from.ok()) return damaged("the payload's head is cut off");
  if (ticks_ == 0) return damaged("a sample of no ticks");
  if (state_count_ == 0 || state_count_ > window_states_max) return damaged("a number of states that does not exist");
  return {};
}

void ColumnsReader::take_states() {
  states_.resize(values_.size());
  for (size_t at = 0; at < values_.size(); ++at) states_[at] = static_cast<uint8_t>(values_[at]);
  context_.states = states_;
  context_.state_count = state_count_;
}

Status ColumnsReader::take_places(WindowColumn column) {
  uint64_t expected = sample_id_first_;
  for (size_t at = 0; at < windows_.size(); ++at) {
    Window& window = windows_[at];
    const auto value = static_cast<uint64_t>(values_[at]);
    switch (column) {
      case WindowColumn::length: window.sample_id_end = value; break;  // until the beginning is known
      case WindowColumn::first:
        window.sample_id_first = expected + value;
        expected = window.sample_id_end += window.sample_id_first;
        break;
      case WindowColumn::count: window.count = value + (window.sample_id_end - window.sample_id_first) / ticks_; break;
      default:
        window.valid = value + window.count;
        if (window.valid > window.count) return damaged("a window has more valid samples than samples");
        valid_.push_back(window.valid);
    }
  }
  if (column == WindowColumn::valid) context_.valid = valid_;
  return {};
}

int128 ColumnsReader::sum_formula(WindowColumn column, size_t at, int64_t slope) const {
  const Window& window = windows_[at];
  switch (column) {
    case WindowColumn::v_sum: return v_formula(window, slope);
    case WindowColumn::i2_sum: return i2_formula(window);
    case WindowColumn::p_sum: return p_formula(window, formulas_[at].i_excess, slope);
    case WindowColumn::v2_sum: return v2_formula(window, formulas_[at].i_excess, slope);
    default: return 0;
  }
}

void ColumnsReader::take_sums(WindowColumn column, const ColumnHead& head, BitReader& low_bits) {
  const auto member = sum_of(column);
  const bool halved = head.has(model_halved);
  for (size_t at = 0; at < windows_.size(); ++at) {
    auto value = static_cast<uint128>(static_cast<int128>(values_[at])) << head.wide;
    if (head.wide > 0) value |= low_bits.take(head.wide);
    const int128 formula = head.has(model_formula) ? sum_formula(column, at, head.slope) : 0;
    if (halved) value = value << 1 | (is_odd_beyond(windows_[at].*root_of(column), formula, head.shift) ? 1U : 0U);
    value += static_cast<uint128>(formula >> head.shift);
    windows_[at].*member = static_cast<int128>(value << head.shift);
    if (column == WindowColumn::i2_sum)
      formulas_[at].i_excess = static_cast<int128>((value << head.shift) - static_cast<uint128>(i2_formula(windows_[at])));
  }
}

void ColumnsReader::take_extremes(WindowColumn column, const ColumnHead& head) {
  const auto member = extreme_of(column);
  const bool in_units = head.has(model_units);
  for (size_t at = 0; at < windows_.size(); ++at) {
    auto value = static_cast<uint64_t>(values_[at]);
    if (head.has(model_formula))
      value += static_cast<uint64_t>(extreme_formula(column, windows_[at], formulas_[at], in_units, head.slope) >> head.shift);
    const auto integer = static_cast<int64_t>(value << head.shift);
    windows_[at].*member = in_units ? float_of_units(integer) : float_of_order(integer);
  }
}

// What the columns from here on are expected from, as soon as it is known.
void ColumnsReader::prepare_formulas(WindowColumn column) {
  if (column == WindowColumn::i_sum) formulas_.resize(windows_.size());
  if (column != WindowColumn::i_min) return;
  for (size_t at = 0; at < windows_.size(); ++at) {
    formulas_[at].i_mean = mean_of(windows_[at].i_sum, windows_[at].valid);
    formulas_[at].v_mean = mean_of(windows_[at].v_sum, windows_[at].valid);
  }
}

Status ColumnsReader::read_column(WindowColumn column, wire::ByteView body) {
  prepare_formulas(column);
  ByteReader from(body);
  ColumnHead head;
  const bool scaled = is_sum(column);
  if (body.empty()) {
    std::fill(values_.begin(), values_.end(), 0);
  } else {
    const auto read = read_head(from, column);
    if (!read) return read.error();
    head = *read;
    JOULESPOOL_TRY(read_integers(from, head.model, context_, scaled, values_), "integers");
  }
  const size_t low_bytes = (windows_.size() * head.wide + 7) / 8;
  if (from.left() != low_bytes) return damaged("does not have the size of its integers");
  BitReader low_bits(from.rest());
  if (column == WindowColumn::state) {
    for (const int64_t state : values_)
      if (state < 0 || state >= static_cast<int64_t>(state_count_)) return damaged("a state that does not exist");
    take_states();
    return {};
  }
  if (is_sum(column)) take_sums(column, head, low_bits);
  else if (is_extreme(column)) take_extremes(column, head);
  else return take_places(column);
  return {};
}

// The body of the next column.
Result<wire::ByteView> next_body(ByteReader& from) {
  const uint64_t size = from.varint();
  if (!from.ok() || size > from.left()) return damaged("is cut off");
  return from.bytes(size);
}

Result<std::vector<Window>> decode_codec2(wire::ByteView payload, uint64_t sample_id_first) {
  ByteReader from(payload);
  const uint64_t count = from.varint();
  if (!from.ok()) return damaged("the payload's head is cut off");
  if (count > windows_per_frame_max) return damaged("more windows than a frame may hold");
  if (count == 0) {
    if (from.left() > 0) return damaged("bytes after no windows");
    return std::vector<Window>{};
  }
  ColumnsReader columns(count, sample_id_first);
  if (const auto status = columns.read_payload_head(from); !status) return status.error();
  for (size_t at = 0; at < window_column_count; ++at) {
    const auto column = static_cast<WindowColumn>(at);
    const std::string where = "window column " + std::string(to_string(column));
    const auto body = next_body(from);
    if (!body) return body.error().in(where);
    JOULESPOOL_TRY(columns.read_column(column, *body), where);
  }
  while (from.left() > 0)  // columns of a later version
    if (const auto body = next_body(from); !body) return body.error().in("a later window column");
  return columns.take();
}

}  // namespace

Result<std::vector<Window>> decode_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first) {
  if (codec == codec_1) return decode_windows_codec1(payload, sample_id_first);
  if (codec == codec_2) return decode_codec2(payload, sample_id_first);
  return Error{Errc::usage, "codec " + std::to_string(codec) + " is not known to this version"};
}

Result<WindowPayloadParts> list_window_columns(wire::ByteView payload) {
  ByteReader from(payload);
  WindowPayloadParts parts;
  parts.windows = from.varint();
  if (from.ok() && parts.windows == 0 && from.left() == 0) return parts;
  from.varint();
  from.varint();
  parts.states = from.u8();
  if (!from.ok()) return damaged("the payload's head is cut off");
  while (from.left() > 0) {
    const size_t at = parts.columns.size();
    const std::string_view name = at < window_column_count ? to_string(static_cast<WindowColumn>(at)) : "column";
    const auto body = next_body(from);
    if (!body) return body.error().in(name);
    parts.columns.push_back({name, body->empty() ? uint8_t{0} : static_cast<uint8_t>((*body)[0]), body->size()});
  }
  return parts;
}

}  // namespace joulespool::codec
