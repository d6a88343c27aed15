#include "agent/signal/window_kernels.h"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "agent/signal/window_accumulator.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool;
using signal::SampleSpan;
using wire::Window;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

struct Samples {
  std::vector<float> i, v, p;
  bool has_power = true;
  [[nodiscard]] size_t size() const { return i.size(); }
  [[nodiscard]] SampleSpan span() const { return {0, 1, i, v, has_power ? std::span<const float>(p) : std::span<const float>()}; }
};

// The definition, written down once more, without to_units: scaling by a power of two and rounding to nearest even are exact
// here.
bool has_integer(float x) { return std::fabs(x) < 0x1p31F; }
int128 integer_of(float x) { return static_cast<int128>(std::nearbyint(static_cast<double>(x) * 0x1p31)); }

void widen(float& min, float& max, float x) {
  if (x < min) min = x;
  if (x > max) max = x;
}

Window reference(const SampleSpan& samples) {
  Window window;
  window.sample_id_first = samples.sample_id;
  window.sample_id_end = samples.sample_id + samples.i.size() * samples.decimation;
  window.count = samples.i.size();
  for (size_t at = 0; at < samples.i.size(); ++at) {
    const float i = samples.i[at], v = samples.v[at];
    const float p = samples.p.empty() ? i * v : samples.p[at];
    if (!has_integer(i) || !has_integer(v) || !has_integer(p)) continue;
    ++window.valid;
    window.i_sum += integer_of(i);
    window.v_sum += integer_of(v);
    window.p_sum += integer_of(p);
    window.i2_sum = wrapping_add(window.i2_sum, integer_of(i) * integer_of(i));  // bit patterns of noise are 10^9 A
    window.v2_sum = wrapping_add(window.v2_sum, integer_of(v) * integer_of(v));
    widen(window.i_min, window.i_max, i);
    widen(window.v_min, window.v_max, v);
    widen(window.p_min, window.p_max, p);
  }
  return window;
}

std::array<uint32_t, 6> extreme_bits(const Window& window) {
  return {std::bit_cast<uint32_t>(window.i_min), std::bit_cast<uint32_t>(window.i_max), std::bit_cast<uint32_t>(window.v_min),
          std::bit_cast<uint32_t>(window.v_max), std::bit_cast<uint32_t>(window.p_min), std::bit_cast<uint32_t>(window.p_max)};
}

// Also 0 and -0 are told apart.
bool same_bits(const Window& a, const Window& b) { return a == b && extreme_bits(a) == extreme_bits(b); }

// A signal of one of many kinds: what instruments give, and what nothing gives.
class SignalMaker {
 public:
  explicit SignalMaker(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t end) { return random_() % end; }

  std::vector<float> make(size_t count) {
    const uint64_t kind = below(14);
    const auto level = static_cast<float>(std::ldexp(normal_(random_), static_cast<int>(below(40)) - 24));
    const auto noise = static_cast<float>(std::ldexp(1.0, static_cast<int>(below(50)) - 40));
    const auto binade = static_cast<float>(std::ldexp(1.0, static_cast<int>(below(30)) - 13));
    std::vector<float> out(count);
    for (float& x : out) x = one(kind, level, noise, binade);
    return out;
  }

  // Leaves out samples of one signal: here and there, in stretches, or all.
  void damage(std::vector<float>& x) {
    const uint64_t kind = below(6);
    const std::array<float, 6> holes = {not_a_number, -not_a_number, infinity,
                                        -infinity,    0x1p31F,       std::bit_cast<float>(0x7F800001U)};
    for (size_t at = 0; at < x.size(); ++at) {
      if (kind < 3) return;
      const bool hole = kind == 5 || (kind == 3 ? below(60) == 0 : at % 700 < 90);
      if (hole) x[at] = holes[below(holes.size())];
    }
  }

  Samples samples(size_t count) {
    Samples made{make(count), make(count), make(count), below(3) > 0};
    for (auto* x : {&made.i, &made.v, &made.p}) damage(*x);
    return made;
  }

 private:
  float one(uint64_t kind, float level, float noise, float binade) {
    switch (kind) {
      case 0: return level;
      case 1: return std::bit_cast<float>(static_cast<uint32_t>(random_()));  // any bit pattern
      case 2: return below(2) == 0 ? 0.0F : -0.0F;
      case 3: return std::bit_cast<float>(static_cast<uint32_t>(below(1U << 23)));  // denormals
      case 4: return (static_cast<float>(below(2000)) - 1000.0F) * 0x1p-32F;        // half of them between two integers
      case 5: return std::ldexp(static_cast<float>(normal_(random_)), static_cast<int>(below(54)) - 38);  // all magnitudes
      case 6: return below(2) == 0 ? 65536.0F : std::nextafter(65536.0F, 0.0F);                           // the fast ways' edge
      case 7: return below(300) == 0 ? std::nextafter(0x1p31F, 0.0F) : level;
      case 8: return 4.0F + 0.0625F * static_cast<float>(normal_(random_));  // around a power of two
      case 9: return -3.3F + 0.02F * static_cast<float>(normal_(random_));
      case 10: return below(2) == 0 ? 0.0F : static_cast<float>(below(3)) - 1.0F;  // extremes are often 0
      case 11: return 1.0F + static_cast<float>(below(4)) * 0.9999F;
      case 12: return std::copysign(binade * (1.0F + static_cast<float>(below(1U << 23)) * 0x1p-23F), level);  // one binade
      default: return level + noise * static_cast<float>(normal_(random_));
    }
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

void check_all_ways(const SampleSpan& samples) {
  const Window expected = reference(samples);
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(to_string(set));
    REQUIRE(same_bits(signal::summarise(samples, set), expected));
  }
  Window plain;
  plain.sample_id_first = expected.sample_id_first;
  plain.sample_id_end = expected.sample_id_end;
  plain.count = expected.count;
  signal::add_samples_plainly({samples.i.data(), samples.v.data(), samples.p.empty() ? nullptr : samples.p.data()},
                              samples.i.size(), plain);
  REQUIRE(same_bits(plain, expected));
}

}  // namespace

