#include "agent/codec/pages.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <random>
#include <set>

#include "agent/codec/parts.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::available_instruction_sets;
using joulespool::Errc;
using joulespool::InstructionSet;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;
using Integers = std::vector<int32_t>;
using Pages = std::vector<Integers>;

Bytes write(const Pages& pages, InstructionSet set, bool in_float_order = false) {
  static Compressor compressor;
  PageWriter writer(kernels(set));
  ByteWriter out;
  for (int turn = 0; turn < 2; ++turn) {  // nothing is left of what was before clear()
    writer.clear();
    for (const Integers& page : pages) {
      std::copy(page.begin(), page.end(), writer.integers());
      writer.add(page.size(), in_float_order);
    }
    const size_t before = out.size();
    writer.finish(out, compressor);
    if (turn == 0) out.shrink(before);
  }
  return {out.view().begin(), out.view().end()};
}

size_t samples_of(const Pages& pages) {
  size_t samples = 0;
  for (const Integers& page : pages) samples += page.size();
  return samples;
}

// Reads pages as long as `like`. Error: damaged.
joulespool::Result<Pages> read(ByteView bytes, const Pages& like, InstructionSet set) {
  static Decompressor decompressor;
  PageReader reader(kernels(set));
  ByteReader from(bytes);
  if (auto status = reader.open(from, samples_of(like), decompressor); !status) return status.error();
  Pages pages;
  for (const Integers& page : like) {
    Integers integers(page.size());
    if (auto status = reader.read(integers.data(), page.size()); !status) return status.error();
    pages.push_back(integers);
  }
  if (!reader.finished() || from.left() > 0) return joulespool::Error{Errc::damaged, "something is left over"};
  return pages;
}

// A page's head, as FORMAT-wave.md draws it.
struct Head {
  Predictor predictor;
  SymbolClass as;
  unsigned shift;
  size_t order;
  size_t escapes;
};

Bytes take_bytes(ByteReader& from) {
  Decompressor decompressor;
  const auto part = take_part(from, 1 << 24);
  REQUIRE(part.ok());
  Bytes bytes(part->size);
  REQUIRE(read_part(*part, bytes, decompressor).ok());
  return bytes;
}

std::vector<Head> heads_of(ByteView bytes, size_t pages) {
  ByteReader from(bytes);
  const Bytes head_bytes = take_bytes(from), escape_bytes = take_bytes(from);
  ByteReader heads(head_bytes), escapes(escape_bytes);
  std::vector<Head> all;
  while (all.size() < pages) {
    const uint8_t first = heads.u8();
    Head head{static_cast<Predictor>(first & 7), static_cast<SymbolClass>(first >> 3), 0, 0, 0};
    if (head.as != SymbolClass::zeros) head.shift = heads.u8() & 31;
    heads.zigzag();
    if (head.predictor == Predictor::linear) head.order = heads.u8();
    for (size_t m = 0; m < head.order; ++m) heads.zigzag();
    for (; head.as != SymbolClass::zeros && escapes.varint() != 0; ++head.escapes) escapes.zigzag();
    all.push_back(head);
  }
  CHECK(heads.ok());
  CHECK(heads.left() == 0);
  CHECK(escapes.ok());
  CHECK(escapes.left() == 0);
  return all;
}

std::vector<Head> check_there_and_back(const Pages& pages, bool in_float_order = false) {
  const Bytes bytes = write(pages, InstructionSet::scalar, in_float_order);
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(to_string(set));
    REQUIRE(write(pages, set, in_float_order) == bytes);
    const auto back = read(bytes, pages, set);
    REQUIRE_MESSAGE(back.ok(), back.error().message);
    REQUIRE(*back == pages);
  }
  return heads_of(bytes, pages.size());
}

