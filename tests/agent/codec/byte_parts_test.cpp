// Bytes, zstd frames and the parts of sections.
#include <doctest/doctest.h>

#include <limits>
#include <random>

#include "agent/codec/parts.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::Errc;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Bytes random_bytes(size_t size, uint64_t seed, unsigned alphabet = 256) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % alphabet);
  return bytes;
}

std::vector<uint64_t> edge_numbers() {
  std::vector<uint64_t> numbers = {0, UINT64_MAX};
  for (unsigned bit = 0; bit < 64; ++bit)
    for (const uint64_t less : {uint64_t{1}, uint64_t{0}}) numbers.push_back((uint64_t{1} << bit) - less);
  return numbers;
}

ByteView view(const ByteWriter& writer) { return writer.view(); }

}  // namespace

TEST_CASE("bytes: integers and varints of every length come back, and a cut anywhere is noticed") {
  for (const uint64_t number : edge_numbers()) {
    CAPTURE(number);
    ByteWriter out;
    out.u8(static_cast<uint8_t>(number));
    out.u32(static_cast<uint32_t>(number));
    out.u64(number);
    out.varint(number);
    out.zigzag(static_cast<int64_t>(number));
    for (size_t size = 0; size <= out.size(); ++size) {
      ByteReader from(out.view().first(size));
      const bool same = from.u8() == static_cast<uint8_t>(number) && from.u32() == static_cast<uint32_t>(number) &&
                        from.u64() == number && from.varint() == number && from.zigzag() == static_cast<int64_t>(number);
      CHECK(from.ok() == (size == out.size()));
      if (size == out.size()) CHECK(same);
      if (size < out.size()) {
        CHECK(from.left() == 0);
        CHECK(from.varint() == 0);
        CHECK(from.bytes(1).empty());
      }
    }
  }
}

TEST_CASE("bytes: integers are little-endian, numbers near 0 of either sign take one byte") {
  ByteWriter out;
  out.u32(0x04030201);
  out.u64(0x0C0B0A0908070605);
  out.varint(300);
  for (const int64_t number : {0, -1, 1, -64, 63}) out.zigzag(number);
  const auto expected = bytes_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xAC, 2, 0, 1, 2, 127, 126});
  CHECK(Bytes(view(out).begin(), view(out).end()) == expected);
}

TEST_CASE("bytes: varints of more than 64 bits are refused, for good") {
  for (const auto& hostile :
       {bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 7}),
        bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 7}),
        bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 7}), bytes_of({0x80}), Bytes{}}) {
    ByteReader from(hostile);
    CHECK(from.varint() == 0);
    CHECK_FALSE(from.ok());
    CHECK(from.left() == 0);
    CHECK(from.u8() == 0);
    CHECK_FALSE(from.ok());
  }
  const auto longest = bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01});
  ByteReader from(longest);
  CHECK(from.varint() == UINT64_MAX);
  CHECK(from.ok());
  const auto padded = bytes_of({0x81, 0x80, 0x00});  // longer than needed, but a number
  ByteReader other(padded);
  CHECK(other.varint() == 1);
  CHECK(other.ok());
}

TEST_CASE("bytes: a number that does not fit its type fails, and reads as 0") {
  for (const int64_t number :
       {int64_t{0}, int64_t{-1}, int64_t{127}, int64_t{-128}, int64_t{128}, int64_t{-129}, INT64_MAX, INT64_MIN}) {
    CAPTURE(number);
    ByteWriter out;
    out.zigzag(number);
    out.u8(5);
    ByteReader from(out.view());
    const bool fits = number >= -128 && number <= 127;
    CHECK(from.zigzag_of<int8_t>() == (fits ? number : 0));
    CHECK(from.ok() == fits);
    CHECK(from.u8() == (fits ? 5 : 0));
  }
}

TEST_CASE("bytes: a size beyond the end takes nothing and spoils the reader") {
  const Bytes three(3);
  for (const size_t size : {size_t{4}, SIZE_MAX, SIZE_MAX - 2}) {
    ByteReader from(three);
    CHECK(from.bytes(size).empty());
    CHECK_FALSE(from.ok());
  }
  ByteReader from(three);
  CHECK(from.bytes(0).empty());
  CHECK(from.bytes(3).size() == 3);
  CHECK(from.ok());
}

TEST_CASE("bytes: a writer keeps what it has when it grows, and room can be given back") {
  ByteWriter out;
  const Bytes some = random_bytes(1000, 1);
  for (const std::byte byte : some) out.u8(static_cast<uint8_t>(byte));
  std::byte* room = out.extend(50);
  std::fill_n(room, 50, std::byte{9});
  out.shrink(1010);
  out.bytes({});
  out.bytes(some);
  CHECK(out.size() == 2010);
  CHECK(std::equal(some.begin(), some.end(), out.view().begin()));
  CHECK(out.view()[1009] == std::byte{9});
  CHECK(std::equal(some.begin(), some.end(), out.view().begin() + 1010));
  out.clear();
  CHECK(out.view().empty());
}

