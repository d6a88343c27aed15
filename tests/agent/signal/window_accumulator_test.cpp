#include "agent/signal/window_accumulator.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

namespace {

using joulespool::int128;
using joulespool::signal::SampleSpan;
using joulespool::signal::summarise;
using joulespool::signal::WindowAccumulator;
using joulespool::wire::Window;

struct Samples {
  std::vector<float> i, v, p;
  [[nodiscard]] SampleSpan span(uint64_t sample_id, uint32_t decimation) const { return {sample_id, decimation, i, v, p}; }
};

Samples random_samples(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(0.0F, 0.02F);
  Samples samples;
  for (size_t at = 0; at < count; ++at) {
    samples.i.push_back(noise(random));
    samples.v.push_back(3.3F + noise(random));
    if (random() % 97 == 0) samples.i.back() = std::numeric_limits<float>::quiet_NaN();
    samples.p.push_back(samples.i.back() * samples.v.back());
  }
  return samples;
}

// The definition, written down once more: round half to even in long double.
int128 reference_units(float x) { return static_cast<int128>(std::nearbyint(static_cast<long double>(x) * 2147483648.0L)); }

}  // namespace

TEST_CASE("signal: a window's sums are the integers of its valid samples") {
  const Samples samples = random_samples(3000, 1);
  const Window window = summarise(samples.span(10, 2));
  int128 i = 0, p = 0, i2 = 0;
  uint64_t valid = 0;
  for (size_t at = 0; at < samples.i.size(); ++at) {
    if (std::isnan(samples.i[at])) continue;
    ++valid;
    i += reference_units(samples.i[at]);
    p += reference_units(samples.p[at]);
    i2 += reference_units(samples.i[at]) * reference_units(samples.i[at]);
  }
  CHECK(window.count == 3000);
  CHECK(window.valid == valid);
  CHECK(valid < 3000);
  CHECK((window.i_sum == i));
  CHECK((window.p_sum == p));
  CHECK((window.i2_sum == i2));
  CHECK(window.sample_id_end == 10 + 2 * 3000);
}

TEST_CASE("signal: the same samples give the same windows however they were chopped") {
  const Samples samples = random_samples(20000, 2);
  std::vector<Window> whole;
  WindowAccumulator one(2000);
  one.add(samples.span(1234, 2), whole);
  one.flush(whole);
  std::mt19937 random(3);
  std::vector<Window> chopped;
  WindowAccumulator many(2000);
  for (size_t at = 0; at < samples.i.size();) {
    const size_t count = std::min<size_t>(1 + random() % 1700, samples.i.size() - at);
    many.add(samples.span(1234, 2).part(at, count), chopped);
    at += count;
  }
  CHECK(one.sums() == many.sums());
  CHECK(many.sums().count == 20000);  // also of the window that is still open
  many.flush(chopped);
  CHECK(whole == chopped);
  CHECK(whole.size() == 21);  // 1234..41234 touches windows 0 to 20
  CHECK(whole.front().count == (2000 - 1234) / 2);
  CHECK(whole[1].sample_id_first == 2000);
  CHECK(whole[1].count == 1000);
}

TEST_CASE("signal: a gap makes the window's count smaller and skips whole windows") {
  const Samples samples = random_samples(1000, 4);
  std::vector<Window> windows;
  WindowAccumulator accumulator(1000);
  accumulator.add(samples.span(0, 1).part(0, 300), windows);
  accumulator.add({400, 1, std::span(samples.i).first(100), std::span(samples.v).first(100), std::span(samples.p).first(100)},
                  windows);
  accumulator.add({5100, 1, samples.i, samples.v, samples.p}, windows);
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].count == 400);
  CHECK(windows[0].sample_id_first == 0);
  CHECK(windows[0].sample_id_end == 500);
  CHECK(windows[1].sample_id_first == 5100);
  CHECK(windows[1].count == 900);
  CHECK(accumulator.open());
}
