#include "agent/codec/packed_runs.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::Errc;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;

uint8_t element(ByteView packed, unsigned bits, size_t at) {
  return static_cast<uint8_t>(static_cast<unsigned>(packed[at * bits / 8]) >> (at * bits % 8) & ((1U << bits) - 1));
}

// One element after the other.
std::vector<ElementRun> plain_runs(ByteView packed, unsigned bits, size_t count) {
  std::vector<ElementRun> runs;
  for (size_t at = 0; at < count; ++at) {
    const uint8_t value = element(packed, bits, at);
    if (runs.empty() || runs.back().value != value) runs.push_back({static_cast<uint32_t>(at), 0, value});
    ++runs.back().count;
  }
  return runs;
}

bool same(const std::vector<ElementRun>& a, const std::vector<ElementRun>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ElementRun& x, const ElementRun& y) {
    return x.first == y.first && x.count == y.count && x.value == y.value && x.end() == y.end();
  });
}

// Elements in runs of about `mean` (1: each is random). Bits after the last element are 0.
Bytes elements(std::mt19937_64& random, unsigned bits, size_t count, uint64_t mean) {
  Bytes packed((count * bits + 7) / 8);
  unsigned value = 0;
  for (size_t at = 0; at < count; ++at) {
    if (random() % mean == 0) value = static_cast<unsigned>(random()) & ((1U << bits) - 1);
    packed[at * bits / 8] |= static_cast<std::byte>(value << (at * bits % 8));
  }
  return packed;
}

}  // namespace

TEST_CASE("runs: of elements of every density are those of a plain loop, and come back") {
  std::mt19937_64 random(joulespool::test::first_seed());
  for (const uint8_t bits : {uint8_t{1}, uint8_t{4}})
    for (const uint64_t mean : {1U, 2U, 5U, 30U, 60U, 500U, 3000U, 1000000U})
      for (size_t turn = 0; turn < 60; ++turn) {
        const size_t count = turn < 20 ? turn : random() % (turn < 40 ? 300 : 9000);
        const Bytes packed = elements(random, bits, count, mean);
        CAPTURE(int{bits});
        CAPTURE(mean);
        CAPTURE(count);
        const auto expected = plain_runs(packed, bits, count);
        std::vector<ElementRun> runs;
        REQUIRE(find_runs(packed, bits, count, expected.size(), runs));
        REQUIRE(same(runs, expected));
        if (!expected.empty()) CHECK_FALSE(find_runs(packed, bits, count, expected.size() - 1, runs));
        ByteWriter out;
        write_runs(out, bits, expected);
        Bytes back(packed.size(), std::byte{0xFF});
        ByteReader from(out.view());
        REQUIRE(read_runs(from, bits, count, back).ok());
        CHECK(from.left() == 0);
        REQUIRE(back == packed);
      }
}

TEST_CASE("runs: every single change of an otherwise equal row is found") {
  for (const uint8_t bits : {uint8_t{1}, uint8_t{4}})
    for (const unsigned fill : {0x00U, 0xFFU})
      for (size_t at = 0; at < 1600; ++at) {
        const size_t count = 1600;
        Bytes packed(count * bits / 8, static_cast<std::byte>(fill));
        packed[at * bits / 8] ^= static_cast<std::byte>(1U << (at * bits % 8));
        std::vector<ElementRun> runs;
        REQUIRE(find_runs(packed, bits, count, 3, runs));
        REQUIRE(same(runs, plain_runs(packed, bits, count)));
      }
}

TEST_CASE("runs: a cut anywhere, an empty run, one too long and a value too large are refused") {
  std::mt19937_64 random(4);
  for (const uint8_t bits : {uint8_t{1}, uint8_t{4}}) {
    const size_t count = 700;
    const Bytes packed = elements(random, bits, count, 20);
    std::vector<ElementRun> runs;
    REQUIRE(find_runs(packed, bits, count, count, runs));
    ByteWriter out;
    write_runs(out, bits, runs);
    Bytes back(packed.size());
    for (size_t size = 0; size < out.size(); ++size) {
      ByteReader from(out.view().first(size));
      REQUIRE(read_runs(from, bits, count, back).error().code == Errc::damaged);
    }
    for (const uint64_t length : {uint64_t{0}, uint64_t{count + 1}, UINT64_MAX}) {
      ByteWriter hostile;
      hostile.u8(1);
      hostile.varint(length);
      ByteReader from(hostile.view());
      CHECK(read_runs(from, bits, count, back).error().code == Errc::damaged);
    }
    ByteWriter large;
    large.u8(static_cast<uint8_t>(1U << bits));
    large.varint(count);
    ByteReader from(large.view());
    CHECK(read_runs(from, bits, count, back).error().code == Errc::damaged);
  }
}

TEST_CASE("runs: random bytes are runs or damage, never more than there is room for") {
  std::mt19937_64 random(joulespool::test::first_seed());
  for (int turn = 0; turn < 5000; ++turn) {
    const uint8_t bits = random() % 2 == 0 ? 1 : 4;
    const size_t count = random() % 200;
    Bytes hostile(random() % 40), back((count * bits + 7) / 8);
    for (std::byte& byte : hostile) byte = static_cast<std::byte>(random() % (random() % 2 == 0 ? 16 : 256));
    ByteReader from(hostile);
    if (read_runs(from, bits, count, back).ok() && count * bits % 8 != 0)
      CHECK((static_cast<unsigned>(back.back()) >> (count * bits % 8)) == 0);
  }
}
