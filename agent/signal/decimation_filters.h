// Filters that lower a rate by 2 or 5, and which of them follow each other for a larger factor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::signal {

// A linear-phase FIR filter of odd length, stored as gains of differences, so that its gain at 0 Hz is exactly 1 with any
// rounding. With h(k) the coefficient at distance k from the centre and G(k) = h(k) + h(k + 1) + ... of one side:
//   factor 5: y = x(0) + sum over k >= 1 of G(k) * ((x(k) - x(k - 1)) - (x(1 - k) - x(-k)))
//   factor 2 (half-band: h is 0 at even distances, but 1/2 at the centre):
//             y = x(0) / 2 + (x(-1) + x(1)) / 4
//                 + sum over q >= 1 of G(2q + 1) * ((x(2q + 1) - x(2q - 1)) - (x(1 - 2q) - x(-1 - 2q)))
struct DecimationFilter {
  uint32_t factor;               // 2 or 5
  uint32_t ratio_min;            // of its input rate to the final output rate: from there on it is good enough (below)
  std::span<const float> gains;  // the outermost one first

  // Samples that the output at x(0) looks at on each side.
  [[nodiscard]] uint32_t reach() const { return static_cast<uint32_t>(factor == 2 ? 2 * gains.size() + 1 : gains.size()); }
};

// What every order of these filters promises, with f in units of the final output rate: amplitude within 0.015 dB of 1 for f up
// to 0.4, and at least 86 dB less for all f that fall into 0 to 0.4 by aliasing. tests/agent/signal/decimation_filters_test.py
// designs them once more and measures that.
constexpr double decimation_passband = 0.4;
constexpr double decimation_ripple_db = 0.015;
constexpr double decimation_rejection_db = 86;

// Constants of the program, sorted by factor and ratio_min.
std::span<const DecimationFilter> decimation_filters();

// 2 MS/s to 1 S/s.
constexpr uint32_t decimation_factor_max = 2'000'000;

// The filters, first stage first, that lower a rate by `factor` with the fewest operations. Errors: usage, unless the factor is
// 2^a * 5^b, 2 to decimation_factor_max.
Result<std::vector<const DecimationFilter*>> decimation_stages(uint32_t factor);

// Factors from this rate to all lower ones of 1, 2, 5, 10, 20 ... samples per second that it is a multiple of and that a
// Decimator takes, ascending.
std::vector<uint32_t> decimation_factors(uint32_t full_rate_hz);
// The one to this rate. Errors: usage, with the rates there are.
Result<uint32_t> decimation_factor(uint32_t full_rate_hz, uint32_t rate_hz);

}  // namespace joulespool::signal
