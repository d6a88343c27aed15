#include "agent/base/cpu.h"

namespace joulespool {
namespace {

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
#else
  return false;
#endif
}

}  // namespace

std::string_view to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::scalar: return "scalar";
    case InstructionSet::baseline: return "baseline";
    case InstructionSet::avx2: return "avx2";
  }
  return "unknown";
}

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::scalar, InstructionSet::baseline};
  if (has_avx2()) sets.push_back(InstructionSet::avx2);
  return sets;
}

InstructionSet best_instruction_set() { return has_avx2() ? InstructionSet::avx2 : InstructionSet::baseline; }

}  // namespace joulespool
