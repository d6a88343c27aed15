// Bits in bytes, least significant first.
#pragma once

#include <bit>
#include <cstring>

#include "agent/wire/types.h"

namespace joulespool::codec {

// Writes into room that the caller has made: as many bytes as all the bits need.
class BitWriter {
 public:
  explicit BitWriter(std::byte* to) : to_(to) {}
  // The lowest `bits` (0..63) of `value`; those above must be 0.
  void put(uint64_t value, unsigned bits) {
    word_ |= value << fill_;
    fill_ += bits;
    if (fill_ < 64) return;
    std::memcpy(to_, &word_, sizeof word_);  // little-endian like every machine we run on
    to_ += sizeof word_;
    fill_ -= 64;
    word_ = fill_ == 0 ? 0 : value >> (bits - fill_);
  }
  // `zeros` times 0, then 1.
  void put_unary(unsigned zeros) {
    for (; zeros >= 63; zeros -= 63) put(0, 63);
    put(uint64_t{1} << zeros, zeros + 1);
  }
  // The bytes that are not full yet; call it once, at the end.
  void finish() { std::memcpy(to_, &word_, (fill_ + 7) / 8); }

 private:
  std::byte* to_;
  uint64_t word_ = 0;
  unsigned fill_ = 0;  // bits in word_, below 64
};

// Past the end all bits are 0, and ok() is false.
class BitReader {
 public:
  explicit BitReader(wire::ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const { return position_ <= 8 * bytes_.size(); }
  // Bytes that were begun.
  [[nodiscard]] size_t bytes_used() const { return (position_ + 7) / 8; }
  // 0 to 64 bits.
  uint64_t take(unsigned bits) {
    if (bits > peeked_bits) {
      const uint64_t low = take(32);
      return low | take(bits - 32) << 32;
    }
    const uint64_t value = peek() & ((uint64_t{1} << bits) - 1);
    position_ += bits;
    return value;
  }
  // How many zeros come before the next 1; takes both. More than `max`: max + 1, and nothing after it means anything.
  unsigned take_unary(unsigned max) {
    unsigned zeros = 0;
    for (;;) {
      const uint64_t word = peek() & ((uint64_t{1} << peeked_bits) - 1);
      if (word != 0) {
        const auto more = static_cast<unsigned>(std::countr_zero(word));
        position_ += more + 1;
        return zeros + more <= max ? zeros + more : max + 1;
      }
      zeros += peeked_bits;
      position_ += peeked_bits;
      if (zeros > max) return max + 1;
    }
  }

 private:
  static constexpr unsigned peeked_bits = 57;  // so many at least are whole in 8 bytes from any bit on
  [[nodiscard]] uint64_t peek() const {
    const size_t at = position_ / 8;
    uint64_t word = 0;
    if (at + sizeof word <= bytes_.size()) std::memcpy(&word, bytes_.data() + at, sizeof word);
    else if (at < bytes_.size()) std::memcpy(&word, bytes_.data() + at, bytes_.size() - at);
    return word >> (position_ % 8);
  }

  wire::ByteView bytes_;
  size_t position_ = 0;
};

}  // namespace joulespool::codec
