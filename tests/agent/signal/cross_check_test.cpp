#include "agent/signal/cross_check.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace joulespool;
using signal::CrossCheck;
using signal::Disagreement;
using signal::InstrumentSpan;
using signal::SampleSpan;
using signal::SampleSums;
using wire::TimeAxis;

constexpr TimeAxis axis{7, 2'000'000, 2};
constexpr uint64_t span_ticks = 20'000;  // 10,000 samples
constexpr double bound_ppm = 1000;

// A device: samples by their number, and what the instrument makes of any span of them.
struct Device {
  std::vector<float> i, v, p;

  explicit Device(size_t samples, float mean_a = 0.01F, float noise_a = 0.02F) {
    std::mt19937 random(5);
    std::normal_distribution<float> noise(0.0F, noise_a);
    for (size_t at = 0; at < samples; ++at) {
      i.push_back(mean_a + noise(random));
      v.push_back(3.3F);
      p.push_back(i.back() * v.back());
    }
  }
  // The instrument adds up integers and divides by the rate, cutting off.
  [[nodiscard]] InstrumentSpan measure(uint64_t first, uint64_t end) const {
    InstrumentSpan span{first, end, 0, 0};
    for (uint64_t tick = first; tick < end; tick += 2) {
      span.charge += wire::to_units(i[tick / 2]).value;
      span.energy += wire::to_units(p[tick / 2]).value;
    }
    span.charge /= 1'000'000;
    span.energy /= 1'000'000;
    return span;
  }
};

// The way from the device to the check, with the sums that the windows have.
struct Feed {
  const Device& device;
  CrossCheck check;
  SampleSums sums;
  std::vector<Disagreement> told;

  explicit Feed(const Device& of, double ppm = bound_ppm) : device(of), check(ppm) { check.begin(axis); }

  void block(uint64_t first, uint64_t end) {
    const size_t at = first / 2, count = (end - first) / 2;
    const SampleSpan samples{first, 2, std::span(device.i).subspan(at, count), std::span(device.v).subspan(at, count),
                             std::span(device.p).subspan(at, count)};
    if (auto found = check.on_samples(samples, sums)) told.push_back(*found);
    sums.add(signal::summarise(samples));
  }
  void statistics(const InstrumentSpan& span) {
    if (auto found = check.on_statistics(span)) told.push_back(*found);
  }
};

}  // namespace

TEST_CASE("cross-check: spans are equal to our samples however the blocks lie, before or after their statistics") {
  const Device device(200'000);
  for (const uint32_t seed : {1U, 2U, 3U, 4U, 5U}) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Feed feed(device);
    uint64_t tick = 0, span = 0;
    const auto lag = static_cast<int64_t>(random() % 30'000) - 3'000;  // statistics behind their last sample, or ahead of it
    while (tick < 400'000) {
      const uint64_t end = std::min<uint64_t>(400'000, tick + 2 * (1 + random() % 12'000));
      feed.block(tick, end);
      tick = end;
      for (; static_cast<int64_t>(span + span_ticks) + lag <= static_cast<int64_t>(tick) && span + span_ticks <= 400'000;
           span += span_ticks)
        feed.statistics(device.measure(span, span + span_ticks));
    }
    CHECK(feed.told.empty());
    CHECK(feed.check.counts().beyond == 0);
    CHECK(feed.check.counts().skipped <= 3);
    CHECK(feed.check.counts().compared + feed.check.counts().skipped == span / span_ticks);
    CHECK(feed.check.counts().charge_largest == 0);
    CHECK(feed.check.counts().energy_largest == 0);
  }
}

