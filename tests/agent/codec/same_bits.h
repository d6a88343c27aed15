// Floats are the same only if their bits are: NaNs with their payloads, -0.0.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace joulespool::test {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

}  // namespace joulespool::test
