#include "agent/signal/decimator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "agent/base/crc32c.h"
#include "tests/support/allocation_count.h"

namespace {

using namespace joulespool;
using signal::DecimationFilter;
using signal::Decimator;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();
constexpr uint32_t some_factors[] = {2, 4, 5, 10, 20, 25, 50, 200, 1000};

struct Outputs {
  uint64_t first_id = 0;
  std::vector<float> values;
};

Decimator decimator(uint32_t factor, InstructionSet set = best_instruction_set()) {
  auto made = Decimator::make(factor, set);
  REQUIRE(made.ok());
  return std::move(*made);
}

Outputs decimate(Decimator& by, std::span<const float> samples, uint64_t sample_id = 0, uint32_t decimation = 1) {
  by.begin(sample_id, decimation);
  Outputs outputs{by.next_sample_id(), {}};
  by.add(samples, outputs.values);
  by.finish(outputs.values);
  return outputs;
}

Outputs decimate(uint32_t factor, std::span<const float> samples, uint64_t sample_id = 0) {
  Decimator by = decimator(factor);
  return decimate(by, samples, sample_id);
}

std::vector<float> noise(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> samples(count);
  // Integers only, so that they are the same everywhere.
  for (float& x : samples) x = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31F;
  return samples;
}

// Amplitude 1, frequency in units of the sampling rate. At half that rate a sine of phase 0 would be 0 everywhere: a cosine then.
std::vector<float> tone_of(double frequency, size_t count) {
  const double step = 2 * std::numbers::pi * frequency;
  const double turn_re = std::cos(step), turn_im = std::sin(step);
  std::vector<float> samples(count);
  double re = frequency == 0.5 ? 0 : 1, im = frequency == 0.5 ? 1 : 0;
  for (size_t k = 0; k < count; ++k) {
    samples[k] = static_cast<float>(im);
    const double next = re * turn_re - im * turn_im;
    im = re * turn_im + im * turn_re;
    re = next;
  }
  return samples;
}

double decibels(double amplitude) { return 20 * std::log10(amplitude); }

// Largest output, away from the ends of the run.
double largest(std::span<const float> values, size_t edge) {
  double most = 0;
  for (const float y : values.subspan(edge, values.size() - 2 * edge)) most = std::max(most, std::abs(static_cast<double>(y)));
  return most;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<uint32_t, float>, std::bit_cast<uint32_t, float>);
}

