// Frames that are seldom, and once were wrong.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "agent/codec/samples.h"
#include "tests/agent/codec/same_bits.h"
#include "tests/bench/profiles.h"

namespace {

using namespace joulespool::codec;
namespace bench = joulespool::bench;
using joulespool::test::same_bits;
using joulespool::wire::Bytes;

void check_there_and_back(const SampleRun& run) {
  SampleEncoder encoder;
  const auto decoded = decode_samples(encoder.encode(run), codec_2, run.i.size());
  REQUIRE_MESSAGE(decoded.ok(), decoded.error().message);
  CHECK(same_bits(decoded->i, run.i));
  CHECK(same_bits(decoded->v, run.v));
  if (!run.p.empty()) CHECK(same_bits(decoded->p, run.p));
  REQUIRE(decoded->packed.size() == run.packed.size());
  for (size_t at = 0; at < run.packed.size(); ++at)
    CHECK(std::equal(decoded->packed[at].data.begin(), decoded->packed[at].data.end(), run.packed[at].data.begin(),
                     run.packed[at].data.end()));
}

// A current on a converter's lattice around `mean`.
std::vector<float> on_lattice(double offset, double step, double mean, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(mean / step - offset, 1.5);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>((std::round(noise(random)) + offset) * step);
  return values;
}

}  // namespace

TEST_CASE("codec: every power of two alone comes back") {
  const std::vector<float> v(100, 1.0F);
  for (int exponent = -149; exponent <= 127; ++exponent)
    for (const float sign : {1.0F, -1.0F}) {
      CAPTURE(exponent);
      std::vector<float> i(100, std::ldexp(sign, exponent));
      check_there_and_back({i, v, {}, {}});
      i[50] = 0;
      check_there_and_back({i, v, i, {}});
    }
}

TEST_CASE("codec: a range in several pieces, or said twice, comes back") {
  const std::vector<float> i(200, 1.0F), v(200, 1.0F);
  Bytes one(100, std::byte{0x11}), two(100, std::byte{0x21}), half(50, std::byte{0x43});
  for (const uint8_t signal : {uint8_t{4}, uint8_t{5}}) {
    const PackedSignal twice[] = {{signal, 4, 0, 1, 200, one}, {signal, 4, 0, 1, 200, two}};
    check_there_and_back({i, v, {}, twice});
    const PackedSignal later[] = {{signal, 4, 0, 1, 200, one}, {signal, 4, 200, 1, 100, half}};
    check_there_and_back({i, v, {}, later});
    const PackedSignal first[] = {{signal, 4, 0, 2, 100, half}, {signal, 4, 0, 1, 200, two}};
    check_there_and_back({i, v, {}, first});
  }
}

TEST_CASE("codec: power through lattices comes back even where a signal is better off without its pages") {
  constexpr size_t count = 65'536, quiet = 16'384, period = 5000;
  std::mt19937 random(1);
  std::vector<float> block(period), i(count), v(count), p(count);
  for (float& one : block) one = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0xBF7FFFFF);
  for (size_t at = 0; at < count; ++at) {
    const double i_exact = (static_cast<double>(5000 + random() % 20) + 13.123456789) * 1.23456789123e-5,
                 v_exact = (static_cast<double>(3000 + random() % 20) - 100.98765) * 0.00123456789;
    v[at] = static_cast<float>(v_exact);
    i[at] = at < quiet ? static_cast<float>(i_exact) : block[at % period];
    p[at] = at < quiet ? static_cast<float>(i_exact * v_exact) : product(i[at], v[at]);
  }
  check_there_and_back({i, v, p, {}});
  check_there_and_back({v, i, p, {}});
}