TEST_CASE("windows: every instruction set gives the bits of the definition, whatever the samples") {
  const uint64_t first = test::first_seed();
  uint64_t valid = 0, count = 0;
  for (uint64_t seed = first; seed < first + test::seeds(1500); ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    SignalMaker maker(seed);
    const Samples samples = maker.samples(maker.below(2) == 0 ? maker.below(40) : maker.below(3000));
    check_all_ways(samples.span());
    const Window window = signal::summarise(samples.span());
    valid += window.valid;
    count += window.count;
  }
  MESSAGE("seeds " << first << "..: " << count << " samples, " << valid << " valid");
}

TEST_CASE("windows: the bits do not depend on where in memory samples begin, nor on how many there are") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  SignalMaker maker(seed);
  Samples samples = maker.samples(1100);
  for (size_t at = 0; at < samples.size(); ++at) {
    samples.i[at] = static_cast<float>(at % 89) * 1e-4F;
    samples.v[at] = at % 700 == 650 ? not_a_number : 3.3F + static_cast<float>(at % 7) * 1e-3F;
    samples.p[at] = samples.i[at] * samples.v[at];
  }
  for (size_t from = 0; from < 9; ++from)
    for (const size_t count : {0U,   1U,   2U,   3U,   4U,   5U,   7U,   8U,   9U,    15U,   16U,   17U,  255U,
                               511U, 512U, 513U, 515U, 516U, 519U, 520U, 521U, 1023U, 1024U, 1025U, 1026U})
      check_all_ways(samples.span().part(from, count));
}

TEST_CASE("windows: of equal extremes the first stays, so that a 0 has the sign of the first valid one") {
  for (const bool negative_first : {false, true}) {
    Samples samples{std::vector<float>(1500, 0.0F), std::vector<float>(1500, 1.0F), {}, false};
    for (size_t at = 0; at < samples.size(); ++at) samples.i[at] = (at % 2 == 0) == negative_first ? -0.0F : 0.0F;
    samples.v[0] = samples.v[1] = samples.v[2] = not_a_number;  // with the zeros that come with it
    check_all_ways(samples.span());
    CHECK(std::signbit(signal::summarise(samples.span()).i_min) != negative_first);
    CHECK(std::signbit(signal::summarise(samples.span()).p_max) != negative_first);
  }
}

TEST_CASE("windows: a sample is missing when one of the three is, also by its product alone") {
  Samples samples{std::vector<float>(100, 1e30F), std::vector<float>(100, 1e30F), {}, false};
  check_all_ways(samples.span());
  samples.i.assign(100, infinity);
  samples.v.assign(100, 0.0F);
  check_all_ways(samples.span());
  samples.i.assign(100, 1e5F);
  samples.v.assign(100, 1e5F);  // the product is 10^10, beyond 2^31
  samples.v[50] = 1.0F;
  check_all_ways(samples.span());
  CHECK(signal::summarise(samples.span()).valid == 1);
}

TEST_CASE("windows: power that is left out is the product of i and v") {
  SignalMaker maker(7);
  Samples samples{maker.make(2000), maker.make(2000), {}, true};
  for (size_t at = 0; at < samples.size(); ++at) samples.p.push_back(samples.i[at] * samples.v[at]);
  const Window with = signal::summarise(samples.span());
  samples.has_power = false;
  CHECK(same_bits(signal::summarise(samples.span()), with));
}

TEST_CASE("windows: merging is exact and associative, however the samples were grouped") {
  const uint64_t first = test::first_seed();
  for (uint64_t seed = first; seed < first + test::seeds(60); ++seed) {
    CAPTURE(seed);
    SignalMaker maker(seed);
    const Samples samples = maker.samples(1 + maker.below(4000));
    const Window whole = signal::summarise(samples.span());
    std::vector<Window> parts;
    for (size_t at = 0; at < samples.size();) {
      const size_t count = std::min<size_t>(1 + maker.below(900), samples.size() - at);
      parts.push_back(signal::summarise(samples.span().part(at, count)));
      at += count;
    }
    while (parts.size() > 1) {  // neighbours in any order
      const size_t at = maker.below(parts.size() - 1);
      parts[at].merge(parts[at + 1]);
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    REQUIRE(same_bits(parts.front(), whole));
  }
}

TEST_CASE("windows: 9 nA of noise on 2 uA is recovered from the sum of squares") {
  std::mt19937_64 random(11);
  std::normal_distribution<double> noise(0.0, 9e-9);
  Samples samples{{}, std::vector<float>(400'000, 3.3F), {}, false};
  for (size_t at = 0; at < samples.v.size(); ++at) samples.i.push_back(static_cast<float>(2e-6 + noise(random)));
  std::vector<Window> windows;
  signal::WindowAccumulator accumulator(2000);
  accumulator.add(samples.span(), windows);
  Window total;
  for (const Window& window : windows) total.merge(window);
  const auto n = static_cast<int128>(total.valid);
  const int128 spread = n * total.i2_sum - total.i_sum * total.i_sum;  // n^2 times the variance
  const double rms = std::sqrt(static_cast<double>(spread)) / static_cast<double>(total.valid) / 0x1p31;
  CHECK(rms == doctest::Approx(9e-9).epsilon(0.01));
  CHECK(static_cast<double>(total.i_sum) / static_cast<double>(total.valid) / 0x1p31 == doctest::Approx(2e-6).epsilon(1e-4));
}
