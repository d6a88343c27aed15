#include "agent/codec/packed_runs.h"

#include <algorithm>
#include <bit>

namespace joulespool::codec {
namespace {

uint64_t word_at(wire::ByteView bytes, size_t byte) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + byte, std::min(sizeof word, bytes.size() - byte));
  return word;
}

uint64_t repeated(uint8_t value, uint8_t bits) { return value * (bits == 4 ? 0x1111111111111111U : ~uint64_t{0}); }

// Elements from `at` on that equal `value`, as far as one word shows; or many words, all of whose elements do.
size_t equal_ahead(wire::ByteView packed, uint8_t bits, size_t at, uint8_t value) {
  const size_t bit = at * bits;
  if (bit % 8 == 0) {
    constexpr size_t block = 64;
    size_t byte = bit / 8;
    for (uint64_t unlike = 0; byte + block <= packed.size(); byte += block) {
      uint64_t words[block / sizeof(uint64_t)];
      std::memcpy(words, packed.data() + byte, block);
      for (const uint64_t word : words) unlike |= word ^ repeated(value, bits);
      if (unlike != 0) break;
    }
    if (byte > bit / 8) return (byte * 8 - bit) / bits;
  }
  const uint64_t unlike = (word_at(packed, bit / 8) ^ repeated(value, bits)) >> (bit % 8);
  const size_t shown = 64 - bit % 8;
  return std::min<size_t>(unlike == 0 ? shown : static_cast<size_t>(std::countr_zero(unlike)), shown) / bits;
}

void fill(std::span<std::byte> packed, uint8_t bits, size_t first, size_t count, uint8_t value) {
  const auto whole = static_cast<std::byte>(repeated(value, bits));
  const size_t begin = first * bits, end = begin + count * bits;
  const auto put = [&](size_t from, size_t to) {  // bits of one byte
    const auto mask = static_cast<std::byte>(((1U << (to - from)) - 1) << (from % 8));
    packed[from / 8] = (packed[from / 8] & ~mask) | (whole & mask);
  };
  const size_t first_whole = (begin + 7) / 8, end_whole = end / 8;
  if (first_whole > end_whole) return put(begin, end);
  if (begin % 8 != 0) put(begin, first_whole * 8);
  std::fill(packed.begin() + static_cast<std::ptrdiff_t>(first_whole), packed.begin() + static_cast<std::ptrdiff_t>(end_whole),
            whole);
  if (end % 8 != 0) put(end_whole * 8, end);
}

}  // namespace

bool find_runs(wire::ByteView packed, uint8_t bits, size_t count, size_t runs_max, std::vector<ElementRun>& runs) {
  runs.clear();
  for (size_t at = 0; at < count;) {
    if (runs.size() == runs_max) return false;
    const auto value = static_cast<uint8_t>(word_at(packed, at * bits / 8) >> (at * bits % 8) & ((1U << bits) - 1));
    size_t end = at;
    for (size_t ahead = 1; ahead > 0 && end < count; end += ahead) ahead = equal_ahead(packed, bits, end, value);
    end = std::min(end, count);
    runs.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(end - at), value});
    at = end;
  }
  return true;
}

void write_runs(ByteWriter& out, uint8_t bits, const std::vector<ElementRun>& runs) {
  if (bits == 1 && !runs.empty()) out.u8(runs.front().value);
  for (const ElementRun& run : runs) {
    if (bits == 4) out.u8(run.value);
    out.varint(run.count);
  }
}

Status read_runs(ByteReader& from, uint8_t bits, size_t count, std::span<std::byte> packed) {
  std::fill(packed.begin(), packed.end(), std::byte{0});
  uint8_t value = bits == 1 && count > 0 ? from.u8() : uint8_t{0};
  for (size_t at = 0; at < count;) {
    if (bits == 4) value = from.u8();
    const uint64_t run = from.varint();
    if (!from.ok() || value >> bits != 0 || run == 0 || run > count - at)
      return Error{Errc::damaged, "a run of elements is impossible"};
    fill(packed, bits, at, run, value);
    at += run;
    if (bits == 1) value ^= 1;
  }
  return {};
}

}  // namespace joulespool::codec
