// Which vector instructions this processor has. Kernels (cmake/Kernels.cmake) exist once per set, with the same results.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace joulespool {

enum class InstructionSet : uint8_t {
  scalar,    // no vector instructions: what the others are compared with
  baseline,  // what every processor of the architecture has: SSE2, NEON
  avx2,      // x86-64 only
};
std::string_view to_string(InstructionSet set);

// Those that this processor can run, slowest first; scalar and baseline are always among them.
std::vector<InstructionSet> available_instruction_sets();
InstructionSet best_instruction_set();

}  // namespace joulespool