std::vector<float> joined(std::initializer_list<std::vector<float>> parts) {
  std::vector<float> all;
  for (const std::vector<float>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The filters' definition (decimation_filters.h) in float64, over samples that are constant outside of their span. Element n of
// the result is output first + n.
struct Sequence {
  int64_t first = 0;
  std::vector<double> values;
  [[nodiscard]] double at(int64_t k) const {
    return values[static_cast<size_t>(std::clamp<int64_t>(k - first, 0, static_cast<int64_t>(values.size()) - 1))];
  }
};

double filtered(const DecimationFilter& filter, const Sequence& x, int64_t at) {
  const auto gain = [&](int64_t k) { return static_cast<double>(filter.gains[filter.gains.size() - static_cast<size_t>(k)]); };
  const auto count = static_cast<int64_t>(filter.gains.size());
  double y = filter.factor == 2 ? x.at(at) / 2 + (x.at(at - 1) + x.at(at + 1)) / 4 : x.at(at);
  for (int64_t k = 1; k <= count; ++k)
    y += filter.factor == 2
             ? gain(k) * (x.at(at + 2 * k + 1) - x.at(at + 2 * k - 1) - x.at(at + 1 - 2 * k) + x.at(at - 1 - 2 * k))
             : gain(k) * (x.at(at + k) - x.at(at + k - 1) - x.at(at + 1 - k) + x.at(at - k));
  return y;
}

Sequence reference(uint32_t factor, std::span<const float> samples) {
  Sequence x{0, {samples.begin(), samples.end()}};
  const auto stages = signal::decimation_stages(factor);
  for (const DecimationFilter* filter : *stages) {
    const int64_t reach = filter->reach() + 1;
    Sequence y{(x.first - reach) / filter->factor - 1, {}};
    const int64_t end = (x.first + static_cast<int64_t>(x.values.size()) + reach) / filter->factor + 2;
    for (int64_t n = y.first; n < end; ++n) y.values.push_back(filtered(*filter, x, n * filter->factor));
    x = y;
  }
  return x;
}

}  // namespace

TEST_CASE("decimation: every rate of 1, 2, 5 below a full rate can be had, and the list of factors is ascending") {
  CHECK(signal::decimation_factors(1000) == std::vector<uint32_t>{2, 5, 10, 20, 50, 100, 200, 500, 1000});
  CHECK(signal::decimation_factors(20) == std::vector<uint32_t>{2, 4, 10, 20});
  CHECK(signal::decimation_factors(1).empty());
  for (const uint32_t full : {2'000'000U, 1'000'000U, 500'000U}) {
    for (const uint32_t factor : signal::decimation_factors(full)) {
      CAPTURE(factor);
      CHECK(full % factor == 0);
      const auto found = signal::decimation_factor(full, full / factor);
      REQUIRE(found.ok());
      CHECK(*found == factor);
      const auto made = Decimator::make(factor);
      REQUIRE(made.ok());
      CHECK(made->factor() == factor);
    }
  }
}

TEST_CASE("decimation: other factors and rates are refused, with what there is") {
  for (const uint32_t factor : {0U, 1U, 3U, 6U, 7U, 15U, 2'000'001U, 2'500'000U, 4'294'967'295U}) {
    CAPTURE(factor);
    const auto made = Decimator::make(factor);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == Errc::usage);
    CHECK(made.error().message == "cannot decimate by " + std::to_string(factor) + ": only by products of 2 and 5, 2 to 2000000");
  }
  CHECK(signal::decimation_factor(1000, 400).error().message ==
        "no waveform of 400 samples per second from 1000: there are 500, 200, 100, 50, 20, 10, 5, 2, 1");
  CHECK_FALSE(signal::decimation_factor(1000, 1000).ok());
  CHECK_FALSE(signal::decimation_factor(1000, 0).ok());
  CHECK_FALSE(signal::decimation_factor(0, 1).ok());
}

TEST_CASE("decimation: tones that would fall into the passband are 86 dB down, in every band and for every factor") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> offset(-signal::decimation_passband, signal::decimation_passband);
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    const size_t edge = by.delay() / factor + 2;
    const size_t count = (2 * edge + 20) * factor;
    const uint32_t bands = factor / 2;  // band k: around k times the new rate
    const uint32_t step = std::max(1U, bands / 250);
    double worst = -1000;
    for (uint32_t band = 1 + static_cast<uint32_t>(random() % step); band <= bands; band += step) {
      for (const double at : {-signal::decimation_passband, signal::decimation_passband, offset(random), offset(random)}) {
        const double frequency = std::min(0.5, (static_cast<double>(band) + at) / factor);
        worst = std::max(worst, decibels(largest(decimate(by, tone_of(frequency, count)).values, edge)));
      }
    }
    CAPTURE(factor);
    CHECK(worst <= -signal::decimation_rejection_db);
  }
}

TEST_CASE("decimation: tones in the passband keep amplitude and phase, at the sample_id where they are") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    const size_t edge = by.delay() / factor + 2;
    for (const double at : {0.001, 0.01, 0.1, 0.2, 0.3, 0.35, 0.39, 0.4}) {
      const Outputs outputs = decimate(by, tone_of(at / factor, (2 * edge + 400) * factor));
      // Least squares: y = a sin + b cos.
      double ss = 0, sc = 0, cc = 0, ys = 0, yc = 0;
      for (size_t n = edge; n + edge < outputs.values.size(); ++n) {
        const double angle = 2 * std::numbers::pi * at * static_cast<double>(n);
        const double s = std::sin(angle), c = std::cos(angle);
        ss += s * s, sc += s * c, cc += c * c, ys += outputs.values[n] * s, yc += outputs.values[n] * c;
      }
      const double determinant = ss * cc - sc * sc;
      const double a = (ys * cc - yc * sc) / determinant, b = (yc * ss - ys * sc) / determinant;
      CAPTURE(factor);
      CAPTURE(at);
      CHECK(std::abs(decibels(std::hypot(a, b))) <= signal::decimation_ripple_db);
      CHECK(std::abs(std::atan2(b, a)) / (2 * std::numbers::pi * at) <= 1e-4);  // delay, in output samples
    }
  }
}

