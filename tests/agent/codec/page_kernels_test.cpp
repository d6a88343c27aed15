// Kernels between integers, residuals, symbols and packed bits.
#include <doctest/doctest.h>

#include "agent/codec/pages.h"
#include "tests/support/kernel_arrays.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::available_instruction_sets;
using joulespool::InstructionSet;
using joulespool::test::check_alike;
using joulespool::test::Guarded;
using joulespool::test::kernel_lengths;
using joulespool::test::NastyNumbers;
using joulespool::test::Trace;

constexpr Predictor predictors[] = {Predictor::centre, Predictor::delta, Predictor::delta2, Predictor::mean8, Predictor::linear};
constexpr unsigned shifts = page_shift_max + 1;

// A page's integers after its history.
Guarded<int32_t> with_history(const std::vector<int32_t>& integers, int32_t base) {
  Guarded<int32_t> all(predictor_history + integers.size());
  std::fill_n(all.data(), predictor_history, base);
  std::copy(integers.begin(), integers.end(), all.data() + predictor_history);
  return all;
}

// As FORMAT-wave.md defines it, modulo 2^32.
int32_t plain_residual(Predictor predictor, const int32_t* at, int32_t base, const LinearPrediction& linear) {
  const auto u = [at](ptrdiff_t back) { return static_cast<uint32_t>(at[-back]); };
  const auto step = [&](ptrdiff_t back) { return int64_t{static_cast<int32_t>(u(back) - u(back + 1))}; };
  uint32_t predicted = static_cast<uint32_t>(base);
  if (predictor == Predictor::delta) predicted = u(1);
  if (predictor == Predictor::delta2) predicted = 2 * u(1) - u(2);
  if (predictor == Predictor::mean8) {
    uint32_t eight = 0;
    for (ptrdiff_t back = 1; back <= 8; ++back) eight += u(back);
    predicted = static_cast<uint32_t>(static_cast<int32_t>(eight) >> 3);
  }
  if (predictor == Predictor::linear) {
    int64_t sum = 1 << (linear_shift - 1);
    for (size_t m = 0; m < linear.order; ++m) sum += linear.coefficients[m] * step(static_cast<ptrdiff_t>(m) + 1);
    predicted = u(1) + static_cast<uint32_t>(sum >> linear_shift);
  }
  return static_cast<int32_t>(u(0) - predicted);
}

void check_predictor(Predictor predictor, const std::vector<int32_t>& integers, int32_t base, const LinearPrediction& linear) {
  const auto history = with_history(integers, base);
  const int32_t* first = history.data() + predictor_history;
  check_alike([&](const Kernels& of, Trace& trace) {
    Guarded<int32_t> residual(integers.size());
    of.residuals(predictor, first, residual.data(), integers.size(), base, linear);
    trace.add(residual);
    trace.add(of.cost(predictor, first, integers.size(), base, linear));
    Guarded<int32_t> back(residual.values());
    of.integrate(predictor, back.data(), integers.size(), base, linear);
    trace.add(back);
    REQUIRE(back.values() == integers);
  });
}

struct Symbols {
  SymbolClass as;
  size_t (*Kernels::*to)(const int32_t*, size_t, uint8_t*);
  void (*Kernels::*from)(const uint8_t*, size_t, int32_t*);
  int32_t low, high;
};
const Symbols symbol_kernels[] = {{SymbolClass::quads, &Kernels::to_quads, &Kernels::from_quads, -2, 1},
                                  {SymbolClass::triples, &Kernels::to_triples, &Kernels::from_triples, -3, 2},
                                  {SymbolClass::pairs, &Kernels::to_pairs, &Kernels::from_pairs, -8, 7}};

}  // namespace

TEST_CASE("kernels: residuals of every predictor are those of the definition, and integrate undoes them") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(page_samples_max))
    for (unsigned kind = 0; kind < NastyNumbers::integer_kinds; ++kind)
      for (const Predictor predictor : predictors) {
        CAPTURE(length);
        CAPTURE(kind);
        CAPTURE(static_cast<int>(predictor));
        if (length > page_samples_max) continue;
        const auto integers = nasty.integers(length, kind);
        check_predictor(predictor, integers, nasty.integers(1, kind)[0],
                        nasty.linear(nasty.below(linear_order_max + 1), kind == 1));
      }
}

