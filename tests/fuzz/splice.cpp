#include "tests/fuzz/splice.h"

#include <zstd.h>

#include <algorithm>

namespace joulespool::fuzz {
namespace {

using wire::Bytes;
using wire::ByteView;

constexpr size_t content_max = 1 << 20;
constexpr size_t length_distance_max = 24;  // how far before a frame its length may stand

struct Part {
  size_t at = 0;
  size_t size = 0;
  size_t content_size = 0;
};

std::vector<Part> compressed_parts(ByteView input) {
  constexpr std::byte magic[] = {std::byte{0x28}, std::byte{0xB5}, std::byte{0x2F}, std::byte{0xFD}};
  std::vector<Part> parts;
  for (auto at = input.begin(); (at = std::search(at, input.end(), std::begin(magic), std::end(magic))) != input.end();) {
    const ByteView rest(at, input.end());
    const size_t size = ZSTD_findFrameCompressedSize(rest.data(), rest.size());
    const auto content = ZSTD_getFrameContentSize(rest.data(), rest.size());
    const bool whole = ZSTD_isError(size) == 0 && content <= content_max;
    if (whole) parts.push_back({static_cast<size_t>(at - input.begin()), size, static_cast<size_t>(content)});
    at += static_cast<std::ptrdiff_t>(whole ? size : sizeof magic);
  }
  return parts;
}

Bytes varint(size_t value) {
  Bytes bytes;
  for (; value >= 128; value >>= 7) bytes.push_back(static_cast<std::byte>(value | 128));
  bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Bytes little_endian(size_t value, size_t width) {
  Bytes bytes(width);
  for (size_t k = 0; k < width; ++k) bytes[k] = static_cast<std::byte>(value >> (8 * k));
  return bytes;
}

// Replaces the last `from` that lies in the bytes shortly before `end`.
bool replace_before(Bytes& input, size_t end, ByteView from, ByteView to) {
  const auto last = input.begin() + static_cast<std::ptrdiff_t>(end);
  const auto first = last - static_cast<std::ptrdiff_t>(std::min(end, length_distance_max));
  const auto found = std::find_end(first, last, from.begin(), from.end());
  if (found == last) return false;
  const auto rest = input.erase(found, found + static_cast<std::ptrdiff_t>(from.size()));
  input.insert(rest, to.begin(), to.end());
  return true;
}

void correct_length(Bytes& input, const Part& part, size_t size) {
  if (replace_before(input, part.at, little_endian(part.size, 4), little_endian(size, 4))) return;
  if (replace_before(input, part.at, varint(part.size), varint(size))) return;
  replace_before(input, part.at, little_endian(part.size, 2), little_endian(size, 2));
}

}  // namespace

bool change_compressed(Bytes& input, uint32_t choice, void (*change)(Bytes& content, size_t size_max)) {
  const std::vector<Part> parts = compressed_parts(input);
  if (parts.empty()) return false;
  const Part& part = parts[choice % parts.size()];
  Bytes content(part.content_size);
  const size_t got = ZSTD_decompress(content.data(), content.size(), input.data() + part.at, part.size);
  if (ZSTD_isError(got) != 0) return false;
  constexpr size_t room = 64;  // to grow
  change(content, content.size() + room);
  if (choice / parts.size() % 8 != 0) content.resize(part.content_size);
  Bytes packed(ZSTD_compressBound(content.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 1));
  const auto from = input.begin() + static_cast<std::ptrdiff_t>(part.at);
  const auto rest = input.erase(from, from + static_cast<std::ptrdiff_t>(part.size));
  input.insert(rest, packed.begin(), packed.end());
  correct_length(input, part, packed.size());
  return true;
}

}  // namespace joulespool::fuzz
