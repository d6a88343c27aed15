// The current that a load draws, without noise: one function per profile.
#pragma once

#include <random>
#include <vector>

#include "tests/bench/profiles.h"

namespace joulespool::bench {

// A, one value per sample, at `rate_hz`. Not for noise_fs.
std::vector<double> load_current(Profile profile, double rate_hz, std::mt19937_64& random, size_t count);

}  // namespace joulespool::bench
