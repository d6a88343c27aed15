// How long to wait before the next attempt.
#pragma once

#include <cstdint>
#include <random>

#include "agent/base/clock.h"

namespace joulespool::uplink {

struct BackoffSettings {
  int64_t first_ns = 200 * ns_per_ms;
  int64_t max_ns = 30 * ns_per_s;
};

// Exponential with full jitter: attempt n waits a random time in [0, min(max, first * 2^n)], so that agents that lost the
// same broker at the same moment do not come back together. A pure function of the seed.
class Backoff {
 public:
  Backoff(BackoffSettings settings, uint64_t seed) : settings_(settings), random_(seed) {}
  // The wait before the next attempt; the one after it will be longer.
  int64_t next_ns();
  // After a success.
  void reset() { attempts_ = 0; }
  // Since the last reset.
  [[nodiscard]] unsigned attempts() const { return attempts_; }

 private:
  BackoffSettings settings_;
  std::mt19937_64 random_;
  unsigned attempts_ = 0;
};

}  // namespace joulespool::uplink
