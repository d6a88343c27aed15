#include "tests/support/codec1_window_writer.h"

#include <cstring>

#include "agent/codec/windows_codec1.h"

namespace joulespool::test {
namespace {

using wire::Window;

// Writes get(window) of every window as a column. Little-endian like every machine we run on.
template <class Value, class Get>
void add_column(Codec1SectionWriter& sections, wire::Bytes& scratch, codec::Codec1Column id, std::span<const Window> windows,
                Get get) {
  scratch.resize(windows.size() * sizeof(Value));
  for (size_t at = 0; at < windows.size(); ++at) {
    const Value value = get(windows[at]);
    std::memcpy(scratch.data() + at * sizeof(Value), &value, sizeof(Value));
  }
  codec::SectionHeader header;
  header.signal = id;
  header.bits = 8 * sizeof(Value);
  header.count = static_cast<uint32_t>(windows.size());
  sections.add(header, scratch);
}

}  // namespace

wire::ByteView Codec1WindowWriter::encode(std::span<const Window> windows, uint64_t sample_id_first) {
  Codec1SectionWriter& out = sections_;
  out.clear();
  uint64_t last = sample_id_first;
  add_column<uint64_t>(out, column_, codec::column_first, windows, [&](const Window& window) {
    const uint64_t step = window.sample_id_first - last;
    last = window.sample_id_first;
    return step;
  });
  add_column<uint32_t>(out, column_, codec::column_length, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.sample_id_end - window.sample_id_first); });
  add_column<uint32_t>(out, column_, codec::column_count, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.count); });
  add_column<uint32_t>(out, column_, codec::column_valid, windows,
                       [](const Window& window) { return static_cast<uint32_t>(window.valid); });
  for (const codec::Codec1SumColumn& sum : codec::codec1_sums)
    add_column<int128>(out, column_, sum.id, windows, [&](const Window& window) { return window.*sum.member; });
  for (const codec::Codec1ExtremeColumn& extreme : codec::codec1_extremes)
    add_column<float>(out, column_, extreme.id, windows, [&](const Window& window) { return window.*extreme.member; });
  return out.bytes();
}

}  // namespace joulespool::test
