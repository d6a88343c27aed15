// Calibration found from values: fit_lattice, DistinctValues, LatticeBook.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "agent/codec/lattice_book.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using Floats = std::vector<float>;

float at(const Lattice& lattice, double index) { return static_cast<float>((index + lattice.offset) * lattice.step); }

class Made {
 public:
  explicit Made(uint64_t seed) : random_(seed) {}
  double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }
  uint64_t below(uint64_t limit) { return random_() % limit; }
  double normal() { return normal_(random_); }
  // With all 17 digits of both numbers; a converter of 14 bits around its zero. Not near a power of two: from a few values, known
  // to 1 in 512 only, that is a grid.
  Lattice lattice(double codes) {
    int exponent = 0;
    double step = 0, mantissa = 0.5;
    while (mantissa < 0.505 || mantissa > 0.995)
      mantissa = std::frexp(step = std::exp(between(std::log(1e-9), std::log(1e-2))), &exponent);
    return {between(-codes, 0), step};
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

Floats values_of(const Lattice& lattice, const std::set<int>& codes) {
  Floats values;
  for (const int code : codes) values.push_back(at(lattice, code));
  return values;
}

std::set<int> all_codes(int first, int count) {
  std::set<int> codes;
  for (int code = first; code < first + count; ++code) codes.insert(codes.end(), code);
  return codes;
}

bool gives_back(const Lattice& lattice, const Floats& values) {
  const Kernels& of = kernels(joulespool::InstructionSet::scalar);
  std::vector<int32_t> index(values.size());
  return of.lattice_index(values.data(), index.data(), values.size(), lattice) == 0;
}

double share_given_back(const Lattice& lattice, const Floats& values) {
  const Kernels& of = kernels(joulespool::InstructionSet::scalar);
  int32_t index = 0;
  size_t good = 0;
  for (const float& value : values) good += of.lattice_index(&value, &index, 1, lattice) == 0 ? 1U : 0U;
  return static_cast<double>(good) / static_cast<double>(values.size());
}

// A frame's values, each a few times, in any order.
Floats seen(Made& made, const Floats& values, size_t count) {
  Floats all;
  while (all.size() < count) all.push_back(values[made.below(values.size())]);
  return all;
}

bool fit(LatticeBook& book, uint8_t range, const Floats& values) {
  const std::span<const float> half = std::span(values).first(values.size() / 2);
  const std::span<const float> pieces[] = {half, std::span(values).subspan(half.size())};
  return book.fit(range, pieces);
}

}  // namespace

TEST_CASE("lattice: any calibration is found from 2 to 16384 neighbouring codes, so that every value comes back") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(60);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    Made made(seed);
    for (const int count : {2, 3, 5, 10, 40, 300, 2000, 16384}) {
      const Lattice truth = made.lattice(16384);
      const Floats values =
          values_of(truth, all_codes(static_cast<int>(made.below(static_cast<uint64_t>(16385 - count))), count));
      CAPTURE(count);
      CAPTURE(truth.offset);
      CAPTURE(truth.step);
      const auto found = fit_lattice(values);
      REQUIRE(found.has_value());
      REQUIRE(gives_back(*found, values));
      CHECK(found->step == doctest::Approx(truth.step).epsilon(1e-2));
    }
  }
}

TEST_CASE("lattice: any calibration is found from codes with holes, as long as two are neighbours and no hole is wide") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(100);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    Made made(seed);
    const Lattice truth = made.lattice(16384);
    const int middle = static_cast<int>(1000 + made.below(14000));
    std::set<int> codes = {middle, middle + 1};
    const double spread = std::exp(made.between(0, 3.7));  // of a few codes' values the step is known to 1 in 512 only
    for (uint64_t left = made.below(3000); left > 0; --left)
      codes.insert(std::clamp(static_cast<int>(std::lround(middle + spread * made.normal())), 0, 16383));
    const Floats values = values_of(truth, codes);
    CAPTURE(codes.size());
    const auto found = fit_lattice(values);
    REQUIRE(found.has_value());
    REQUIRE(gives_back(*found, values));
  }
}

TEST_CASE("lattice: a calibration found from many codes gives nearly all codes between them, too") {
  Made made(5);
  for (int turn = 0; turn < 40; ++turn) {
    const Lattice truth = made.lattice(16384);
    std::set<int> half = {0, 1, 16382, 16383};
    for (int code = 0; code < 16384; ++code)
      if (made.below(2) == 0) half.insert(code);
    const auto found = fit_lattice(values_of(truth, half));
    REQUIRE(found.has_value());
    CHECK(share_given_back(*found, values_of(truth, all_codes(0, 16384))) > 0.999);
  }
}

