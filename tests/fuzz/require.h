// How a fuzz target says that something is wrong.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "agent/base/crc32c.h"

namespace joulespool::fuzz {

// Ends the program where a property does not hold: the fuzzer keeps the input.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

// A choice that depends on the input alone, so that it is the same when that is replayed.
inline bool is_one_in(uint32_t count, std::span<const std::byte> input) { return crc32c(input) % count == 0; }
// Encoding takes many times as long as decoding: so few of the inputs that decode are encoded again.
constexpr uint32_t encoded_one_in = 4;

// The canary of a fuzzer. In the programs canary_*, reaching this with `trap` reads past the end of an array: a defect as a
// decoder might have it, behind everything that has to be right before. The fuzzer must find it (run.py canary).
inline void planted_defect([[maybe_unused]] bool trap) {
#ifdef JOULESPOOL_FUZZ_CANARY
  const auto array = std::make_unique<volatile unsigned char[]>(1);
  const unsigned char beyond = array[trap ? 1 : 0];
  static_cast<void>(beyond);
#endif
}

}  // namespace joulespool::fuzz