TEST_CASE("kernels: linear predictions of every order, with the largest coefficients and steps, are exact") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (size_t order = 0; order <= linear_order_max; ++order)
    for (const bool extreme : {false, true})
      for (unsigned kind = 0; kind < 2; ++kind) {
        CAPTURE(order);
        const auto linear = nasty.linear(order, extreme);
        const auto integers = nasty.integers(300, kind);
        const int32_t base = integers[0];
        check_predictor(Predictor::linear, integers, base, linear);
        const auto history = with_history(integers, base);
        std::vector<int32_t> residual(integers.size());
        kernels(InstructionSet::scalar)
            .residuals(Predictor::linear, history.data() + predictor_history, residual.data(), 300, base, linear);
        for (size_t at = 0; at < integers.size(); ++at)
          REQUIRE(residual[at] == plain_residual(Predictor::linear, history.data() + predictor_history + at, base, linear));
      }
}

TEST_CASE("kernels: residuals of the simple predictors are those of the definition") {
  NastyNumbers nasty(3);
  for (const Predictor predictor : predictors)
    for (unsigned kind = 0; kind < NastyNumbers::integer_kinds; ++kind) {
      const auto integers = nasty.integers(500, kind);
      const int32_t base = nasty.integers(1, 0)[0];
      const auto history = with_history(integers, base);
      const auto linear = nasty.linear(5, false);
      std::vector<int32_t> residual(integers.size());
      kernels(InstructionSet::scalar)
          .residuals(predictor, history.data() + predictor_history, residual.data(), 500, base, linear);
      for (size_t at = 0; at < integers.size(); ++at)
        REQUIRE(residual[at] == plain_residual(predictor, history.data() + predictor_history + at, base, linear));
    }
}

TEST_CASE("kernels: means, spreads, autocorrelations and what lies outside are alike") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(page_samples_max))
    for (unsigned kind = 0; kind < NastyNumbers::integer_kinds; ++kind) {
      if (length > page_samples_max) continue;
      const Guarded<int32_t> numbers(nasty.integers(length, kind));
      const uint32_t limits[] = {1, 2, 3, 8, 128, 128U << nasty.below(24)};
      CAPTURE(length);
      CAPTURE(kind);
      check_alike([&](const Kernels& of, Trace& trace) {
        if (length > 0) trace.add(of.mean(numbers.data(), length));
        Guarded<float> lags(linear_order_max + 1);
        of.autocorrelation(numbers.data(), length, lags.data());
        trace.add(lags);
        Guarded<uint32_t> outside(4);
        trace.add(of.spread(numbers.data(), length, outside.data()));
        trace.add(outside);
        trace.add(of.any(numbers.data(), length));
        for (const uint32_t limit : limits) {
          Guarded<uint16_t> positions(length, 1);
          const size_t found = of.find_outside(numbers.data(), length, limit, positions.data());
          std::vector<uint16_t> expected;
          for (size_t at = 0; at < length; ++at)
            if (numbers.data()[at] < -static_cast<int64_t>(limit) || numbers.data()[at] >= static_cast<int64_t>(limit))
              expected.push_back(static_cast<uint16_t>(at));
          REQUIRE(std::vector<uint16_t>(positions.data(), positions.data() + found) == expected);
          REQUIRE(positions.intact());
        }
      });
    }
}

TEST_CASE("kernels: the mean of a short page, the spread of a page and the bits of any number are what they say") {
  const Kernels& of = kernels(InstructionSet::scalar);
  const std::vector<int32_t> numbers = {-9, -8, -3, -2, 0, 1, 2, 7, 8, 1 << 20};
  uint32_t outside[4] = {};
  CHECK(of.mean(numbers.data(), 9) == doctest::Approx(-4.0 / 9));
  CHECK(of.spread(numbers.data(), numbers.size(), outside) == numbers.size());
  CHECK(outside[1] == 7);
  CHECK(outside[2] == 5);
  CHECK(outside[3] == 3);
  CHECK(of.any(numbers.data() + 4, 2) == 1);
  CHECK(of.any(numbers.data(), 0) == 0);
  CHECK(of.cost(Predictor::centre, numbers.data(), 0, 0, {}) == 0);
}