TEST_CASE("decimation: an impulse at an output's place comes out centred there") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    const size_t half = by.delay() / factor + 2;
    std::vector<float> samples((2 * half + 1) * factor, 0.0F);
    samples[half * factor] = 1;
    const std::vector<float> values = decimate(by, samples).values;
    CAPTURE(factor);
    REQUIRE(values.size() == 2 * half + 1);
    CHECK(values[half] == *std::max_element(values.begin(), values.end()));
    for (size_t n = 1; n <= half; ++n) CHECK(values[half - n] == doctest::Approx(values[half + n]).epsilon(1e-4));
  }
}

TEST_CASE("decimation: a constant stays the same constant, bit for bit") {
  for (const uint32_t factor : some_factors)
    for (const float constant : {3.3F, -1.7e-9F, 0.1F, 1.0e-40F, 16777215.0F, 2147483520.0F, 0.0F}) {
      const Outputs outputs = decimate(factor, std::vector<float>(5 * factor + 3, constant), 1);
      CAPTURE(factor);
      CHECK(outputs.values == std::vector<float>(outputs.values.size(), constant));
      CHECK(outputs.values.size() == (5 * factor + 3) / factor);
    }
}

TEST_CASE("decimation: two million to one") {
  const std::vector<float> samples = joined({std::vector<float>(4'000'000, 0.25F), std::vector<float>(1'100'000, missing)});
  const std::vector<float> values = decimate(2'000'000, samples).values;
  REQUIRE(values.size() == 3);
  CHECK(values[0] == 0.25F);
  CHECK(values[1] == 0.25F);
  CHECK(values[2] == 0.25F);  // half of [3,000,000, 5,000,000) is there
}

