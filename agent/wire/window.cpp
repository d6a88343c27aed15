#include "agent/wire/window.h"

#include <algorithm>
#include <cmath>

namespace joulespool::wire {

Units to_units(float value) {
  const double scaled = static_cast<double>(value) * 2147483648.0;
  if (!(std::fabs(scaled) < 4611686018427387904.0)) return {0, false};  // 2^62; also catches NaN
  return {std::llrint(scaled), true};                                   // default rounding mode: ties to even
}

void Window::merge(const Window& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  sample_id_first = std::min(sample_id_first, other.sample_id_first);
  sample_id_end = std::max(sample_id_end, other.sample_id_end);
  count += other.count;
  valid += other.valid;
  i_sum = wrapping_add(i_sum, other.i_sum);
  v_sum = wrapping_add(v_sum, other.v_sum);
  p_sum = wrapping_add(p_sum, other.p_sum);
  i2_sum = wrapping_add(i2_sum, other.i2_sum);
  v2_sum = wrapping_add(v2_sum, other.v2_sum);
  i_min = std::min(i_min, other.i_min);
  i_max = std::max(i_max, other.i_max);
  v_min = std::min(v_min, other.v_min);
  v_max = std::max(v_max, other.v_max);
  p_min = std::min(p_min, other.p_min);
  p_max = std::max(p_max, other.p_max);
}

}  // namespace joulespool::wire
