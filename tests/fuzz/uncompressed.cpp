#include "tests/fuzz/uncompressed.h"

#include <functional>

#include "agent/codec/pages.h"
#include "agent/codec/parts.h"

namespace joulespool::fuzz {
namespace {

using codec::ByteReader;
using codec::ByteWriter;
using wire::Bytes;
using wire::ByteView;

constexpr size_t part_max = 1 << 24;

// Copies one section's data; the layout is that of agent/codec/FORMAT.md.
class SectionCopy {
 public:
  SectionCopy(ByteView data, ByteWriter& to) : from_(data), to_(to) {}
  void pages() {
    const uint64_t lattices = varint();
    for (uint64_t k = 0; k < 2 * lattices; ++k) to_.u64(from_.u64());  // offset, step
    varint();                                                          // exceptions
    part();
    page_streams();
  }
  void corrections() {
    const uint8_t model = byte();
    if (model >> 1 == 1) {
      varint();
      part();
    }
    if (model >> 1 == 2) page_streams();
  }
  void packed() {
    byte();                                // bits
    for (int k = 0; k < 3; ++k) varint();  // offset, stride, count
    part();
  }

 private:
  uint8_t byte() {
    const uint8_t value = from_.u8();
    to_.u8(value);
    return value;
  }
  uint64_t varint() {
    const uint64_t value = from_.varint();
    to_.varint(value);
    return value;
  }
  void part() {
    const auto part = codec::take_part(from_, part_max);
    if (!part) return;
    Bytes bytes(part->size);
    if (!codec::read_part(*part, bytes, decompressor_)) return;
    to_.varint(bytes.size());
    if (bytes.empty()) return;
    to_.varint(0);
    to_.bytes(bytes);
  }
  void page_streams() {
    part();  // heads
    part();  // escapes
    const uint8_t present = byte();
    for (size_t stream = 0; stream < codec::page_streams; ++stream)
      if ((present >> stream & 1) != 0) part();
    to_.bytes(from_.bytes(varint() * sizeof(uint32_t)));  // raw low bits
  }
  ByteReader from_;
  ByteWriter& to_;
  codec::Decompressor decompressor_;
};

bool is_float(uint8_t signal) { return signal >= 1 && signal <= 3; }
bool holds_pages(uint8_t signal, uint8_t coding) { return is_float(signal) && coding == 2; }

void copy_section(uint8_t signal, uint8_t coding, ByteView data, ByteWriter& to) {
  SectionCopy copy(data, to);
  if (holds_pages(signal, coding)) copy.pages();
  else if (is_float(signal) && coding == 3) copy.corrections();
  else if (is_float(signal)) to.bytes(data);  // raw, or one zstd frame
  else copy.packed();
}

void for_sections(ByteView payload, const std::function<void(uint8_t signal, uint8_t coding, ByteView data)>& use) {
  for (ByteReader from(payload); from.left() > 0;) {
    const uint8_t signal = from.u8();
    const uint8_t coding = from.u8();
    ByteWriter data;
    copy_section(signal, coding, from.bytes(from.varint()), data);
    use(signal, coding, data.view());
  }
}

}  // namespace

Bytes uncompressed_samples(ByteView payload) {
  ByteWriter to;
  for_sections(payload, [&](uint8_t signal, uint8_t coding, ByteView data) {
    to.u8(signal);
    to.u8(coding);
    to.varint(data.size());
    to.bytes(data);
  });
  const ByteView all = to.view();
  return {all.begin(), all.end()};
}

std::vector<Bytes> uncompressed_pages(ByteView payload) {
  std::vector<Bytes> found;
  for_sections(payload, [&](uint8_t signal, uint8_t coding, ByteView data) {
    if (holds_pages(signal, coding)) found.emplace_back(data.begin(), data.end());
  });
  return found;
}

}  // namespace joulespool::fuzz
