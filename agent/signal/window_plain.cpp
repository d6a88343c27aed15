#include <algorithm>

#include "agent/signal/window_kernels.h"

namespace joulespool::signal {

void add_samples_plainly(const SampleColumns& columns, size_t count, wire::Window& window) {
  for (size_t at = 0; at < count; ++at) {
    const float power = columns.p != nullptr ? columns.p[at] : columns.i[at] * columns.v[at];
    const auto i = wire::to_units(columns.i[at]);
    const auto v = wire::to_units(columns.v[at]);
    const auto p = wire::to_units(power);
    if (!(i.ok && v.ok && p.ok)) continue;
    ++window.valid;
    window.i_sum += i.value;
    window.v_sum += v.value;
    window.p_sum += p.value;
    window.i2_sum = wrapping_add(window.i2_sum, static_cast<int128>(i.value) * i.value);
    window.v2_sum = wrapping_add(window.v2_sum, static_cast<int128>(v.value) * v.value);
    window.i_min = std::min(window.i_min, columns.i[at]);
    window.i_max = std::max(window.i_max, columns.i[at]);
    window.v_min = std::min(window.v_min, columns.v[at]);
    window.v_max = std::max(window.v_max, columns.v[at]);
    window.p_min = std::min(window.p_min, power);
    window.p_max = std::max(window.p_max, power);
  }
}

AddSamples add_samples_kernel(InstructionSet set) {
  switch (set) {
    case InstructionSet::scalar: return scalar::add_samples;
    case InstructionSet::baseline: break;
    case InstructionSet::avx2:
#if defined(__x86_64__)
      return avx2::add_samples;
#else
      break;
#endif
  }
  return baseline::add_samples;
}

}  // namespace joulespool::signal
