#include "agent/codec/kernels.h"

namespace joulespool::codec {

#define JOULESPOOL_DECLARE_KERNELS(set)              \
  namespace set {                                    \
  extern const FloatKernels float_kernels;           \
  extern const PredictionKernels prediction_kernels; \
  extern const SymbolKernels symbol_kernels;         \
  }
JOULESPOOL_DECLARE_KERNELS(scalar)
JOULESPOOL_DECLARE_KERNELS(baseline)
JOULESPOOL_DECLARE_KERNELS(avx2)

const Kernels& kernels(InstructionSet set) {
  static const Kernels of_scalar{scalar::float_kernels, scalar::prediction_kernels, scalar::symbol_kernels};
  static const Kernels of_baseline{baseline::float_kernels, baseline::prediction_kernels, baseline::symbol_kernels};
#if defined(__x86_64__)
  static const Kernels of_avx2{avx2::float_kernels, avx2::prediction_kernels, avx2::symbol_kernels};
  if (set == InstructionSet::avx2) return of_avx2;
#endif
  return set == InstructionSet::scalar ? of_scalar : of_baseline;
}

}  // namespace joulespool::codec
