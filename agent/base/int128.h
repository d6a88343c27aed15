// 128-bit integers for exact sums.
#pragma once

#include <cstdint>
#include <string>

namespace joulespool {

__extension__ using int128 = __int128;
__extension__ using uint128 = unsigned __int128;

constexpr int64_t high_half(int128 value) { return static_cast<int64_t>(value >> 64); }
constexpr uint64_t low_half(int128 value) { return static_cast<uint64_t>(value); }
constexpr int128 join_halves(int64_t high, uint64_t low) {
  return static_cast<int128>((static_cast<uint128>(static_cast<uint64_t>(high)) << 64) | low);
}

// Sum and difference modulo 2^128: of sums that came from outside, and may be anything.
constexpr int128 wrapping_add(int128 a, int128 b) {
  return static_cast<int128>(static_cast<uint128>(a) + static_cast<uint128>(b));
}

constexpr int128 wrapping_subtract(int128 a, int128 b) {
  return static_cast<int128>(static_cast<uint128>(a) - static_cast<uint128>(b));
}

std::string to_decimal(int128 value);
// Empty, not a number, or out of range: false, `value` untouched.
bool parse_decimal(const std::string& text, int128& value);

}  // namespace joulespool
