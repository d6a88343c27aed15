// Bytes of a payload: written into a buffer that grows once, read with every access checked.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "agent/wire/types.h"

namespace joulespool::codec {

// Appends to a buffer of its own, which keeps its memory from one use to the next. Integers are little-endian.
class ByteWriter {
 public:
  void clear() { size_ = 0; }
  void reserve(size_t size) {
    if (size > capacity_) grow(size);
  }
  void u8(uint8_t value) { *extend(1) = static_cast<std::byte>(value); }
  void u32(uint32_t value) { integer(value); }
  void u64(uint64_t value) { integer(value); }
  // LEB128: 7 bits a byte, least significant first, the top bit says that more follow.
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) u8(static_cast<uint8_t>(value | 128));
    u8(static_cast<uint8_t>(value));
  }
  void zigzag(int64_t value) { varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63)); }
  void bytes(wire::ByteView more) {
    if (!more.empty()) std::memcpy(extend(more.size()), more.data(), more.size());
  }
  // Room for `size` bytes, to be filled by the caller; shrink() gives back what was not needed.
  std::byte* extend(size_t size) {
    if (size_ + size > capacity_) grow(size_ + size);
    size_ += size;
    return bytes_.get() + size_ - size;
  }
  void shrink(size_t size) { size_ = size; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] wire::ByteView view() const { return {bytes_.get(), size_}; }

 private:
  template <class Integer>
  void integer(Integer value) {
    std::byte* to = extend(sizeof value);
    for (size_t k = 0; k < sizeof value; ++k) to[k] = static_cast<std::byte>(value >> (8 * k));
  }
  void grow(size_t needed) {
    capacity_ = std::max(needed, 2 * capacity_ + 64);
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity_);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
  }
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Reads from the front. Past the end, or after a varint of more than 10 bytes, everything reads as 0 and ok() is false for good.
class ByteReader {
 public:
  explicit ByteReader(wire::ByteView bytes) : left_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] size_t left() const { return left_.size(); }
  [[nodiscard]] wire::ByteView rest() const { return left_; }
  uint8_t u8() {
    const wire::ByteView one = bytes(1);
    return one.empty() ? uint8_t{0} : static_cast<uint8_t>(one[0]);
  }
  uint32_t u32() { return integer<uint32_t>(); }
  uint64_t u64() { return integer<uint64_t>(); }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = u8();
      if (shift == 63 && byte > 1) break;  // more than 64 bits
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return ok_ ? value : 0;
    }
    return fail();
  }
  int64_t zigzag() {
    const uint64_t value = varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  // zigzag() of an Integer; one that does not fit fails.
  template <class Integer>
  Integer zigzag_of() {
    const int64_t value = zigzag();
    if (!std::in_range<Integer>(value)) fail();
    return ok_ ? static_cast<Integer>(value) : Integer{0};
  }
  // The next `size` bytes; empty if there are not as many.
  wire::ByteView bytes(size_t size) {
    if (size > left_.size()) {
      fail();
      return {};
    }
    const wire::ByteView taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }

 private:
  template <class Integer>
  Integer integer() {
    const wire::ByteView from = bytes(sizeof(Integer));
    Integer value = 0;
    for (size_t k = 0; k < from.size(); ++k) value |= static_cast<Integer>(static_cast<Integer>(from[k]) << (8 * k));
    return value;
  }
  uint64_t fail() {
    ok_ = false;
    left_ = {};
    return 0;
  }
  wire::ByteView left_;
  bool ok_ = true;
};

}  // namespace joulespool::codec