TEST_CASE("codec: after a finer range, a coarser one takes about as many bytes as alone, also without a signal of the range") {
  constexpr size_t count = 16'384;
  const std::vector<float> v = on_lattice(-300.123456, 0.95012345e-3, 3.3, count, 1);
  const struct {
    double offset, step, mean;
  } ranges[] = {{-2000.1234567, 0.6812345e-3, 3.0}, {-2001.234567, 164.12345e-6, 0.5}, {-2002.345678, 14.612345e-6, 0.1},
                {-1999.87654, 1.4912345e-6, 0.01},  {-2003.456, 150.98765e-9, 1e-3},   {-2004.567, 15.2345678e-9, 1e-4},
                {-2005.678, 1.49712345e-9, 1e-5}};
  for (const auto& before : ranges)
    for (const auto& after : ranges) {
      if (&before == &after) continue;
      CAPTURE(before.mean);
      CAPTURE(after.mean);
      const auto first = on_lattice(before.offset, before.step, before.mean, count, 2),
                 second = on_lattice(after.offset, after.step, after.mean, count, 3);
      SampleEncoder fresh, used;
      const size_t alone = fresh.encode({second, v, {}, {}}).size();
      used.encode({first, v, {}, {}});
      CHECK(used.encode({second, v, {}, {}}).size() <= alone + alone / 20);
    }
}

TEST_CASE("codec: a calibration that no frame may carry is as good as none") {
  constexpr size_t count = 5000;
  const std::vector<float> i = on_lattice(-2000.1234567, 0.6812345e-3, 3.0, count, 1),
                           v = on_lattice(-300.123456, 0.95012345e-3, 3.3, count, 2);
  Bytes packed(count / 2);
  std::fill_n(packed.begin() + 1000, 50, std::byte{0x11});  // few samples of another range, which has no lattice of its own
  const PackedSignal range[] = {{4, 4, 0, 1, count, packed}, {5, 4, 0, 1, count, packed}};
  SampleEncoder untold;
  const auto expected = untold.encode({i, v, {}, range});
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [offset, step] : {std::pair{0.0, -1e-3},
                                     {0.0, nan},
                                     {nan, 1e-3},
                                     {infinity, 1e-3},
                                     {-infinity, 1e-3},
                                     {0.0, infinity},
                                     {0x1p54, 1e-3},
                                     {-0x1p54, 1e-3},
                                     {0.0, 0x1p130}}) {
    CAPTURE(offset);
    CAPTURE(step);
    SampleEncoder told;
    for (uint8_t k = 0; k < 2; ++k) {
      told.know_current(k, offset, step);
      told.know_voltage(k, offset, step);
    }
    const auto payload = told.encode({i, v, {}, range});
    CHECK(std::equal(payload.begin(), payload.end(), expected.begin(), expected.end()));
    CHECK(decode_samples(payload, codec_2, count).ok());
  }
}

TEST_CASE("codec: a calibration that is known gives power exactly from the first frame on; a wrong one is replaced") {
  const bench::Recording made = bench::make_recording(bench::Model::js110, bench::Profile::ranges, 5, 65'536);
  Bytes packed(made.range.size() / 2);
  for (size_t k = 0; k < packed.size(); ++k) packed[k] = static_cast<std::byte>(made.range[2 * k] | made.range[2 * k + 1] << 4);
  const PackedSignal range{4, 4, 0, 1, made.range.size(), packed};
  const SampleRun run{made.i, made.v, made.p, std::span(&range, 1)};
  SampleEncoder fitted, known, misled;
  for (uint8_t k = 0; k < bench::range_count; ++k) {
    known.know_current(k, made.i_lattice[k].offset, made.i_lattice[k].gain);
    misled.know_current(k, made.i_lattice[k].offset, made.i_lattice[k].gain * 1.5);
  }
  known.know_voltage(0, made.v_lattice.offset, made.v_lattice.gain);
  const size_t with_fit = fitted.encode(run).size(), with_knowledge = known.encode(run).size();
  CHECK(with_knowledge <= with_fit);
  CHECK(static_cast<double>(misled.encode(run).size()) <= 1.02 * static_cast<double>(with_fit));
  for (SampleEncoder* encoder : {&fitted, &known, &misled}) {
    const auto decoded = decode_samples(encoder->encode(run), codec_2, made.i.size());
    REQUIRE(decoded.ok());
    CHECK(same_bits(decoded->i, made.i));
    CHECK(same_bits(decoded->p, made.p));
  }
}
