// The seed of a random test: a new one each time, or JOULESPOOL_TEST_SEED to see a failure again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace joulespool::test {

inline uint64_t first_seed() {
  const char* given = std::getenv("JOULESPOOL_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

// How many seeds to try from first_seed() on: one if it was given.
inline uint64_t seeds(uint64_t usual) { return std::getenv("JOULESPOOL_TEST_SEED") != nullptr ? 1 : usual; }

}  // namespace joulespool::test
