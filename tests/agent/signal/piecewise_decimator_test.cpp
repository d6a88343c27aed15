#include "agent/signal/piecewise_decimator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace {

using namespace joulespool;
using signal::Decimator;
using signal::GrowingRun;
using signal::PiecewiseDecimator;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

// Noise with holes, some of them longer than a filter reaches.
std::vector<float> samples_with_holes(size_t count, uint32_t factor, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> samples(count);
  for (float& x : samples) x = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31F;
  for (size_t at = random() % 5000; at < count;) {
    const size_t length = 1 + random() % (random() % 3 == 0 ? size_t{factor} * 200 : size_t{factor} * 3);
    std::fill_n(samples.begin() + static_cast<std::ptrdiff_t>(at), std::min(length, count - at), missing);
    at += length + random() % (size_t{factor} * 300);
  }
  return samples;
}

struct Whole {
  uint64_t first_id = 0;
  std::vector<float> values;
  uint64_t ticks = 1;

  // Those in [first, end) of sample_ids.
  [[nodiscard]] std::vector<float> part(uint64_t first, uint64_t end) const {
    std::vector<float> found;
    for (size_t k = 0; k < values.size(); ++k)
      if (first_id + k * ticks >= first && first_id + k * ticks < end) found.push_back(values[k]);
    return found;
  }
};

Whole whole(uint32_t factor, std::span<const float> samples, uint64_t sample_id, uint32_t decimation) {
  auto by = Decimator::make(factor);
  REQUIRE(by.ok());
  by->begin(sample_id, decimation);
  Whole all{by->next_sample_id(), {}, uint64_t{factor} * decimation};
  by->add(samples, all.values);
  by->finish(all.values);
  return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<uint32_t, float>, std::bit_cast<uint32_t, float>);
}

}  // namespace

TEST_CASE("piecewise decimation: any pieces of a growing run, asked for or left out, are those of the whole run") {
  for (const uint32_t factor : {2U, 5U, 10U, 50U, 200U}) {
    for (uint32_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(factor);
      CAPTURE(seed);
      std::mt19937 random(seed);
      const auto decimation = static_cast<uint32_t>(1 + random() % 3);
      const uint64_t sample_id = 1'000'000 + random() % 100'000;
      const size_t count = size_t{factor} * 1500 + random() % 5000;
      const auto samples = samples_with_holes(count, factor, seed);
      const Whole expected = whole(factor, samples, sample_id, decimation);
      auto by = PiecewiseDecimator::make(factor);
      REQUIRE(by.ok());
      size_t dropped = 0;
      for (size_t first = 0; first < count;) {
        const size_t size = std::min<size_t>(1 + random() % (size_t{factor} * 400), count - first);
        const size_t known = std::min(count, first + size + by->samples_after() + random() % 1000);
        const size_t kept_from = first - std::min(first, by->samples_before());
        if (random() % 2 == 0) dropped = kept_from;
        const GrowingRun run{7, sample_id + dropped * decimation, decimation,
                             std::span(samples).subspan(dropped, known - dropped), known == count};
        const uint64_t first_id = sample_id + first * decimation;
        for (size_t again = random() % 3; again > 0; --again) {  // a shorter piece first, as when a frame was too large
          const size_t shorter = 1 + random() % size;
          REQUIRE(
              same_bits(by->outputs(run, first - dropped, shorter), expected.part(first_id, first_id + shorter * decimation)));
        }
        if (random() % 4 != 0)
          REQUIRE(same_bits(by->outputs(run, first - dropped, size), expected.part(first_id, first_id + size * decimation)));
        first += size;
      }
    }
  }
}

TEST_CASE("piecewise decimation: another run does not hear of the one before") {
  auto by = PiecewiseDecimator::make(10);
  REQUIRE(by.ok());
  const auto loud = samples_with_holes(5000, 10, 1);
  by->outputs({1, 0, 1, loud, true}, 0, 5000);
  const auto next = samples_with_holes(5000, 10, 2);
  const Whole expected = whole(10, next, 5000, 1);
  CHECK(same_bits(by->outputs({2, 5000, 1, next, true}, 0, 5000), expected.values));
}

TEST_CASE("piecewise decimation: a run of one sample, and pieces without an output") {
  auto by = PiecewiseDecimator::make(10);
  REQUIRE(by.ok());
  const std::vector<float> one = {0.5F};
  CHECK(by->outputs({1, 13, 1, one, true}, 0, 1).empty());
  const std::span<const float> at_20 = by->outputs({2, 20, 1, one, true}, 0, 1);
  REQUIRE(at_20.size() == 1);
  CHECK(std::isnan(at_20[0]));  // one of the ten samples that it stands for
  CHECK_FALSE(PiecewiseDecimator::make(7).ok());
}
