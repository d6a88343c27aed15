// The checksum of a table's row: CRC-32C over its values, each as 8 little-endian bytes, or as its length and its bytes.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "agent/base/crc32c.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

namespace row_crc_of {
inline uint32_t add(uint32_t crc, uint64_t value) {
  std::array<std::byte, 8> bytes{};
  for (size_t k = 0; k < bytes.size(); ++k) bytes[k] = static_cast<std::byte>(value >> (8 * k));
  return crc32c(bytes, crc);
}
inline uint32_t add(uint32_t crc, int64_t value) { return add(crc, static_cast<uint64_t>(value)); }
inline uint32_t add(uint32_t crc, uint32_t value) { return add(crc, uint64_t{value}); }
inline uint32_t add(uint32_t crc, double value) { return add(crc, std::bit_cast<uint64_t>(value)); }
inline uint32_t add(uint32_t crc, wire::ByteView bytes) { return crc32c(bytes, add(crc, uint64_t{bytes.size()})); }
inline uint32_t add(uint32_t crc, std::string_view text) { return add(crc, std::as_bytes(std::span(text.data(), text.size()))); }
}  // namespace row_crc_of

template <class... Values>
uint32_t row_crc(const Values&... values) {
  uint32_t crc = 0;
  ((crc = row_crc_of::add(crc, values)), ...);
  return crc;
}

}  // namespace joulespool::spool
