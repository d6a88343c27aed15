#include "agent/base/crc32c.h"

#include <doctest/doctest.h>

#include <random>
#include <string_view>
#include <vector>

using namespace joulespool;

namespace {

uint32_t crc_of(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

// Bit by bit, straight from the polynomial.
uint32_t slow_crc(std::span<const std::byte> bytes) {
  uint32_t crc = 0xFFFFFFFFU;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

}  // namespace

TEST_CASE("crc32c: the vectors of RFC 3720 B.4") {
  std::vector<std::byte> bytes(32);
  CHECK(crc32c(bytes) == 0x8A9136AA);
  bytes.assign(32, std::byte{0xFF});
  CHECK(crc32c(bytes) == 0x62A8AB43);
  for (size_t at = 0; at < 32; ++at) bytes[at] = static_cast<std::byte>(at);
  CHECK(crc32c(bytes) == 0x46DD794E);
  for (size_t at = 0; at < 32; ++at) bytes[at] = static_cast<std::byte>(31 - at);
  CHECK(crc32c(bytes) == 0x113FDB5C);
  const unsigned char command[48] = {0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
                                     0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0};
  CHECK(crc32c(std::as_bytes(std::span(command))) == 0xD9963A56);
}

TEST_CASE("crc32c: the check value of the catalogue, and of nothing") {
  CHECK(crc_of("123456789") == 0xE3069283);
  CHECK(crc_of("") == 0);
}

TEST_CASE("crc32c: any length, any alignment and any split give what the polynomial gives") {
  std::mt19937 random(5);
  std::vector<std::byte> bytes(300);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t start = 0; start < 9; ++start)
    for (size_t size = 0; size < 100; ++size) {
      const auto part = std::span<const std::byte>(bytes).subspan(start, size);
      const uint32_t expected = slow_crc(part);
      CHECK(crc32c(part) == expected);
      const size_t split = size == 0 ? 0 : random() % (size + 1);
      CHECK(crc32c(part.subspan(split), crc32c(part.first(split))) == expected);
    }
}