TEST_CASE("lattice: there is none in noise, in power-of-two grids, in steps that floats hardly resolve, nor in a value alone") {
  Made made(joulespool::test::first_seed());
  for (int turn = 0; turn < 300; ++turn) {
    const double level = made.between(-10, 10), noise = std::exp(made.between(-12, 2));
    std::set<float> distinct;
    for (uint64_t left = 12 + made.below(3000); left > 0; --left)
      distinct.insert(static_cast<float>(level + noise * made.normal()));
    CHECK_FALSE(fit_lattice(Floats(distinct.begin(), distinct.end())).has_value());
  }
  for (const int scale : {-3, 0, 10, 31, 60})
    for (const int count : {2, 10, 1000}) {
      Floats grid;
      for (int k = -count / 2; k < count; ++k) grid.push_back(std::ldexp(static_cast<float>(3 * k + 1), -scale));
      Floats dense;
      for (int k = -count / 2; k < count; ++k) dense.push_back(std::ldexp(static_cast<float>(k) + 0.25F, -scale));
      CHECK_FALSE(fit_lattice(dense).has_value());
      CHECK(fit_lattice(grid).has_value());  // but 3 of them are a step like any other
    }
  Floats narrow;
  for (int k = 0; k < 100; ++k) narrow.push_back(1.0F + static_cast<float>(5 * k) * 0x1p-23F);
  CHECK_FALSE(fit_lattice(narrow).has_value());
  CHECK_FALSE(fit_lattice({}).has_value());
  CHECK_FALSE(fit_lattice(Floats{1.5F}).has_value());
}

TEST_CASE("lattice: a calibration with 0, or a value next to it, among its codes is found") {
  for (const double offset : {0.0, -50.0, -2000.0, -8192.0, -3225.999993, -2000.0000001})
    for (const double step : {1e-3, 1.4901e-6, 4.79393337724e-05})
      for (const int around : {1, 10, 1000}) {
        const int zero = static_cast<int>(std::lround(-offset));
        const Floats values = values_of({offset, step}, all_codes(zero - around, 2 * around));
        CAPTURE(offset);
        CAPTURE(around);
        const auto found = fit_lattice(values);
        REQUIRE(found.has_value());
        CHECK(gives_back(*found, values));
      }
}

TEST_CASE("lattice: extreme values are no reason to fail") {
  constexpr float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  for (const Floats& values :
       {Floats{-most, most}, Floats{-most, 0, most}, Floats{0, least}, Floats{-least, 0, least}, Floats{1e-38F, 3e38F},
        Floats{-0.0F, 0.0F}, Floats{-0.0F, 0.0F, 1.0F}, Floats{-most, -1, -least, least, 1, most}}) {
    const auto found = fit_lattice(values);
    if (found) CHECK(gives_back(*found, values));
  }
}

TEST_CASE("lattice: distinct values are counted by their bits, without what is not finite, and up to a limit") {
  DistinctValues distinct;
  distinct.clear(10);
  const Floats some = {3, 1, 3, -0.0F, 0.0F, std::numeric_limits<float>::infinity(), std::bit_cast<float>(0x7FC00001U), 3, 1};
  REQUIRE(distinct.add(some));
  CHECK(distinct.seen() == 7);
  Floats listed = {9};
  distinct.list(1, listed);
  CHECK(listed.size() == 5);  // with both zeros, after what was there
  CHECK(std::is_sorted(listed.begin() + 1, listed.end()));
  listed.clear();
  distinct.list(2, listed);
  CHECK(listed == Floats{1, 3});
  listed.clear();
  distinct.list(3, listed);
  CHECK(listed == Floats{3});

  Floats many;
  for (uint32_t k = 0; k < DistinctValues::distinct_max; ++k) many.push_back(std::bit_cast<float>(0x3F800000U + 7 * k));
  distinct.clear(2 * many.size());
  CHECK(distinct.add(many));
  CHECK(distinct.add(many));
  CHECK_FALSE(distinct.add(Floats{-1}));
  listed.clear();
  distinct.list(2, listed);
  CHECK(listed == many);
}

TEST_CASE("lattice book: a range's lattice is found in spite of a driver's interpolation, and kept") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(40);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    Made made(seed);
    LatticeBook book;
    const Lattice truth = made.lattice(16384);
    const Floats codes = values_of(truth, all_codes(5000, 30));
    Floats values = seen(made, codes, 10'000);
    for (int strange = 0; strange < 40; ++strange)  // each once
      values[made.below(values.size())] = at(truth, made.between(4000 + 100 * strange, 4100 + 100 * strange));
    values[17] = std::numeric_limits<float>::quiet_NaN();
    book.begin_frame();
    CHECK(book.of(3) == nullptr);
    REQUIRE(fit(book, 3, values));
    REQUIRE(book.of(3) != nullptr);
    CHECK(gives_back(*book.of(3), codes));
    CHECK(std::is_sorted(book.values(3).begin(), book.values(3).end()));
    CHECK(book.of(2) == nullptr);
    book.begin_frame();
    CHECK(book.of(3) != nullptr);
  }
}

