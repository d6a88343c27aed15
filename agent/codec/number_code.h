// Unsigned numbers in few bits when most are below some power of two. Layout: FORMAT-stat.md, section 5.
#pragma once

#include "agent/codec/bit_stream.h"
#include "agent/codec/byte_io.h"

namespace joulespool::codec {

constexpr uint8_t k_none = 255;  // all of these numbers are 0, and take no bits
constexpr uint8_t k_max = 63;

// A number in two parts: a class in unary, and bits that tell where it is within the class. Classes 0 to 3 are 2^k wide each;
// from there on each class is as wide as all before it.
struct NumberCode {
  unsigned class_of;
  unsigned bits;
  uint64_t rest;
};
inline NumberCode code_of(uint64_t number, unsigned k) {
  const uint64_t high = number >> k;
  if (high < 4) return {static_cast<unsigned>(high), k, number & ((uint64_t{1} << k) - 1)};
  const auto width = static_cast<unsigned>(std::bit_width(high));
  const unsigned bits = k + width - 1;
  return {width + 1, bits, number & ((uint64_t{1} << bits) - 1)};
}
constexpr unsigned class_max = 65;
// Above 63: no number.
constexpr unsigned bits_of(unsigned class_of, unsigned k) { return class_of < 4 ? k : k + class_of - 2; }
constexpr uint64_t number_of(unsigned class_of, unsigned bits, uint64_t rest) {
  return (class_of < 4 ? uint64_t{class_of} << bits : uint64_t{1} << bits) + rest;
}

// Appends the classes of all numbers, then their bits; k_at(index) is the k of a number.
template <class KAt>
void write_numbers(ByteWriter& out, std::span<const uint64_t> numbers, KAt k_at) {
  size_t class_bits = 0;
  size_t rest_bits = 0;
  for (size_t at = 0; at < numbers.size(); ++at) {
    const uint8_t k = k_at(at);
    if (k == k_none) continue;
    const NumberCode code = code_of(numbers[at], k);
    class_bits += code.class_of + 1;
    rest_bits += code.bits;
  }
  const size_t class_bytes = (class_bits + 7) / 8;
  std::byte* to = out.extend(class_bytes + (rest_bits + 7) / 8);
  BitWriter classes(to);
  BitWriter rests(to + class_bytes);
  for (size_t at = 0; at < numbers.size(); ++at) {
    const uint8_t k = k_at(at);
    if (k == k_none) continue;
    const NumberCode code = code_of(numbers[at], k);
    classes.put_unary(code.class_of);
    rests.put(code.rest, code.bits);
  }
  classes.finish();
  rests.finish();
}

// False: cut off, or a class too high. Every k is at most k_max, or k_none.
template <class KAt>
bool read_numbers(ByteReader& from, std::span<uint64_t> numbers, KAt k_at) {
  BitReader classes(from.rest());
  for (size_t at = 0; at < numbers.size(); ++at) {
    const uint8_t k = k_at(at);
    numbers[at] = k == k_none ? 0 : classes.take_unary(class_max);
    if (k != k_none && bits_of(static_cast<unsigned>(numbers[at]), k) > k_max + 0U) return false;
  }
  if (!classes.ok()) return false;
  from.bytes(classes.bytes_used());
  BitReader rests(from.rest());
  for (size_t at = 0; at < numbers.size(); ++at) {
    const uint8_t k = k_at(at);
    if (k == k_none) continue;
    const auto class_of = static_cast<unsigned>(numbers[at]);
    const unsigned bits = bits_of(class_of, k);
    numbers[at] = number_of(class_of, bits, rests.take(bits));
  }
  if (!rests.ok()) return false;
  from.bytes(rests.bytes_used());
  return true;
}

}  // namespace joulespool::codec
