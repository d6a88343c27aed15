// The one source of randomness of the simulation: integers only, so that every machine and language gets the same.
#pragma once

#include <cstdint>
#include <string_view>

namespace joulespool::device {

// What a random number is for; part of the formula in load_model.h.
enum class HashUse : uint64_t { noise = 1, load = 2, load_detail = 3, calibration = 4, gpi = 5, life = 6 };

constexpr uint64_t golden_ratio = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio, odd

// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
constexpr uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

constexpr uint64_t hash_key(uint64_t seed, HashUse use) { return mix64(seed + static_cast<uint64_t>(use) * golden_ratio); }

constexpr uint64_t hash_at(uint64_t key, uint64_t n) { return mix64(key + n * golden_ratio); }

// FNV-1a, 64 bit.
constexpr uint64_t hash_text(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

// A life of a counter: never 0, so that 0 can mean "none".
constexpr uint64_t life_of(uint64_t seed, int64_t origin_utc_ns, std::string_view device) {
  const uint64_t life = hash_at(hash_key(seed, HashUse::life) ^ hash_text(device), static_cast<uint64_t>(origin_utc_ns));
  return life == 0 ? 1 : life;
}

// Quotient rounded down, also for a negative dividend (as // in Python). divisor > 0.
constexpr int64_t floor_div(int64_t dividend, int64_t divisor) {
  return dividend / divisor - static_cast<int64_t>(dividend % divisor < 0);
}

}  // namespace joulespool::device