TEST_CASE("decimation: rounding stays 130 dB below the largest sample") {
  for (const uint32_t factor : some_factors) {
    const std::vector<float> samples = noise(40 * factor + 20'000, factor);
    const Outputs outputs = decimate(factor, samples);
    const Sequence exact = reference(factor, samples);
    double worst = 0;
    for (size_t n = 0; n < outputs.values.size(); ++n)
      worst = std::max(worst, std::abs(outputs.values[n] - exact.at(static_cast<int64_t>(n))));
    CAPTURE(factor);
    CHECK(decibels(worst) <= -130);
  }
}

TEST_CASE("decimation: however the samples are cut into calls, every bit is the same") {
  std::mt19937 random(11);
  for (const uint32_t factor : some_factors) {
    std::vector<float> samples = noise(30'000 + 12 * factor, factor);
    for (size_t k = 0; k < samples.size(); ++k)
      if (random() % 500 == 0)
        std::fill_n(samples.begin() + static_cast<std::ptrdiff_t>(k), std::min<size_t>(samples.size() - k, random() % 90),
                    missing);
    const Outputs whole = decimate(factor, samples, 12'345);
    for (const size_t most : {1U, 7U, 100U, 5000U}) {
      Decimator by = decimator(factor);
      by.begin(12'345, 1);
      std::vector<float> values;
      for (size_t at = 0; at < samples.size();) {
        const size_t count = std::min<size_t>(samples.size() - at, 1 + random() % most);
        by.add(std::span(samples).subspan(at, count), values);
        at += count;
      }
      by.finish(values);
      CAPTURE(factor);
      CHECK(same_bits(values, whole.values));
    }
  }
}

TEST_CASE("decimation: where a run began changes nothing further than the delay away") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    const std::vector<float> samples = noise(4 * by.delay() + 3 * factor + 1000, factor);
    constexpr uint64_t sample_id = 1'000'000'007;
    const Outputs whole = decimate(by, samples, sample_id);
    for (const size_t skip : {1U, 2U, 3U, 5U, factor - 1, factor, factor + 1, 3 * factor / 2}) {
      const Outputs part = decimate(by, std::span(samples).subspan(skip), sample_id + skip);
      const uint64_t from = sample_id + skip + by.delay();
      size_t compared = 0;
      for (size_t n = 0; n < part.values.size(); ++n) {
        const uint64_t id = part.first_id + n * factor;
        if (id < from) continue;
        ++compared;
        if (std::bit_cast<uint32_t>(part.values[n]) != std::bit_cast<uint32_t>(whole.values[(id - whole.first_id) / factor]))
          FAIL("differs at ", id, ", factor ", factor);
      }
      CHECK(compared > 0);
    }
  }
}

TEST_CASE("decimation: outputs stand on one grid, wherever a run begins and ends") {
  for (const uint32_t factor : {2U, 5U, 20U})
    for (const uint32_t decimation : {1U, 2U, 16U})
      for (const uint64_t start : {uint64_t{0}, uint64_t{1}, uint64_t{19}, uint64_t{20}, uint64_t{1} << 40, ~uint64_t{0} >> 1})
        for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{19}, size_t{41}}) {
          const uint64_t number = start / decimation;
          const uint64_t sample_id = number * decimation + (start % 3 == 1 ? decimation - 1 : 0);
          Decimator by = decimator(factor);
          const Outputs outputs = decimate(by, std::vector<float>(count, 1.0F), sample_id, decimation);
          std::vector<uint64_t> expected;
          for (size_t k = 0; k < count; ++k)
            if ((number + k) % factor == 0) expected.push_back(sample_id + k * decimation);
          REQUIRE(outputs.values.size() == expected.size());
          if (expected.empty()) continue;
          CHECK(outputs.first_id == expected.front());
          CHECK(by.next_sample_id() == expected.back() + factor * decimation);
        }
}

TEST_CASE("decimation: outside of a run its first and last sample stand for what is not there") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    for (const size_t count : {size_t{1}, size_t{3}, size_t{factor}, size_t{3 * factor + 1}, size_t{2 * by.delay() + 5}}) {
      const std::vector<float> samples = noise(count, factor);
      const size_t more = (by.delay() / factor + 2) * factor;
      const Outputs alone = decimate(by, samples, 100 * uint64_t{more} + 1);
      const Outputs longer =
          decimate(by, joined({std::vector<float>(more, samples.front()), samples, std::vector<float>(more, samples.back())}),
                   99 * uint64_t{more} + 1);
      const size_t offset = (alone.first_id - longer.first_id) / factor;
      REQUIRE(longer.values.size() >= offset + alone.values.size());
      CAPTURE(factor);
      CHECK(same_bits(alone.values, std::span(longer.values).subspan(offset, alone.values.size())));
    }
  }
}

TEST_CASE("decimation: an output is there once delay() further samples are, and not before they are needed") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    by.begin(0, 1);
    std::vector<float> values;
    const std::vector<float> samples = noise(by.delay() + 3 * factor + 2, 3);
    for (size_t k = 0; k < samples.size(); ++k) {
      by.add(std::span(samples).subspan(k, 1), values);
      const size_t expected = k < by.delay() ? 0 : (k - by.delay()) / factor + 1;
      if (values.size() != expected)
        FAIL(values.size(), " instead of ", expected, " outputs after sample ", k, ", factor ", factor);
    }
  }
}

