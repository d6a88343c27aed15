// Statistics over a run of samples: what lane `stat` carries.
#pragma once

#include <cstdint>
#include <limits>

#include "agent/base/int128.h"

namespace joulespool::wire {

// The integer of a value: round(x * 2^31), ties to even, so 1 unit is 2^-31 A, V or W. `ok` is false, and the result 0,
// for NaN, infinities and |x| >= 2^31, which count as missing. A float's product with 2^31 is exact.
struct Units {
  int64_t value;
  bool ok;
};
Units to_units(float value);

// Sums, counts and extremes of a run of samples. All sums are over valid samples only; a sample is valid when i, v and p
// all have an integer. Sums are exact and order-independent: merging windows equals one window over all samples. Squares of
// samples beyond 10^8 A or V may not fit: their sums are modulo 2^128. Of equal extremes the first one merged stays: +0.0 or
// -0.0.
struct Window {
  uint64_t sample_id_first = 0;  // of the first sample that is present
  uint64_t sample_id_end = 0;    // of the last sample that is present, plus one sample (decimation ticks)
  uint64_t count = 0;            // samples present (handed over), valid or not
  uint64_t valid = 0;            // of these, samples with numbers; count - valid are missing (NaN)
  int128 i_sum = 0;              // 2^-31 A
  int128 v_sum = 0;              // 2^-31 V
  int128 p_sum = 0;              // 2^-31 W
  int128 i2_sum = 0;             // squares of the integers of i: 2^-62 A^2
  int128 v2_sum = 0;             // 2^-62 V^2
  float i_min = std::numeric_limits<float>::infinity(), i_max = -std::numeric_limits<float>::infinity();  // A
  float v_min = std::numeric_limits<float>::infinity(), v_max = -std::numeric_limits<float>::infinity();  // V
  float p_min = std::numeric_limits<float>::infinity(), p_max = -std::numeric_limits<float>::infinity();  // W

  bool operator==(const Window&) const = default;
  // Adds `later` (or earlier: the order does not matter). Empty windows are neutral.
  void merge(const Window& other);
};

}  // namespace joulespool::wire
