// How often this program has asked for memory: for tests that promise "no allocation".
#pragma once

#include <cstdint>

namespace joulespool {

// Calls of operator new by this thread so far. Needs allocation_count.cpp in the program.
uint64_t allocation_count();
// The bytes that these calls have asked for.
uint64_t allocated_bytes();

}  // namespace joulespool