TEST_CASE("decimation: holes that are not long count as the last valid sample, however many there are") {
  for (const uint32_t factor : {2U, 5U, 20U, 200U}) {
    const size_t hole = decimator(factor).delay() + factor - 1;
    std::vector<float> samples = noise(10 * hole, factor);
    std::fill_n(samples.begin() + static_cast<std::ptrdiff_t>(hole), hole, missing);
    for (size_t at = 3 * hole; at < samples.size(); at += 2 + at % 3)
      samples[at] = at % 2 == 0 ? missing : std::numeric_limits<float>::infinity();
    std::vector<float> held = samples;
    for (size_t at = 1; at < held.size(); ++at)
      if (!std::isfinite(held[at])) held[at] = held[at - 1];
    const std::vector<float> values = decimate(factor, samples).values, expected = decimate(factor, held).values;
    REQUIRE(values.size() == expected.size());
    size_t differing = 0, lacking = 0;
    for (size_t n = 0; n < values.size(); ++n) {
      lacking += std::isnan(values[n]) ? 1U : 0U;
      differing += !std::isnan(values[n]) && std::bit_cast<uint32_t>(values[n]) != std::bit_cast<uint32_t>(expected[n]) ? 1U : 0U;
    }
    CAPTURE(factor);
    CHECK(differing == 0);
    CHECK(lacking < hole / factor + 2);
  }
}

TEST_CASE("decimation: what has no integer is missing, like in windows") {
  const auto alone = [](float x) {
    std::vector<float> samples(100, 1.0F);
    std::fill(samples.begin() + 45, samples.begin() + 55, x);
    return decimate(10, samples).values;
  };
  for (const float x : {missing, -missing, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                        0x1p31F, -0x1p31F, std::numeric_limits<float>::max()}) {
    const std::vector<float> values = alone(x);
    for (size_t n = 0; n < values.size(); ++n) CHECK(std::isnan(values[n]) == (n == 5));
  }
  for (const float x : {0x1.fffffep30F, -0x1.fffffep30F, 1e-45F}) {
    const std::vector<float> values = alone(x);
    CHECK(std::none_of(values.begin(), values.end(), [](float y) { return std::isnan(y); }));
  }
}

TEST_CASE("decimation: an output is missing when less than half of its own samples are valid") {
  for (const uint32_t factor : {2U, 4U, 5U, 10U, 25U, 200U})
    for (uint32_t lost = 0; lost <= factor; lost += std::max(1U, factor / 20)) {
      const size_t place = 8 * factor, first = place - factor / 2;
      std::vector<float> samples(16 * factor, 2.5F);
      // From both sides towards the middle, so that it is the count that matters.
      for (uint32_t k = 0; k < lost; ++k) samples[k % 2 == 0 ? first + k / 2 : first + factor - 1 - k / 2] = missing;
      const std::vector<float> values = decimate(factor, samples).values;
      CAPTURE(factor);
      CAPTURE(lost);
      for (size_t n = 0; n < values.size(); ++n) {
        const bool lacks = n == 8 && 2 * (factor - lost) < factor;
        CHECK(std::isnan(values[n]) == lacks);
        if (!lacks) CHECK(values[n] == 2.5F);
      }
    }
}

TEST_CASE("decimation: samples that a run does not have count as missing for the output at its end") {
  // The output at 20 stands for [15, 25).
  CHECK(decimate(10, std::vector<float>{1, 1, 1, 1, 1}, 20).values == std::vector<float>{1});
  CHECK(std::isnan(decimate(10, std::vector<float>{1, 1, 1, 1, missing}, 20).values.at(0)));
  CHECK(std::isnan(decimate(10, std::vector<float>{1, 1, 1, 1}, 20).values.at(0)));
  CHECK(decimate(10, std::vector<float>{1, 1, 1, 1, 1, 1}, 15).values == std::vector<float>{1});
  CHECK(std::isnan(decimate(10, std::vector<float>{1, 1, 1, missing, missing, 1}, 15).values.at(0)));
}