struct Signals {
  std::mt19937_64 random;
  std::normal_distribution<double> normal_distribution;
  explicit Signals(uint64_t seed) : random(seed) {}
  double normal() { return normal_distribution(random); }
  int32_t uniform(int64_t low, int64_t high) {
    return static_cast<int32_t>(std::uniform_int_distribution<int64_t>(low, high)(random));
  }
  Pages pages(size_t count, const std::function<double(size_t)>& at) {
    Pages all(count, Integers(page_samples_max));
    for (size_t k = 0; k < count * page_samples_max; ++k)
      all[k / page_samples_max][k % page_samples_max] = static_cast<int32_t>(std::floor(at(k) + 0.5));
    return all;
  }
};

}  // namespace

TEST_CASE("pages: each predictor is taken for the signal that it is good at") {
  Signals signals(1);
  double walk = 0, speed = 0;
  const auto predictors_of = [&](const std::function<double(size_t)>& at) {
    std::set<Predictor> taken;
    for (const Head& head : check_there_and_back(signals.pages(6, at))) taken.insert(head.predictor);
    return taken;
  };
  CHECK(predictors_of([&](size_t) { return 1000 + 30 * signals.normal(); }) == std::set{Predictor::centre});
  CHECK(predictors_of([&](size_t) { return walk += 20 * signals.normal(); }) == std::set{Predictor::delta});
  CHECK(predictors_of([&](size_t k) {
          return 3000 * std::sin(static_cast<double>(k) / 20'000) + 2 * signals.normal();
        }).contains(Predictor::mean8));
  walk = 0;
  CHECK(predictors_of([&](size_t) { return walk += speed += 1.2 * signals.normal(); }).contains(Predictor::delta2));
  CHECK(predictors_of([&](size_t k) {
          return 100'000 * std::sin(static_cast<double>(k) * 0.9) + 5 * signals.normal();
        }).contains(Predictor::linear));
}

TEST_CASE("pages: every class of symbols is taken, with and without escapes") {
  Signals signals(2);
  std::set<std::pair<SymbolClass, bool>> taken;
  for (const double noise : {0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.5, 2.2, 3.0, 10.0, 40.0, 300.0})
    for (const uint64_t rare : {uint64_t{0}, uint64_t{2000}})
      for (const Head& head : check_there_and_back(signals.pages(4, [&](size_t) {
             return rare > 0 && signals.random() % rare == 0 ? 1e6 * signals.normal()
                                                             : std::clamp(noise * signals.normal(), -3 * noise, 3 * noise);
           })))
        taken.insert({head.as, head.escapes > 0});
  for (const SymbolClass as : {SymbolClass::quads, SymbolClass::triples, SymbolClass::pairs, SymbolClass::bytes})
    for (const bool escapes : {false, true}) {
      CAPTURE(static_cast<int>(as));
      CAPTURE(escapes);
      CHECK(taken.contains({as, escapes}));
    }
  CHECK(taken.contains({SymbolClass::zeros, false}));
}

TEST_CASE("pages: noise of every width comes back, with as many raw bits as are noise") {
  Signals signals(joulespool::test::first_seed());
  std::set<unsigned> shifts;
  constexpr unsigned rounds = 6;  // which shift a width gets depends on its samples a little
  for (unsigned width = 2 * rounds; width < 33 * rounds; ++width) {
    const int64_t most = (int64_t{1} << (width / rounds - 1)) - 1;
    Pages pages;
    for (const size_t length : {4096U, 4096U, 1000U, 77U, 4096U, 64U, 1U}) {
      pages.emplace_back();
      while (pages.back().size() < length) pages.back().push_back(signals.uniform(-most - 1, most));
    }
    for (const Head& head : check_there_and_back(pages)) shifts.insert(head.shift);
  }
  for (unsigned shift = 0; shift <= page_shift_max; ++shift) {
    CAPTURE(shift);
    CHECK(shifts.contains(shift));
  }
}

TEST_CASE("pages: integers of the full range come back, whatever overflows on the way") {
  Signals signals(joulespool::test::first_seed());
  constexpr int32_t least = std::numeric_limits<int32_t>::min(), most = std::numeric_limits<int32_t>::max();
  const std::function<int32_t(size_t)> signal_of[] = {
      [&](size_t) { return signals.uniform(least, most); },
      [&](size_t) { return signals.random() % 2 == 0 ? least : most; },
      [&](size_t k) { return k % 2 == 0 ? least : most; },
      [&](size_t) { return least; },
      [&](size_t) { return most; },
      [&](size_t k) { return static_cast<int32_t>(static_cast<uint32_t>(k) * 2654435761U); },
      [&](size_t k) { return static_cast<int32_t>(std::sin(static_cast<double>(k) * 0.8) * 2.1e9); },
      [&](size_t k) { return signals.random() % 100 == 0 ? signals.uniform(least, most) : static_cast<int32_t>(k % 7); }};
  for (const auto& signal : signal_of)
    for (const bool in_float_order : {false, true}) {
      Pages pages;
      for (const size_t length : {4096U, 1U, 2U, 100U, 4095U, 4096U, 1025U}) {
        pages.emplace_back();
        while (pages.back().size() < length) pages.back().push_back(signal(pages.back().size()));
      }
      check_there_and_back(pages, in_float_order);
    }
}

TEST_CASE("pages: every length of a page comes back") {
  Signals signals(joulespool::test::first_seed());
  for (size_t length = 1; length <= page_samples_max; ++length) {
    CAPTURE(length);
    const double noise = std::exp(static_cast<double>(length % 21) - 2);
    Pages pages(2);
    for (Integers& page : pages)
      while (page.size() < length) page.push_back(static_cast<int32_t>(noise * signals.normal()) + static_cast<int32_t>(length));
    const InstructionSet set = available_instruction_sets()[length % available_instruction_sets().size()];
    const auto back = read(write(pages, set), pages, set);
    REQUIRE_MESSAGE(back.ok(), back.error().message);
    REQUIRE(*back == pages);
  }
}

TEST_CASE("pages: random mixtures of everything come back, with the same bytes from every instruction set") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(40);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    Signals signals(seed);
    Pages pages(1 + signals.random() % 6);
    for (Integers& page : pages) {
      page.resize(1 + signals.random() % page_samples_max);
      const double noise = std::exp(20 * std::fabs(signals.normal()) / 2 - 1), slope = signals.normal(),
                   period = 1 + 50 * std::fabs(signals.normal());
      const uint64_t way = signals.random() % 4, rare = 1 + signals.random() % 3000;
      double walk = 0;
      for (size_t k = 0; k < page.size(); ++k) {
        const double white = noise * signals.normal();
        walk += white;
        const double value = way == 0   ? white
                             : way == 1 ? walk
                             : way == 2 ? slope * static_cast<double>(k) + white
                                        : 100 * noise * std::sin(static_cast<double>(k) / period) + white;
        page[k] = signals.random() % rare == 0 ? static_cast<int32_t>(signals.random())
                                               : static_cast<int32_t>(std::clamp(value, -2e9, 2e9));
      }
    }
    check_there_and_back(pages, signals.random() % 2 == 0);
  }
}

TEST_CASE("pages: the prediction of a resonance has its coefficients, that of noise has none") {
  Signals signals(3);
  const Kernels& of = kernels(InstructionSet::scalar);
  Integers resonance(page_samples_max);
  for (size_t k = 0; k < resonance.size(); ++k)
    resonance[k] =
        static_cast<int32_t>(1e6 * std::sin(2 * std::numbers::pi * static_cast<double>(k) / 10) + 100 * signals.normal());
  float lags[linear_order_max + 1] = {};
  of.autocorrelation(resonance.data(), resonance.size(), lags);
  const LinearPrediction found = linear_prediction(lags, resonance.size());
  CHECK(found.order >= 2);
  float white[linear_order_max + 1] = {1e6F};
  CHECK(linear_prediction(white, page_samples_max).order == 0);
  float nothing[linear_order_max + 1] = {};
  CHECK(linear_prediction(nothing, page_samples_max).order == 0);
  float impossible[linear_order_max + 1] = {1, 2, -3, 4};
  CHECK(linear_prediction(impossible, page_samples_max).order == 0);
}
