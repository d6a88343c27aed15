// Pages that no writer wrote.
#include <doctest/doctest.h>

#include <random>

#include "agent/codec/pages.h"
#include "agent/codec/parts.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::available_instruction_sets;
using joulespool::Errc;
using joulespool::InstructionSet;
using joulespool::Status;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;

// The parts of pages, none of them compressed.
struct Parts {
  ByteWriter heads, escapes, symbols, low;
  uint8_t present = 1;

  Bytes bytes() {
    ByteWriter out;
    for (ByteWriter* part : {&heads, &escapes}) put(out, *part);
    out.u8(present);
    if ((present & 1) != 0) put(out, symbols);
    out.varint(low.size() / 4);
    out.bytes(low.view());
    return {out.view().begin(), out.view().end()};
  }
  static void put(ByteWriter& out, const ByteWriter& part) {
    out.varint(part.size());
    if (part.size() > 0) out.varint(0);
    out.bytes(part.view());
  }
  void head(unsigned predictor, unsigned as, unsigned where, int64_t base) {
    heads.u8(static_cast<uint8_t>(predictor | as << 3));
    if (as != 0) heads.u8(static_cast<uint8_t>(where));
    heads.zigzag(base);
  }
};

struct Read {
  Status status;
  std::vector<int32_t> integers;
};

Read read(ByteView bytes, size_t count, InstructionSet set = InstructionSet::scalar) {
  static Decompressor decompressor;
  PageReader reader(kernels(set));
  ByteReader from(bytes);
  Read out{{}, std::vector<int32_t>(count)};
  out.status = reader.open(from, count, decompressor);
  if (!out.status) return out;
  out.status = reader.read(out.integers.data(), count);
  if (out.status && (!reader.finished() || from.left() > 0)) out.status = joulespool::Error{Errc::damaged, "left over"};
  return out;
}

// A page of `count` bytes with symbol 0 each.
Parts plain(size_t count) {
  Parts parts;
  for (size_t k = 0; k < count; ++k) parts.symbols.u8(128);
  parts.escapes.varint(0);
  return parts;
}

}  // namespace

TEST_CASE("hostile pages: a page as FORMAT-wave.md draws it is read") {
  Parts parts = plain(100);
  parts.head(1, 4, 0, -5);
  const Read page = read(parts.bytes(), 100);
  REQUIRE_MESSAGE(page.status.ok(), page.status.error().message);
  CHECK(page.integers == std::vector<int32_t>(100, -5));
}

TEST_CASE("hostile pages: every first byte of a head, with every second one, is a page or damage") {
  size_t read_well = 0;
  for (unsigned first = 0; first < 256; ++first)
    for (unsigned where = 0; where < 256; ++where) {
      Parts parts = plain(100);
      parts.heads.u8(static_cast<uint8_t>(first));
      parts.heads.u8(static_cast<uint8_t>(where));
      for (int k = 0; k < 3; ++k) parts.heads.u8(0);
      for (size_t word = 0; word < packed_words(100, where & 31); ++word) parts.low.u32(0xFFFFFFFF);
      const Read page = read(parts.bytes(), 100);
      if (page.status) ++read_well;
      else CHECK(page.status.error().code == Errc::damaged);
      const bool known = (first & 7) <= 4 && first >> 3 <= 4;
      if (!known || (first >> 3 != 0 && (where & 31) > page_shift_max)) CHECK_FALSE(page.status.ok());
    }
  CHECK(read_well == 0);  // two bytes are always left over
}

TEST_CASE("hostile pages: bases and coefficients beyond all limits wrap around or are refused") {
  for (const int64_t base : {INT64_MIN, INT64_MAX, int64_t{1} << 32, int64_t{INT32_MIN}, int64_t{-1}}) {
    Parts parts = plain(10);
    parts.head(0, 4, 0, base);
    const Read page = read(parts.bytes(), 10);
    REQUIRE(page.status.ok());
    CHECK(page.integers == std::vector<int32_t>(10, static_cast<int32_t>(static_cast<uint64_t>(base))));
  }
  for (unsigned order = 0; order < 256; ++order) {
    Parts parts = plain(100);
    parts.head(4, 4, 0, 77);
    parts.heads.u8(static_cast<uint8_t>(order));
    for (unsigned m = 0; m < order; ++m) parts.heads.zigzag(m % 2 == 0 ? 32767 : -32768);
    CHECK(read(parts.bytes(), 100).status.ok() == (order <= linear_order_max));
  }
  for (const int64_t coefficient : {int64_t{32768}, int64_t{-32769}, INT64_MAX, INT64_MIN}) {
    Parts parts = plain(100);
    parts.head(4, 4, 0, 77);
    parts.heads.u8(1);
    parts.heads.zigzag(coefficient);
    CHECK_FALSE(read(parts.bytes(), 100).status.ok());
  }
}