TEST_CASE("zstd: what gets smaller comes back, what does not is not appended") {
  Compressor compressor;
  Decompressor decompressor;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{65536}, size_t{1} << 20, size_t{4} << 20})
    for (const unsigned alphabet : {1U, 2U, 17U, 256U}) {
      CAPTURE(size);
      CAPTURE(alphabet);
      const Bytes bytes = random_bytes(size, size + alphabet, alphabet);
      ByteWriter out;
      out.u8(77);
      const size_t appended = compressor.append(out, bytes, bytes.size());
      CHECK(out.size() == 1 + appended);
      if (appended == 0) continue;
      CHECK(appended < size);
      Bytes back(size);
      REQUIRE(decompressor.decompress(out.view().subspan(1), back).ok());
      CHECK(back == bytes);
      CHECK(compressor.append(out, bytes, appended) == 0);  // not below the limit
      CHECK(out.size() == 1 + appended);
    }
  ByteWriter out;
  CHECK(compressor.append(out, random_bytes(5000, 1), 5000) == 0);
  CHECK(compressor.append(out, random_bytes(5000, 1, 4), 5000) > 0);
}

TEST_CASE("zstd: a frame that is cut, changed or of another size is damage, not a crash") {
  Compressor compressor;
  Decompressor decompressor;
  const Bytes bytes = random_bytes(3000, 2, 5);
  ByteWriter out;
  REQUIRE(compressor.append(out, bytes, bytes.size()) > 0);
  Bytes back(bytes.size());
  for (size_t size = 0; size < out.size(); ++size)
    REQUIRE(decompressor.decompress(out.view().first(size), back).error().code == Errc::damaged);
  for (const size_t size : {size_t{0}, bytes.size() - 1, bytes.size() + 1}) {
    Bytes other(size);
    CHECK(decompressor.decompress(out.view(), other).error().code == Errc::damaged);
  }
  std::mt19937_64 random(joulespool::test::first_seed());
  for (int turn = 0; turn < 3000; ++turn) {
    Bytes changed(out.view().begin(), out.view().end());
    for (uint64_t edits = 1 + random() % 3; edits-- > 0;) changed[random() % changed.size()] = static_cast<std::byte>(random());
    (void)decompressor.decompress(changed, back);
  }
  REQUIRE(decompressor.decompress(out.view(), back).ok());  // and it still works
  CHECK(back == bytes);
}

TEST_CASE("parts: come back compressed or not, one after the other") {
  Compressor compressor;
  Decompressor decompressor;
  ByteWriter out, scratch;
  const Bytes all[] = {
      {}, random_bytes(1, 1), random_bytes(23, 1, 1), random_bytes(24, 1, 1), random_bytes(5000, 1), random_bytes(5000, 1, 3)};
  for (const Bytes& one : all) put_part(out, one, compressor, scratch);
  ByteReader from(out.view());
  for (const Bytes& one : all) {
    const auto part = take_part(from, one.size());
    REQUIRE(part.ok());
    CHECK(part->size == one.size());
    CHECK(part->compressed == (one.size() == 24 || &one == &all[5]));
    Bytes back(part->size);
    REQUIRE(read_part(*part, back, decompressor).ok());
    CHECK(back == one);
  }
  CHECK(from.left() == 0);
}

TEST_CASE("parts: a cut, a size above the limit and a hostile size are refused before anything is read") {
  Compressor compressor;
  ByteWriter out, scratch;
  put_part(out, random_bytes(200, 3, 2), compressor, scratch);
  for (size_t size = 0; size < out.size(); ++size) {
    ByteReader from(out.view().first(size));
    CHECK(take_part(from, 200).error().code == Errc::damaged);
  }
  ByteReader below(out.view());
  CHECK(take_part(below, 199).error().code == Errc::damaged);
  for (const uint64_t number : {uint64_t{201}, uint64_t{1} << 40, UINT64_MAX}) {
    ByteWriter hostile;
    hostile.varint(number);
    hostile.varint(0);
    ByteReader from(hostile.view());
    CHECK(take_part(from, 200).error().code == Errc::damaged);
    hostile.clear();
    hostile.varint(200);
    hostile.varint(number);  // the compressed size
    ByteReader other(hostile.view());
    CHECK(take_part(other, 200).error().code == Errc::damaged);
  }
}
