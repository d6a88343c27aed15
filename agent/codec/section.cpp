#include "agent/codec/section.h"

#include <zstd.h>

#include <cstring>

#include "agent/codec/signals.h"

namespace joulespool::codec {
namespace {

uint32_t get_le32(const std::byte* at) {
  uint32_t value = 0;
  for (size_t k = 0; k < 4; ++k) value |= static_cast<uint32_t>(at[k]) << (8 * k);
  return value;
}

size_t element_bytes(const SectionHeader& header) { return (uint64_t{header.count} * header.bits + 7) / 8; }

bool is_known_width(uint8_t bits) { return bits == 1 || bits == 4 || bits == 32 || bits == 64 || bits == 128; }

// Bytes of equal significance stand side by side. The width is a constant so that the compiler unrolls the inner loop.
template <size_t width>
void unshuffle(const std::byte* from, std::byte* to, size_t count) {
  for (size_t at = 0; at < count; ++at)
    for (size_t k = 0; k < width; ++k) to[at * width + k] = from[k * count + at];
}

void unshuffle_bits(uint8_t bits, const std::byte* from, std::byte* to, size_t count) {
  if (bits == 32) unshuffle<4>(from, to, count);
  else if (bits == 64) unshuffle<8>(from, to, count);
  else unshuffle<16>(from, to, count);
}

bool take_varint(wire::ByteView& from, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 35 && !from.empty(); shift += 7) {
    const auto byte = static_cast<uint64_t>(from.front());
    from = from.subspan(1);
    value |= (byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

// Exactly `size` bytes out of one zstd frame.
Result<wire::Bytes> decompress(const Section& section, size_t size) {
  if (ZSTD_getFrameContentSize(section.data.data(), section.data.size()) != size)
    return damaged_section(section.header.signal, "compressed size does not match its count");
  wire::Bytes out(size);
  const size_t got = ZSTD_decompress(out.data(), out.size(), section.data.data(), section.data.size());
  if (ZSTD_isError(got) != 0) return damaged_section(section.header.signal, ZSTD_getErrorName(got));
  return out;
}

}  // namespace

Result<std::vector<Section>> read_sections(wire::ByteView payload) {
  std::vector<Section> sections;
  size_t at = 0;
  while (at < payload.size()) {
    const std::string where = "payload at byte " + std::to_string(at) + ": ";
    if (payload.size() - at < section_header_bytes) return Error{Errc::damaged, where + "a section header is cut off"};
    const std::byte* from = payload.data() + at;
    SectionHeader header{static_cast<uint8_t>(from[0]),
                         static_cast<Coding>(from[1]),
                         static_cast<uint8_t>(from[2]),
                         get_le32(from + 4),
                         get_le32(from + 8),
                         get_le32(from + 12),
                         get_le32(from + 16)};
    at += section_header_bytes;
    if (header.size > payload.size() - at) return Error{Errc::damaged, where + "a section is longer than the payload"};
    sections.push_back({header, payload.subspan(at, header.size)});
    at += header.size;
  }
  return sections;
}

Result<wire::Bytes> section_elements(const Section& section) {
  const SectionHeader& header = section.header;
  if (!is_known_width(header.bits))
    return damaged_section(header.signal, "unknown width of " + std::to_string(header.bits) + " bits");
  const size_t size = element_bytes(header);
  switch (header.coding) {
    case Coding::raw:
      if (section.data.size() != size) return damaged_section(header.signal, "raw size does not match its count");
      return wire::Bytes(section.data.begin(), section.data.end());
    case Coding::zstd: return decompress(section, size);
    case Coding::shuffled: {
      if (header.bits < 32) return damaged_section(header.signal, "packed bits cannot be shuffled");
      auto shuffled = decompress(section, size);
      if (!shuffled) return shuffled;
      wire::Bytes out(size);
      unshuffle_bits(header.bits, shuffled->data(), out.data(), header.count);
      return out;
    }
    case Coding::sparse: break;
  }
  return damaged_section(header.signal, "coding " + std::to_string(static_cast<int>(header.coding)) + " does not hold elements");
}

Result<std::vector<uint32_t>> section_corrections(const Section& section) {
  const SectionHeader& header = section.header;
  constexpr uint64_t pair_bytes_max = 5 + 4;
  const auto size = ZSTD_getFrameContentSize(section.data.data(), section.data.size());
  if (header.coding != Coding::sparse || header.bits != 32 || size > header.count * pair_bytes_max)
    return damaged_section(header.signal, "not a list of corrections");
  const auto bytes = decompress(section, size);
  if (!bytes) return bytes.error();
  std::vector<uint32_t> xors(header.count);
  uint64_t at = 0;  // one past the last corrected element
  for (wire::ByteView left = *bytes; !left.empty(); left = left.subspan(4)) {
    uint64_t distance = 0;
    if (!take_varint(left, distance) || left.size() < 4 || distance == 0 || distance > header.count - at)
      return damaged_section(header.signal, "a correction is outside the section");
    at += distance;
    xors[at - 1] = get_le32(left.data());
  }
  return xors;
}

}  // namespace joulespool::codec