TEST_CASE("hostile pages: the largest coefficients and steps give the same integers with every instruction set") {
  std::mt19937_64 random(joulespool::test::first_seed());
  for (int turn = 0; turn < 200; ++turn) {
    Parts parts;
    const size_t count = 1 + random() % page_samples_max;
    const auto predictor = static_cast<unsigned>(random() % 5),
               shift = turn % 2 == 0 ? 24U : static_cast<unsigned>(random() % 25);
    parts.head(predictor, 4, shift, static_cast<int64_t>(random()));
    if (predictor == 4) parts.heads.u8(16);
    for (int m = 0; predictor == 4 && m < 16; ++m) parts.heads.zigzag(random() % 2 == 0 ? -32768 : 32767);
    for (size_t k = 0; k < count; ++k) parts.symbols.u8(static_cast<uint8_t>(random()));
    for (size_t word = 0; shift > 0 && word < packed_words(count, shift); ++word) parts.low.u32(static_cast<uint32_t>(random()));
    for (size_t at = 0; at + 100 < count; at += 100) {
      parts.escapes.varint(100);
      parts.escapes.zigzag(static_cast<int32_t>(random()));
    }
    parts.escapes.varint(0);
    const Bytes bytes = parts.bytes();
    const Read expected = read(bytes, count);
    REQUIRE_MESSAGE(expected.status.ok(), expected.status.error().message);
    for (const InstructionSet set : available_instruction_sets()) REQUIRE(read(bytes, count, set).integers == expected.integers);
  }
}

TEST_CASE("hostile pages: escapes outside their page, without an end, or in excess are refused") {
  const auto with_escapes = [](std::initializer_list<uint64_t> numbers) {
    Parts parts = plain(100);
    parts.head(0, 4, 0, 0);
    parts.escapes.clear();
    for (const uint64_t number : numbers) parts.escapes.varint(number);
    return read(parts.bytes(), 100).status;
  };
  CHECK(with_escapes({0}).ok());
  CHECK(with_escapes({1, 7, 99, 7, 0}).ok());
  CHECK(with_escapes({100, 7, 0}).ok());
  CHECK(with_escapes({1, UINT32_MAX, 0}).ok());  // INT32_MIN
  CHECK_FALSE(with_escapes({1, uint64_t{UINT32_MAX} + 1, 0}).ok());
  CHECK_FALSE(with_escapes({1, UINT64_MAX, 0}).ok());
  CHECK_FALSE(with_escapes({101, 7, 0}).ok());
  CHECK_FALSE(with_escapes({100, 7, 1, 7, 0}).ok());
  CHECK_FALSE(with_escapes({UINT64_MAX, 7, 0}).ok());
  CHECK_FALSE(with_escapes({50, 7}).ok());
  CHECK_FALSE(with_escapes({50}).ok());
  CHECK_FALSE(with_escapes({}).ok());
  CHECK_FALSE(with_escapes({0, 0}).ok());
}

TEST_CASE("hostile pages: symbols and low bits that are too few or too many are refused") {
  for (const unsigned as : {1U, 2U, 3U, 4U})
    for (const int more : {-16, -1, 0, 1, 16}) {
      Parts parts;
      parts.head(0, as, 0, 0);
      parts.escapes.varint(0);
      const auto size = static_cast<int>(symbol_count(static_cast<SymbolClass>(as), 100)) + more;
      for (int k = 0; k < size; ++k) parts.symbols.u8(255);
      CHECK(read(parts.bytes(), 100).status.ok() == (more == 0));
    }
  for (const unsigned shift : {1U, 13U, 24U})
    for (const int more : {-8, -1, 0, 1, 8}) {
      Parts parts = plain(100);
      parts.head(0, 4, shift, 0);
      for (int word = 0; word < static_cast<int>(packed_words(100, shift)) + more; ++word) parts.low.u32(1);
      CHECK(read(parts.bytes(), 100).status.ok() == (more == 0));
    }
  Parts none = plain(100);
  none.head(0, 4, 0, 0);
  none.present = 0;
  CHECK_FALSE(read(none.bytes(), 100).status.ok());
  Parts other = plain(100);
  other.head(0, 4, 7U << 5, 0);  // of a stream that is not there
  CHECK_FALSE(read(other.bytes(), 100).status.ok());
}

TEST_CASE("hostile pages: parts larger than their samples can need, and every cut, are refused") {
  Parts parts = plain(100);
  parts.head(1, 4, 3, -5);
  for (size_t word = 0; word < packed_words(100, 3); ++word) parts.low.u32(1);
  const Bytes bytes = parts.bytes();
  REQUIRE(read(bytes, 100).status.ok());
  for (size_t size = 0; size < bytes.size(); ++size)
    REQUIRE(read(ByteView(bytes).first(size), 100).status.error().code == Errc::damaged);
  for (const size_t samples : {size_t{1}, size_t{10}, size_t{99}, size_t{101}, size_t{4096}})
    CHECK_FALSE(read(bytes, samples).status.ok());
  ByteWriter out;
  for (int part = 0; part < 3; ++part) {
    out.clear();
    for (int before = 0; before < part; ++before) out.varint(0);
    if (part == 2) out.u8(1);
    out.varint(uint64_t{1} << 40);
    CHECK_FALSE(read(out.view(), 100).status.ok());
  }
  out.clear();
  out.varint(0);
  out.varint(0);
  out.u8(0);
  out.varint(UINT64_MAX);  // words of low bits
  CHECK_FALSE(read(out.view(), 100).status.ok());
}

TEST_CASE("hostile pages: random bytes are pages or damage") {
  std::mt19937_64 random(joulespool::test::first_seed());
  for (int turn = 0; turn < 5000; ++turn) {
    Parts parts = plain(64);
    for (ByteWriter* part : {&parts.heads, &parts.escapes, &parts.symbols, &parts.low})
      for (uint64_t size = random() % 24; size > 0; --size)
        part->u8(static_cast<uint8_t>(random() % (random() % 2 == 0 ? 40 : 256)));
    parts.low.shrink(parts.low.size() / 4 * 4);
    (void)read(parts.bytes(), 64);
  }
}
