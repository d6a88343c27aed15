#include "tests/support/codec1_section_writer.h"

#include <zstd.h>

#include <cstring>

namespace joulespool::test {

using codec::Coding;
using codec::section_header_bytes;
using codec::SectionHeader;

namespace {

// Level 1: on the noise that is left after shuffling, higher levels cost 2 to 9 times as much and gain nothing.
constexpr int zstd_level = 1;

template <class Integer>
void put_le(std::byte* at, Integer value) {
  for (size_t k = 0; k < sizeof value; ++k) at[k] = static_cast<std::byte>(value >> (8 * k));
}

// Byte k of every element side by side. The width is a constant so that the compiler unrolls the inner loop.
template <size_t width>
void shuffle(const std::byte* from, std::byte* to, size_t count) {
  for (size_t at = 0; at < count; ++at)
    for (size_t k = 0; k < width; ++k) to[k * count + at] = from[at * width + k];
}

void shuffle_bits(uint8_t bits, const std::byte* from, std::byte* to, size_t count) {
  if (bits == 32) shuffle<4>(from, to, count);
  else if (bits == 64) shuffle<8>(from, to, count);
  else shuffle<16>(from, to, count);
}

void append_varint(wire::Bytes& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<std::byte>(value | 128));
  out.push_back(static_cast<std::byte>(value));
}

}  // namespace

struct Codec1SectionWriter::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Zstd() = default;
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() { ZSTD_freeCCtx(context); }
};

Codec1SectionWriter::Codec1SectionWriter() : zstd_(std::make_unique<Zstd>()) {}
Codec1SectionWriter::~Codec1SectionWriter() = default;

void Codec1SectionWriter::clear() { out_.clear(); }

// Empty when it did not get smaller.
wire::ByteView Codec1SectionWriter::compress(wire::ByteView bytes) {
  compressed_.resize(ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compressCCtx(zstd_->context, compressed_.data(), compressed_.size(), bytes.data(), bytes.size(), zstd_level);
  if (ZSTD_isError(size) != 0 || size >= bytes.size()) return {};
  return wire::ByteView(compressed_).first(size);
}

void Codec1SectionWriter::append(SectionHeader header, wire::ByteView data) {
  const size_t at = out_.size();
  out_.resize(at + section_header_bytes + data.size());
  std::byte* to = out_.data() + at;
  to[0] = static_cast<std::byte>(header.signal);
  to[1] = static_cast<std::byte>(header.coding);
  to[2] = static_cast<std::byte>(header.bits);
  to[3] = std::byte{0};
  put_le(to + 4, header.count);
  put_le(to + 8, header.offset);
  put_le(to + 12, header.stride);
  put_le(to + 16, static_cast<uint32_t>(data.size()));
  if (!data.empty()) std::memcpy(to + section_header_bytes, data.data(), data.size());
}

void Codec1SectionWriter::add(SectionHeader header, wire::ByteView elements) {
  wire::ByteView plain = elements;
  header.coding = Coding::zstd;
  if (header.bits >= 32) {
    shuffled_.resize(elements.size());
    shuffle_bits(header.bits, elements.data(), shuffled_.data(), header.count);
    plain = shuffled_;
    header.coding = Coding::shuffled;
  }
  const wire::ByteView smaller = compress(plain);
  if (!smaller.empty()) return append(header, smaller);
  header.coding = Coding::raw;
  append(header, elements);
}

void Codec1SectionWriter::add_corrections(SectionHeader header, std::span<const uint32_t> xors) {
  shuffled_.clear();
  int64_t last = -1;
  for (size_t at = 0; at < xors.size(); ++at) {
    if (xors[at] == 0) continue;
    append_varint(shuffled_, static_cast<uint64_t>(static_cast<int64_t>(at) - last));
    last = static_cast<int64_t>(at);
    shuffled_.resize(shuffled_.size() + 4);
    put_le(shuffled_.data() + shuffled_.size() - 4, xors[at]);
  }
  if (shuffled_.empty()) return;
  header.coding = Coding::sparse;
  compressed_.resize(ZSTD_compressBound(shuffled_.size()));  // kept even if a few bytes longer: sparse has no raw form
  const size_t size =
      ZSTD_compressCCtx(zstd_->context, compressed_.data(), compressed_.size(), shuffled_.data(), shuffled_.size(), zstd_level);
  append(header, wire::ByteView(compressed_).first(size));
}

}  // namespace joulespool::test
