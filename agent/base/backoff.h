// Exponential backoff with full jitter.
#pragma once

#include <cstdint>
#include <random>

namespace joulespool {

struct BackoffLimits {
  int64_t base_ns = 0;  // the longest first wait
  int64_t cap_ns = 0;   // the longest wait of all
};

// How long to wait after the `failures`th failure in a row (1, 2, ...): uniform over [0, min(cap, base * 2^(failures-1))], so
// that clients that failed together do not come back together.
inline int64_t backoff_ns(const BackoffLimits& limits, unsigned failures, std::mt19937_64& random) {
  int64_t longest_ns = limits.base_ns;
  for (unsigned step = 1; step < failures && longest_ns < limits.cap_ns; ++step) longest_ns *= 2;
  if (longest_ns > limits.cap_ns) longest_ns = limits.cap_ns;
  return std::uniform_int_distribution<int64_t>(0, longest_ns)(random);
}

}  // namespace joulespool