TEST_CASE("cross-check: a span is beyond the bound by what is left after two units") {
  struct Case {
    const char* name;
    float mean_a, noise_a;
    double gain;    // of the instrument against ours
    int64_t units;  // and what it adds
    bool beyond;
  };
  const std::vector<Case> cases = {
      {"equal", 0.01F, 0.02F, 1, 0, false},
      {"two units more", 0.01F, 0.02F, 1, 2, false},
      {"0.05 % off, below the bound", 0.01F, 0.001F, 1.0005, 0, false},
      {"0.2 % off", 0.01F, 0.001F, 1.002, 0, true},
      {"0.2 % less", 0.01F, 0.001F, 0.998, 0, true},
      {"nearly no current, last bits differ", 1e-9F, 1e-9F, 1, 2, false},
      {"no current at all, and the instrument has some", 0, 0, 1, 10, true},
      {"charge flows both ways: the integral is tiny, one sample more is not wrong", 0, 1.0F, 1, 2'000, false},
      {"but much more is", 0, 1.0F, 1, 200'000, true},
      {"all negative", -0.01F, 0.0F, 1.002, 0, true},
  };
  for (const Case& one : cases) {
    CAPTURE(one.name);
    const Device device(40'000, one.mean_a, one.noise_a);
    Feed feed(device);
    for (uint64_t at = 0; at < 3; ++at) {
      InstrumentSpan span = device.measure(at * span_ticks, (at + 1) * span_ticks);
      span.charge = static_cast<int128>(std::llround(static_cast<double>(span.charge) * one.gain)) + one.units;
      span.energy = static_cast<int128>(std::llround(static_cast<double>(span.energy) * one.gain)) + one.units;
      feed.statistics(span);
      feed.block(at * span_ticks, (at + 1) * span_ticks);
    }
    CHECK(feed.check.counts().compared == 3);
    CHECK(feed.check.counts().beyond == (one.beyond ? 3U : 0U));
    CHECK(feed.told.size() == (one.beyond ? 1U : 0U));
  }
}

TEST_CASE("cross-check: what is told has both values") {
  const Device device(20'000);
  Feed feed(device);
  InstrumentSpan wrong = device.measure(0, span_ticks);
  const int128 right_charge = wrong.charge, right_energy = wrong.energy;
  wrong.charge *= 2;
  feed.statistics(wrong);
  feed.block(0, span_ticks);
  REQUIRE(feed.told.size() == 1);
  CHECK(feed.told[0].sample_id_first == 0);
  CHECK(feed.told[0].sample_id_end == span_ticks);
  CHECK((feed.told[0].charge.instrument == wrong.charge));
  CHECK((feed.told[0].charge.own - right_charge <= 1));
  CHECK((right_charge - feed.told[0].charge.own <= 1));
  CHECK((feed.told[0].energy.own - right_energy <= 1));
  CHECK((feed.told[0].energy.instrument == right_energy));
  CHECK(feed.check.counts().charge_last > 0.1);
  CHECK(feed.check.counts().charge_last <= 1);
  CHECK(feed.check.counts().energy_last == 0);
}

TEST_CASE("cross-check: missing samples, NaN and a beginning that was not foreseen are skipped, and counted as that") {
  Device device(100'000);
  device.i[25'000] = std::numeric_limits<float>::quiet_NaN();  // span 2
  device.p[25'000] = device.i[25'000];
  Feed feed(device);
  feed.block(0, 30'000);
  feed.statistics(device.measure(0, span_ticks));  // its beginning is over: skipped
  feed.block(30'000, 70'000);
  feed.statistics(device.measure(span_ticks, 2 * span_ticks));  // so was its beginning
  feed.statistics({2 * span_ticks, 3 * span_ticks, 0, 0});      // NaN
  feed.block(70'000, 90'000);
  feed.statistics({3 * span_ticks, 4 * span_ticks, device.measure(3 * span_ticks, 4 * span_ticks).charge,
                   device.measure(3 * span_ticks, 4 * span_ticks).energy});
  feed.block(90'002, 140'000);  // one sample is missing in span 4
  feed.statistics(device.measure(4 * span_ticks, 5 * span_ticks));
  feed.statistics(device.measure(5 * span_ticks, 6 * span_ticks));
  feed.statistics(device.measure(6 * span_ticks, 7 * span_ticks));
  CHECK(feed.check.counts().skipped == 4);
  CHECK(feed.check.counts().compared == 3);
  CHECK(feed.check.counts().beyond == 0);
}

TEST_CASE("cross-check: a jump of sample_ids inside a span costs this span only, another length of spans only the first two") {
  const Device device(400'000);
  Feed feed(device);
  uint64_t tick = 0, first = 0;
  const auto until = [&](uint64_t end) {  // blocks of 2,000 ticks
    for (; tick < end; tick += 2'000) feed.block(tick, tick + 2'000);
  };
  const auto span = [&](uint64_t length) {
    until((first + length) / 2'000 * 2'000);  // the statistics come a little before the block with the end
    feed.statistics(device.measure(first, first + length));
    first += length;
  };
  for (int at = 0; at < 5; ++at) span(span_ticks);
  CHECK(feed.check.counts().skipped == 1);
  until(104'000);
  tick += 2'000;  // missing; the instrument does not count what is missing, so the span is longer
  span(span_ticks + 2'520);
  for (int at = 0; at < 5; ++at) span(span_ticks);
  for (int at = 0; at < 5; ++at) span(2 * span_ticks);
  until(first + 2'000);
  CHECK(feed.check.counts().skipped == 1 + 1 + 2);
  CHECK(feed.check.counts().compared == 4 + 5 + 3);
  CHECK(feed.check.counts().beyond == 0);
}

TEST_CASE("cross-check: bad spans are told once a minute, until one is well again") {
  const TimeAxis slow{7, 1000, 1};
  const std::vector<float> amps(100, 0.5F), volts(100, 2.0F), watts(100, 1.0F);
  CrossCheck check(bound_ppm);
  check.begin(slow);
  SampleSums sums;
  std::vector<uint64_t> told;
  for (uint64_t second = 0; second < 300; ++second) {
    const bool bad = second != 100;
    for (uint64_t part = 0; part < 10; ++part) {
      const SampleSpan samples{second * 1000 + part * 100, 1, amps, volts, watts};
      check.on_samples(samples, sums);
      sums.add(signal::summarise(samples));
    }
    const int128 charge = (int128{1} << 30) + (bad ? 1'000'000'000 : 0);
    if (check.on_statistics({second * 1000, (second + 1) * 1000, charge, int128{1} << 31})) told.push_back(second);
  }
  CHECK(told == std::vector<uint64_t>{1, 61, 101, 161, 221, 281});
  CHECK(check.counts().compared == 299);
  CHECK(check.counts().beyond == 298);
  CHECK(check.counts().charge_last == doctest::Approx(1e9 / (1 << 30)).epsilon(0.001));
}

TEST_CASE("cross-check: with a bound of 0 nothing is compared") {
  const Device device(20'000);
  Feed feed(device, 0);
  feed.statistics({0, span_ticks, 12345, 0});
  feed.block(0, span_ticks);
  CHECK(feed.told.empty());
  CHECK(feed.check.counts().compared + feed.check.counts().skipped == 0);
}

TEST_CASE("cross-check: a new axis forgets the old one") {
  const Device device(40'000);
  Feed feed(device);
  feed.statistics(device.measure(0, span_ticks));
  feed.block(0, 10'000);
  feed.check.begin({8, 2'000'000, 2});
  feed.sums = {};
  feed.block(0, 2 * span_ticks);
  CHECK(feed.check.counts().skipped == 1);
  feed.statistics(device.measure(span_ticks, 2 * span_ticks));
  CHECK(feed.check.counts().skipped == 2);
  CHECK(feed.check.counts().compared == 0);
}

TEST_CASE("cross-check: a hole of years and spans without end cost no time and no memory") {
  const Device device(40'000);
  Feed feed(device);
  feed.statistics({0, 4, 0, 0});
  feed.block(0, 2000);
  const uint64_t years = uint64_t{1} << 52;
  const SampleSpan later{years, 2, std::span(device.i).first(1000), std::span(device.v).first(1000),
                         std::span(device.p).first(1000)};
  feed.check.on_samples(later, feed.sums);
  for (uint64_t at = 0; at < 100'000; ++at) feed.statistics({years + at * 4, years + at * 4 + 4, 0, 0});
  CHECK(feed.check.counts().skipped > 99'000);
  for (const InstrumentSpan& odd : {InstrumentSpan{5, 5, 0, 0}, InstrumentSpan{9, 3, 0, 0}, InstrumentSpan{0, UINT64_MAX, 0, 0},
                                    InstrumentSpan{UINT64_MAX - 1, UINT64_MAX, int128{1} << 126, -(int128{1} << 126)}})
    feed.statistics(odd);
}

TEST_CASE("cross-check: numbers that no instrument has are a disagreement, not an overflow") {
  const Device device(20'000);
  Feed feed(device);
  feed.statistics({0, span_ticks, (int128{1} << 126), -(int128{1} << 126)});
  feed.block(0, span_ticks);
  CHECK(feed.told.size() == 1);
}
