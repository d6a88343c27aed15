#include "agent/codec/kernels.h"

namespace joulespool::codec {

namespace scalar {
extern const Kernels kernels;
}
namespace baseline {
extern const Kernels kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels;
}
#endif

const Kernels& kernels(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx2) return avx2::kernels;
#endif
  return set == InstructionSet::scalar ? scalar::kernels : baseline::kernels;
}

}  // namespace joulespool::codec
