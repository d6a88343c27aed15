#include "agent/codec/windows_codec1.h"

#include <cstring>

#include "agent/codec/section.h"
#include "agent/codec/windows.h"

namespace joulespool::codec {
namespace {

using wire::Window;

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
  for (const Codec1SumColumn& sum : codec1_sums)
    if (section.header.signal == sum.id)
      return take_column<int128>(section, windows, [&](Window& window, int128 value) { window.*sum.member = value; });
  for (const Codec1ExtremeColumn& extreme : codec1_extremes)
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

Result<std::vector<Window>> decode_windows_codec1(wire::ByteView payload, uint64_t sample_id_first) {
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
  if (count > 0 && seen != (1U << codec1_columns) - 1) return Error{Errc::damaged, "window columns are missing"};
  for (Window& window : windows) {
    window.sample_id_end += window.sample_id_first;
    if (window.valid > window.count) return Error{Errc::damaged, "a window has more valid samples than samples"};
  }
  return windows;
}

}  // namespace joulespool::codec