TEST_CASE("lattice book: a drift shows new codes, and the lattice then gives these back, and all that it was fitted to before") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(40);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    Made made(seed);
    LatticeBook book;
    const Lattice truth = made.lattice(16384);
    Floats fitted;
    for (int first_code = 1000; first_code < 15'000; first_code += 700) {
      const Floats codes = values_of(truth, all_codes(first_code, 25));
      book.begin_frame();
      if (book.of(0) == nullptr || !gives_back(*book.of(0), codes)) {
        REQUIRE(fit(book, 0, seen(made, codes, 5000)));
        fitted.insert(fitted.end(), codes.begin(), codes.end());
      }
      REQUIRE(gives_back(*book.of(0), codes));
      REQUIRE(gives_back(*book.of(0), fitted));
    }
  }
}

TEST_CASE("lattice book: a new calibration of the instrument replaces one that no longer fits") {
  Made made(9);
  LatticeBook book;
  for (int life = 0; life < 5; ++life) {
    const Lattice truth{made.between(-8000, -7000), 1.5e-6 * made.between(0.95, 1.05)};
    const Floats codes = values_of(truth, all_codes(3000 + 100 * life, 60));
    CAPTURE(life);
    book.begin_frame();
    REQUIRE(fit(book, 1, seen(made, codes, 5000)));
    CHECK(gives_back(*book.of(1), codes));
  }
}

TEST_CASE("lattice book: once a frame, and after failures with pauses that grow, but not for ever") {
  Made made(10);
  LatticeBook book;
  Floats noise;
  for (int k = 0; k < 2000; ++k) noise.push_back(static_cast<float>(made.normal()));
  std::vector<int> pauses;
  int waited = 0;
  for (int frame = 0; frame < 1000; ++frame) {
    book.begin_frame();
    if (!book.may_fit(0)) {
      CHECK_FALSE(fit(book, 0, noise));
      ++waited;
      continue;
    }
    pauses.push_back(waited);
    waited = 0;
    CHECK_FALSE(fit(book, 0, noise));
    CHECK_FALSE(book.may_fit(0));
    CHECK(book.may_fit(1));  // each range for itself
  }
  REQUIRE(pauses.size() > 5);
  CHECK(pauses[0] == 0);
  CHECK(pauses[1] >= 1);
  CHECK(pauses[2] > pauses[1]);
  CHECK(std::is_sorted(pauses.begin(), pauses.end()));
  CHECK(pauses.back() >= 64);
  CHECK(pauses.back() == pauses[pauses.size() - 2]);
  CHECK(book.of(0) == nullptr);
}

TEST_CASE("lattice book: a success ends the pauses") {
  Made made(11);
  LatticeBook book;
  Floats noise;
  for (int k = 0; k < 2000; ++k) noise.push_back(static_cast<float>(made.normal()));
  const Floats codes = values_of(made.lattice(16384), all_codes(100, 50));
  int frame = 0;
  for (; frame < 20; ++frame) {
    book.begin_frame();
    fit(book, 0, noise);
  }
  for (; !book.may_fit(0) && frame < 400; ++frame) book.begin_frame();
  REQUIRE(frame < 400);
  REQUIRE(fit(book, 0, seen(made, codes, 3000)));
  book.begin_frame();
  REQUIRE(book.may_fit(0));
  CHECK_FALSE(fit(book, 0, noise));
  int pause = 0;
  for (book.begin_frame(); !book.may_fit(0); book.begin_frame()) ++pause;
  CHECK(pause >= 1);
  CHECK(pause <= 4);                      // as after the first failure, not after many
  CHECK(gives_back(*book.of(0), codes));  // failures do not forget
}

TEST_CASE("lattice book: values that any lattice must meet are added in order, each once") {
  Made made(12);
  LatticeBook book;
  const Lattice truth = made.lattice(16384);
  const Floats codes = values_of(truth, all_codes(100, 50));
  book.begin_frame();
  REQUIRE(fit(book, 0, seen(made, codes, 3000)));
  const size_t before = book.values(0).size();
  book.add_values(0, Floats{at(truth, 400), at(truth, 20), at(truth, 120), at(truth, 400)});
  CHECK(book.values(0).size() == before + 2);
  CHECK(std::is_sorted(book.values(0).begin(), book.values(0).end()));
  const Lattice better{truth.offset, truth.step};
  book.replace(0, better);
  CHECK(*book.of(0) == better);
}
