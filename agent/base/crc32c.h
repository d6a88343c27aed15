// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, initial value and final xor 0xFFFFFFFF; RFC 3720 B.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace joulespool {

// The CRC of what came before (0 at the start) continued over `bytes`: crc32c(b, crc32c(a)) == crc32c(ab).
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace joulespool
