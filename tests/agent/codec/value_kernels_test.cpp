// Kernels between floats and integers.
#include <doctest/doctest.h>

#include <cmath>

#include "agent/codec/signal_pages.h"
#include "tests/agent/codec/same_bits.h"
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
using joulespool::test::same_bits;
using joulespool::test::Trace;

constexpr size_t beyond_a_page = 5000;

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

// Makes values what grid_index wants: finite, and below 2^31 when scaled.
std::vector<float> for_grid(std::vector<float> values, float scale) {
  for (float& value : values)
    if (!std::isfinite(value) || !(std::fabs(static_cast<double>(value) * static_cast<double>(scale)) < 0x1p31))
      value = 0.5F / scale;
  return values;
}

const Lattice lattices[] = {
    {-2000.123456789, 1.4901234567891e-6}, {8191.5, 0.68e-3}, {0, 0x1p-20}, {1e9, 3.3e-12}, {0.25, -1e-3}, {0, 0}};

}  // namespace

TEST_CASE("kernels: lattice indices and values are the same bits with every instruction set, for any floats") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(beyond_a_page))
    for (unsigned kind = 0; kind < NastyNumbers::float_kinds; ++kind) {
      const Guarded<float> x(nasty.floats(length, kind));
      const Guarded<int32_t> numbers(nasty.integers(length, kind));
      for (const Lattice lattice : lattices) {
        CAPTURE(length);
        CAPTURE(kind);
        check_alike([&](const Kernels& of, Trace& trace) {
          Guarded<float> values(length);
          of.lattice_value(numbers.data(), values.data(), length, lattice);
          trace.add(values);
          if (lattice.step == 0) return;
          Guarded<int32_t> index(length);
          trace.add(of.lattice_index(x.data(), index.data(), length, lattice));
          trace.add(index);
        });
      }
    }
}

TEST_CASE("kernels: lattice_index returns 0 exactly if lattice_value gives every value back") {
  NastyNumbers nasty(1);
  for (const InstructionSet set : available_instruction_sets()) {
    const Kernels& of = kernels(set);
    for (const size_t length : kernel_lengths()) {
      std::vector<float> x(length), back(length);
      std::vector<int32_t> index(length);
      for (const Lattice lattice : {lattices[0], lattices[1]}) {
        for (float& value : x) value = static_cast<float>((nasty.below(16384) + lattice.offset) * lattice.step);
        REQUIRE(of.lattice_index(x.data(), index.data(), length, lattice) == 0);
        of.lattice_value(index.data(), back.data(), length, lattice);
        REQUIRE(same_bits(x, back));
        if (length == 0) continue;
        for (const uint32_t bits : {0x80000000U, 0x7FC12345U, 0xFF800000U, 0x00000001U, bits_of(x[length / 2]) ^ 1U}) {
          auto wrong = x;
          wrong[nasty.below(static_cast<uint32_t>(length))] = std::bit_cast<float>(bits);
          REQUIRE(of.lattice_index(wrong.data(), index.data(), length, lattice) != 0);
        }
      }
    }
  }
}

TEST_CASE("kernels: grid indices and values are the same bits with every instruction set") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(beyond_a_page))
    for (unsigned kind = 0; kind < NastyNumbers::float_kinds; ++kind)
      for (const int scale : {grid_scale_min, -97, -30, 0, 20, 31, 100, grid_scale_max}) {
        const float up = std::ldexp(1.0F, scale), down = std::ldexp(1.0F, -scale);
        const Guarded<float> x(for_grid(nasty.floats(length, kind), up));
        const Guarded<int32_t> numbers(nasty.integers(length, kind));
        CAPTURE(length);
        CAPTURE(scale);
        check_alike([&](const Kernels& of, Trace& trace) {
          Guarded<int32_t> index(length);
          Guarded<float> values(length);
          uint32_t used = 0;
          trace.add(of.grid_index(x.data(), index.data(), length, up, down, &used));
          trace.add(used);
          trace.add(index);
          of.grid_value(numbers.data(), values.data(), length, down);
          trace.add(values);
        });
      }
}

TEST_CASE("kernels: grid_index reproduces what is on the grid, and tells which bits it used") {
  NastyNumbers nasty(2);
  for (const InstructionSet set : available_instruction_sets())
    for (const size_t length : kernel_lengths()) {
      if (length == 0) continue;
      const Kernels& of = kernels(set);
      std::vector<float> x(length), back(length);
      std::vector<int32_t> index(length);
      for (float& value : x) value = static_cast<float>(static_cast<int32_t>(nasty.below(1 << 24)) - (1 << 23)) * 0x1p-31F;
      uint32_t used = 0, expected = 0;
      REQUIRE(of.grid_index(x.data(), index.data(), length, 0x1p31F, 0x1p-31F, &used) == 0);
      for (const int32_t one : index) expected |= static_cast<uint32_t>(one);
      REQUIRE(used == expected);
      of.grid_value(index.data(), back.data(), length, 0x1p-31F);
      REQUIRE(same_bits(x, back));
      x[length - 1] = 0x1p-32F;
      REQUIRE(of.grid_index(x.data(), index.data(), length, 0x1p31F, 0x1p-31F, &used) != 0);
      x[length - 1] = -0.0F;
      REQUIRE(of.grid_index(x.data(), index.data(), length, 0x1p31F, 0x1p-31F, &used) != 0);
    }
}