TEST_CASE("decimation: beyond a long hole nothing of the other side is heard") {
  for (const uint32_t factor : {2U, 5U, 20U, 200U}) {
    Decimator by = decimator(factor);
    const size_t hole = by.delay() + factor;  // the shortest that is long
    const std::vector<float> left = noise(3 * hole + 17, 1), right = noise(2 * hole + 3, 2);
    const Outputs both = decimate(by, joined({left, std::vector<float>(hole, missing), right}), 5);
    const Outputs alone_left = decimate(by, left, 5);
    const Outputs alone_right = decimate(by, right, 5 + left.size() + hole);
    CAPTURE(factor);
    REQUIRE(both.values.size() > alone_left.values.size() + alone_right.values.size());
    // The last output of the left side may lack samples that the run alone does not have either, and then is missing in both.
    CHECK(same_bits(std::span(both.values).first(alone_left.values.size()), alone_left.values));
    CHECK(same_bits(std::span(both.values).last(alone_right.values.size()), alone_right.values));
    std::ptrdiff_t between = 0;
    for (size_t n = alone_left.values.size(); n < both.values.size() - alone_right.values.size(); ++n)
      between += std::isnan(both.values[n]) ? 0 : 1;
    CHECK(between <= 1);  // one that stands for as many samples in the hole as before it
    CHECK(both.values.size() == (5 + left.size() + hole + right.size() - 1) / factor - 4 / factor);
  }
}

TEST_CASE("decimation: runs with no valid sample, or none at the beginning") {
  for (const uint32_t factor : {2U, 5U, 200U}) {
    const Outputs none = decimate(factor, std::vector<float>(10'000, missing), 1);
    CHECK(none.values.size() == 10'000 / factor);
    CHECK(std::all_of(none.values.begin(), none.values.end(), [](float y) { return std::isnan(y); }));
    const std::vector<float> samples = noise(5000, 4);
    const Outputs late = decimate(factor, joined({std::vector<float>(1000, missing), samples}), 0);
    const Outputs alone = decimate(factor, samples, 1000);
    REQUIRE(late.values.size() == alone.values.size() + 1000 / factor);
    CHECK(same_bits(std::span(late.values).last(alone.values.size()), alone.values));
  }
}

TEST_CASE("decimation: missing outputs of a long hole are given while it lasts") {
  Decimator by = decimator(20);
  by.begin(0, 1);
  std::vector<float> values;
  by.add(std::vector<float>(2000, 1.0F), values);
  for (size_t k = 0; k < 500; ++k) {
    by.add(std::vector<float>(20, missing), values);
    CHECK(by.next_sample_id() + by.delay() + 20 > 2000 + 20 * (k + 1));
    CHECK(values.size() * 20 + by.delay() + 20 > 2000 + 20 * (k + 1));
  }
}

TEST_CASE("decimation: all instruction sets give the same bits, and these are the ones they always gave") {
  struct Known {
    uint32_t factor;
    uint32_t crc;
  };
  for (const Known known : {Known{2, 0x887794C6}, Known{5, 0x389D2494}, Known{10, 0x437D315F}, Known{25, 0x0E0B54A4},
                            Known{200, 0x6CFEC527}, Known{1000, 0xAFA41868}}) {
    std::vector<float> samples = noise(50'000, 99);
    std::fill_n(samples.begin() + 20'000, 333, missing);
    for (const InstructionSet set : available_instruction_sets()) {
      Decimator by = decimator(known.factor, set);
      const Outputs outputs = decimate(by, samples, 77);
      CAPTURE(known.factor);
      CAPTURE(to_string(set));
      CHECK(crc32c(std::as_bytes(std::span(outputs.values))) == known.crc);
    }
  }
}

TEST_CASE("decimation: nothing is allocated once a decimator is made") {
  for (const uint32_t factor : some_factors) {
    Decimator by = decimator(factor);
    std::vector<float> samples = noise(100'000, 5);
    std::fill_n(samples.begin() + 30'000, 40'000, missing);
    for (size_t k = 80'000; k < 90'000; k += 3) samples[k] = missing;
    std::vector<float> values;
    values.reserve(samples.size());
    const uint64_t before = allocation_count();
    for (uint64_t run = 0; run < 3; ++run) {
      values.clear();
      by.begin(run, 1);
      by.add(samples, values);
      by.finish(values);
    }
    CHECK(allocation_count() == before);
  }
}
