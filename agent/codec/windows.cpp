#include "agent/codec/windows.h"

#include <cstring>

#include "agent/base/int128.h"

namespace joulespool::codec {
namespace {

using wire::Window;

// Column ids (FORMAT.md). Every window has every column.
enum Column : uint8_t {
  column_first = 64,
  column_length,
  column_count,
  column_valid,
  column_i_sum,
  column_v_sum,
  column_p_sum,
  column_i2_sum,
  column_v2_sum,
  column_i_min,
  column_i_max,
  column_v_min,
  column_v_max,
  column_p_min,
  column_p_max,
};
constexpr size_t column_count_all = 15;

struct SumColumn {
  Column id;
  int128 Window::*member;
};
constexpr SumColumn sums[] = {{column_i_sum, &Window::i_sum},
                              {column_v_sum, &Window::v_sum},
                              {column_p_sum, &Window::p_sum},
                              {column_i2_sum, &Window::i2_sum},
                              {column_v2_sum, &Window::v2_sum}};
struct ExtremeColumn {
  Column id;
  float Window::*member;
};
constexpr ExtremeColumn extremes[] = {{column_i_min, &Window::i_min}, {column_i_max, &Window::i_max},
                                      {column_v_min, &Window::v_min}, {column_v_max, &Window::v_max},
                                      {column_p_min, &Window::p_min}, {column_p_max, &Window::p_max}};

// Writes get(window) of every window as a column. Little-endian like every machine we run on.
template <class Value, class Get>
void add_column(SectionWriter& sections, wire::Bytes& scratch, Column id, std::span<const Window> windows, Get get) {
  scratch.resize(windows.size() * sizeof(Value));
  for (size_t at = 0; at < windows.size(); ++at) {
    const Value value = get(windows[at]);
    std::memcpy(scratch.data() + at * sizeof(Value), &value, sizeof(Value));
  }
  SectionHeader header;
  header.signal = id;
  header.bits = 8 * sizeof(Value);
  header.count = static_cast<uint32_t>(windows.size());
  sections.add(header, scratch);
}

template <class Value, class Set>
bool take_column(const Section& section, std::vector<Window>& windows, Set set) {
  if (section.header.bits != 8 * sizeof(Value)) return false;
  const auto bytes = section_elements(section);
  if (!bytes) return false;
  for (size_t at = 0; at < windows.size(); ++at) {
    Value value;
    std::memcpy(&value, bytes->data() + at * sizeof(Value), sizeof(Value));
    set(windows[at], value);
  }
  return true;
}

// False: damaged. `known` tells whether the column is one of ours.
bool decode_column(const Section& section, uint64_t sample_id_first, std::vector<Window>& windows, bool& known) {
  known = true;
  for (const SumColumn& sum : sums)
    if (section.header.signal == sum.id)
      return take_column<int128>(section, windows, [&](Window& window, int128 value) { window.*sum.member = value; });
  for (const ExtremeColumn& extreme : extremes)
    if (section.header.signal == extreme.id)
      return take_column<float>(section, windows, [&](Window& window, float value) { window.*extreme.member = value; });
  uint64_t last = sample_id_first;
  switch (section.header.signal) {
    case column_first:
      return take_column<uint64_t>(section, windows,
                                   [&](Window& window, uint64_t step) { window.sample_id_first = last += step; });
    case column_length:
      return take_column<uint32_t>(section, windows, [](Window& window, uint32_t ticks) { window.sample_id_end = ticks; });
    case column_count:
      return take_column<uint32_t>(section, windows, [](Window& window, uint32_t count) { window.count = count; });
    case column_valid:
      return take_column<uint32_t>(section, windows, [](Window& window, uint32_t valid) { window.valid = valid; });
    default: break;
  }
  known = false;
  return true;
}

}  // namespace

WindowEncoder::WindowEncoder() : sections_(std::make_unique<SectionWriter>()) {}
WindowEncoder::~WindowEncoder() = default;
WindowEncoder::WindowEncoder(WindowEncoder&&) noexcept = default;
WindowEncoder& WindowEncoder::operator=(WindowEncoder&&) noexcept = default;

wire::ByteView WindowEncoder::encode(std::span<const Window> windows, uint64_t sample_id_first) {
  SectionWriter& out = *sections_;
  out.clear();
  uint64_t last = sample_id_first;
  add_column<uint64_t>(out, column_, column_first, windows, [&](const Window& window) {
    const uint64_t step = window.sample_id_first - last;
    last = window.sample_id_first;
    return step;
  });
  add_column<uint32_t>(out, column_, column_length, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.sample_id_end - window.sample_id_first); });
  add_column<uint32_t>(out, column_, column_count, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.count); });
  add_column<uint32_t>(out, column_, column_valid, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.valid); });
  for (const SumColumn& sum : sums)
    add_column<int128>(out, column_, sum.id, windows, [&](const Window& window) { return window.*sum.member; });
  for (const ExtremeColumn& extreme : extremes)
    add_column<float>(out, column_, extreme.id, windows, [&](const Window& window) { return window.*extreme.member; });
  return out.bytes();
}

Result<std::vector<Window>> decode_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first) {
  if (codec != codec_1) return Error{Errc::usage, "codec " + std::to_string(codec) + " is not known to this version"};
  const auto sections = read_sections(payload);
  if (!sections) return sections.error();
  const uint32_t count = sections->empty() ? 0 : sections->front().header.count;
  if (count > windows_per_frame_max) return Error{Errc::damaged, "more windows than a frame may hold"};
  std::vector<Window> windows(count);
  uint32_t seen = 0;
  for (const Section& section : *sections) {
    bool known = false;
    if (section.header.count != count || !decode_column(section, sample_id_first, windows, known))
      return Error{Errc::damaged, "window column " + std::to_string(section.header.signal) + " cannot be decoded"};
    if (!known) continue;
    const uint32_t bit = 1U << (section.header.signal - column_first);
    if ((seen & bit) != 0)
      return Error{Errc::damaged, "window column " + std::to_string(section.header.signal) + " is there twice"};
    seen |= bit;
  }
  if (count > 0 && seen != (1U << column_count_all) - 1) return Error{Errc::damaged, "window columns are missing"};
  for (Window& window : windows) {
    window.sample_id_end += window.sample_id_first;
    if (window.valid > window.count) return Error{Errc::damaged, "a window has more valid samples than samples"};
  }
  return windows;
}

}  // namespace joulespool::codec
