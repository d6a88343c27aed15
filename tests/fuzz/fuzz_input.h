// Takes the input of a fuzz target apart: what a frame's header would say stands in front of the payload.
#pragma once

#include <algorithm>

#include "agent/wire/types.h"

namespace joulespool::fuzz {

class FuzzInput {
 public:
  explicit FuzzInput(wire::ByteView bytes) : left_(bytes) {}
  // The next `width` bytes (at most 8), little-endian; bytes that are not there are 0.
  uint64_t integer(size_t width) {
    uint64_t value = 0;
    for (size_t k = 0; k < width && k < left_.size(); ++k) value |= static_cast<uint64_t>(left_[k]) << (8 * k);
    left_ = left_.subspan(width < left_.size() ? width : left_.size());
    return value;
  }
  [[nodiscard]] wire::ByteView rest() const { return left_; }

 private:
  wire::ByteView left_;
};

// The other way round: `value` in `width` bytes, then the payload.
inline wire::Bytes fuzz_input(uint64_t value, size_t width, wire::ByteView payload) {
  wire::Bytes input(width + payload.size());
  for (size_t k = 0; k < width; ++k) input[k] = static_cast<std::byte>(value >> (8 * k));
  std::copy(payload.begin(), payload.end(), input.begin() + static_cast<std::ptrdiff_t>(width));
  return input;
}

constexpr size_t sample_count_width = 3;     // wire::kept_samples(header).count before a payload of samples
constexpr size_t sample_id_first_width = 8;  // FrameHeader::sample_id_first before a payload of windows

}  // namespace joulespool::fuzz