TEST_CASE("kernels: the order of floats, magnitudes, shifts, differences and shuffled bytes are alike, and go back") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(beyond_a_page))
    for (unsigned kind = 0; kind < NastyNumbers::float_kinds; ++kind) {
      const Guarded<float> x(nasty.floats(length, kind)), y(nasty.floats(length, nasty.below(2) == 0 ? kind : 0));
      const auto shift = nasty.below(32);
      CAPTURE(length);
      CAPTURE(kind);
      check_alike([&](const Kernels& of, Trace& trace) {
        Guarded<int32_t> index(length), difference(length);
        Guarded<float> back(length);
        Guarded<uint8_t> planes(4 * length);
        Guarded<uint32_t> words(length);
        trace.add(of.magnitude(x.data(), length));
        of.order_index(x.data(), index.data(), length);
        trace.add(index);
        of.order_value(index.data(), back.data(), length);
        trace.add(back);
        REQUIRE(same_bits(back.values(), x.values()));
        of.shift_right(index.data(), length, shift);
        trace.add(index);
        trace.add(of.difference(x.data(), y.data(), difference.data(), length));
        trace.add(difference);
        of.shuffle(reinterpret_cast<const uint32_t*>(x.data()), length, planes.data());
        trace.add(planes);
        of.unshuffle(planes.data(), length, words.data());
        trace.add(words);
        for (size_t at = 0; at < length; ++at) REQUIRE(words.data()[at] == bits_of(x.data()[at]));
      });
    }
}

TEST_CASE("kernels: what is unlike is marked alike, and NaNs are not counted") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(beyond_a_page))
    for (unsigned kind = 0; kind < NastyNumbers::float_kinds; ++kind) {
      const std::vector<float> b = nasty.floats(length, kind);
      std::vector<float> a = nasty.floats(length, kind);
      for (size_t at = 0; at < length; ++at)
        if (nasty.below(3) > 0) a[at] = b[at];
      const Guarded<float> guarded_a(a), guarded_b(b);
      CAPTURE(length);
      CAPTURE(kind);
      check_alike([&](const Kernels& of, Trace& trace) {
        Guarded<uint8_t> marks(length);
        size_t numbers = 0;
        const size_t counted = of.unlike(guarded_a.data(), guarded_b.data(), marks.data(), length);
        trace.add(marks);
        for (size_t at = 0; at < length; ++at) {
          const bool differs = bits_of(a[at]) != bits_of(b[at]);
          REQUIRE(marks.data()[at] == (differs ? 1 : 0));
          numbers += differs && !std::isnan(b[at]) ? 1U : 0U;
        }
        REQUIRE(counted == numbers);
      });
    }
}

TEST_CASE("kernels: order_index has the order of the floats, magnitude finds what is not finite, difference counts") {
  const Kernels& of = kernels(InstructionSet::scalar);
  const std::vector<float> rising = {-std::numeric_limits<float>::infinity(),
                                     -3e38F,
                                     -1.0F,
                                     -1e-45F,
                                     -0.0F,
                                     0.0F,
                                     1e-45F,
                                     1e-38F,
                                     1.0F,
                                     std::nextafter(1.0F, 2.0F),
                                     3e38F,
                                     std::numeric_limits<float>::infinity()};
  std::vector<int32_t> index(rising.size());
  of.order_index(rising.data(), index.data(), rising.size());
  CHECK(std::is_sorted(index.begin(), index.end()));
  CHECK(std::adjacent_find(index.begin(), index.end()) == index.end());
  CHECK(of.magnitude(rising.data(), 0) == 0);
  CHECK(of.magnitude(rising.data() + 1, rising.size() - 2) < 0x7F800000);
  CHECK(of.magnitude(rising.data(), 1) == 0x7F800000);
  std::vector<float> other = rising;
  other[3] = other[5] = 7;
  CHECK(of.difference(rising.data(), other.data(), index.data(), rising.size()) == 2);
  CHECK(index[5] == static_cast<int32_t>(0U - bits_of(7.0F)));
}

TEST_CASE("kernels: products are the same bits with every instruction set, a NaN is always the same one") {
  NastyNumbers nasty(joulespool::test::first_seed());
  for (const size_t length : kernel_lengths(beyond_a_page))
    for (unsigned kind = 0; kind < NastyNumbers::float_kinds; ++kind) {
      const Guarded<float> i(nasty.floats(length, kind)), v(nasty.floats(length, nasty.below(NastyNumbers::float_kinds)));
      const Guarded<int32_t> i_index(nasty.integers(length, kind)), v_index(nasty.integers(length, 0));
      CAPTURE(length);
      CAPTURE(kind);
      check_alike([&](const Kernels& of, Trace& trace) {
        Guarded<float> p(length);
        of.product(i.data(), v.data(), p.data(), length);
        trace.add(p);
        for (size_t at = 0; at < length; ++at) {
          const float expected = i.data()[at] * v.data()[at];
          REQUIRE(bits_of(p.data()[at]) == (std::isnan(expected) ? 0x7FC00000U : bits_of(expected)));
        }
        size_t missed = 0;
        std::vector<float> given = p.values();
        for (size_t at = 0; at < length; ++at)
          if (at % 3 == 1 || std::isnan(given[at])) {
            if (at % 6 == 1) given[at] = v.data()[at];
            missed += std::isnan(given[at]) || bits_of(given[at]) != bits_of(p.data()[at]) ? 1U : 0U;
          }
        REQUIRE(of.product_misses(i.data(), v.data(), given.data(), length) == missed);
        for (const Lattice& lattice : lattices) {
          of.lattice_product(i_index.data(), lattices[0], v_index.data(), lattice, p.data(), length);
          trace.add(p);
        }
      });
    }
}