TEST_CASE("kernels: symbols of several residuals a byte are alike, count their escapes, and go back") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths())
    for (unsigned kind = 0; kind < NastyNumbers::integer_kinds; ++kind)
      for (const Symbols& of_class : symbol_kernels) {
        auto residuals = nasty.integers(length, kind);
        if (kind == 5)  // none escapes
          for (int32_t& one : residuals) one = std::clamp(one, of_class.low, of_class.high);
        const Guarded<int32_t> given(residuals);
        const auto fits = [&](int32_t one) { return one >= of_class.low && one <= of_class.high; };
        const size_t size = symbol_count(of_class.as, length);
        CAPTURE(length);
        CAPTURE(kind);
        check_alike([&](const Kernels& of, Trace& trace) {
          Guarded<uint8_t> symbols(size);
          Guarded<int32_t> back(length);
          const size_t escapes = (of.*of_class.to)(given.data(), length, symbols.data());
          REQUIRE(escapes == length - static_cast<size_t>(std::count_if(residuals.begin(), residuals.end(), fits)));
          trace.add(symbols);
          (of.*of_class.from)(symbols.data(), length, back.data());
          trace.add(back);
          for (size_t at = 0; at < length; ++at) REQUIRE(back.data()[at] == (fits(residuals[at]) ? residuals[at] : 0));
          for (size_t at = 0; at < size; ++at)
            symbols.data()[at] = static_cast<uint8_t>(at * 37 + length);  // any bytes are residuals
          (of.*of_class.from)(symbols.data(), length, back.data());
          trace.add(back);
        });
      }
}

TEST_CASE("kernels: symbols of one byte and raw low bits are alike with every shift, count their escapes, and go back") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths())
    for (unsigned shift = 0; shift < shifts; ++shift) {
      auto residuals = nasty.integers(length, nasty.below(NastyNumbers::integer_kinds));
      const int32_t limit = static_cast<int32_t>(127U << shift);
      if (shift % 2 == 1)  // none escapes
        for (int32_t& one : residuals) one = std::clamp(one, -limit, limit);
      const Guarded<int32_t> given(residuals);
      CAPTURE(length);
      CAPTURE(shift);
      check_alike([&](const Kernels& of, Trace& trace) {
        Guarded<uint8_t> symbols(length);
        Guarded<uint32_t> low(length);
        Guarded<int32_t> back(length);
        size_t expected = 0;
        trace.add(of.to_bytes(given.data(), length, shift, symbols.data()));
        trace.add(symbols);
        for (size_t at = 0; at < length; ++at) low.data()[at] = static_cast<uint32_t>(residuals[at]) & ((1U << shift) - 1);
        of.from_bytes(symbols.data(), length, shift, low.data(), back.data());
        trace.add(back);
        for (size_t at = 0; at < length; ++at) {
          const int32_t symbol = residuals[at] >> shift;
          const bool fits = symbol >= -128 && symbol <= 127;
          expected += fits ? 0U : 1U;
          REQUIRE(symbols.data()[at] == (fits ? symbol + 128 : 128));
          if (fits) REQUIRE(back.data()[at] == residuals[at]);
        }
        REQUIRE(of.to_bytes(given.data(), length, shift, symbols.data()) == expected);
      });
    }
}

TEST_CASE("kernels: packed low bits are alike for every width, go back, and need as many words as packed_words says") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths()) {
    if (length == 0) continue;  // pages have at least one sample
    for (unsigned bits = 1; bits <= page_shift_max; ++bits) {
      const Guarded<int32_t> numbers(nasty.integers(length, nasty.below(2) == 0 ? 0 : 5));
      CAPTURE(length);
      CAPTURE(bits);
      check_alike([&](const Kernels& of, Trace& trace) {
        Guarded<uint32_t> packed(packed_words(length, bits)), back(length);
        of.pack(numbers.data(), length, bits, packed.data());
        trace.add(packed);
        of.unpack(packed.data(), length, bits, back.data());
        trace.add(back);
        for (size_t at = 0; at < length; ++at)
          REQUIRE(back.data()[at] == (static_cast<uint32_t>(numbers.data()[at]) & ((1U << bits) - 1)));
      });
    }
  }
}
