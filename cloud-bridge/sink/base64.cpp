#include "cloud-bridge/sink/base64.h"

#include <array>
#include <cstring>

namespace joulespool::sink {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for each 12 bits: half the lookups of the plain table (8 KiB, stays in the first cache).
constexpr auto pairs = [] {
  std::array<std::array<char, 2>, 4096> table{};
  for (size_t i = 0; i < table.size(); ++i) table[i] = {alphabet[i >> 6], alphabet[i & 63]};
  return table;
}();

// decoded[k][c]: the six bits of character c at place k of a group, already shifted; `wrong` for characters outside the alphabet.
constexpr uint32_t wrong = 1U << 31;
constexpr auto decoded = [] {
  std::array<std::array<uint32_t, 256>, 4> table{};
  for (size_t place = 0; place < 4; ++place) {
    table[place].fill(wrong);
    for (uint32_t i = 0; i < 64; ++i) table[place][static_cast<unsigned char>(alphabet[i])] = i << (18 - 6 * place);
  }
  return table;
}();

uint32_t group_of(const char* text) {
  uint32_t group = 0;
  for (size_t place = 0; place < 4; ++place) group |= decoded[place][static_cast<unsigned char>(text[place])];
  return group;
}

void put_bytes(uint32_t group, size_t count, std::byte* out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(group >> (16 - 8 * i));
}

// The last group, which may be padded: only canonical endings (unused bits zero) pass, so that bytes <-> text is one to one.
bool decode_last(std::string_view text, size_t padding, std::byte* out) {
  std::array<char, 4> filled{};
  std::memcpy(filled.data(), text.data(), 4);
  for (size_t i = 0; i < padding; ++i) filled[3 - i] = 'A';
  const uint32_t group = group_of(filled.data());
  const uint32_t unused = padding == 0 ? 0 : (1U << (8 * padding)) - 1;
  if ((group & wrong) != 0 || (group & unused) != 0) return false;
  put_bytes(group, 3 - padding, out);
  return true;
}

}  // namespace

void append_base64(std::string& text, wire::ByteView bytes) {
  const size_t start = text.size();
  text.resize(start + (bytes.size() + 2) / 3 * 4);
  char* out = text.data() + start;
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3, out += 4) {
    const uint32_t group = std::to_integer<uint32_t>(bytes[i]) << 16 | std::to_integer<uint32_t>(bytes[i + 1]) << 8 |
                           std::to_integer<uint32_t>(bytes[i + 2]);
    std::memcpy(out, pairs[group >> 12].data(), 2);
    std::memcpy(out + 2, pairs[group & 4095].data(), 2);
  }
  const size_t rest = bytes.size() - i;
  if (rest == 0) return;
  const uint32_t group =
      std::to_integer<uint32_t>(bytes[i]) << 16 | (rest == 2 ? std::to_integer<uint32_t>(bytes[i + 1]) << 8 : 0);
  std::memcpy(out, pairs[group >> 12].data(), 2);
  out[2] = rest == 2 ? alphabet[(group >> 6) & 63] : '=';
  out[3] = '=';
}

bool decode_base64(std::string_view text, wire::Bytes& bytes) {
  bytes.clear();
  if (text.empty()) return true;
  if (text.size() % 4 != 0) return false;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const size_t whole = text.size() / 4 - 1;
  bytes.resize(whole * 3 + 3 - padding);
  uint32_t seen = 0;
  for (size_t i = 0; i < whole; ++i) {
    const uint32_t group = group_of(text.data() + i * 4);
    seen |= group;
    put_bytes(group, 3, bytes.data() + i * 3);
  }
  return (seen & wrong) == 0 && decode_last(text.substr(whole * 4), padding, bytes.data() + whole * 3);
}

}  // namespace joulespool::sink
