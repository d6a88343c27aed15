// Arrays for tests of kernels: at any alignment, between guards that nobody may touch, with the numbers that kernels get wrong.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "agent/codec/kernels.h"

namespace joulespool::test {

// `count` elements for a kernel, `room` more that it may overwrite, and before and after these what it must leave alone.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count, size_t room = 0)
      : count_(count), room_(room), first_(guard + count % 7), all_(first_ + count + room + guard) {
    std::memset(all_.data(), 0xA5, all_.size() * sizeof(T));
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) { std::copy(values.begin(), values.end(), data()); }
  T* data() { return all_.data() + first_; }
  [[nodiscard]] const T* data() const { return all_.data() + first_; }
  [[nodiscard]] std::vector<T> values() const { return {data(), data() + count_}; }
  [[nodiscard]] bool intact() const { return untouched(0, first_) && untouched(first_ + count_ + room_, all_.size()); }

 private:
  static constexpr size_t guard = 16;
  [[nodiscard]] bool untouched(size_t from, size_t to) const {
    const auto bytes = std::as_bytes(std::span(all_).subspan(from, to - from));
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0xA5}; });
  }
  size_t count_, room_, first_;
  std::vector<T> all_;
};

// Everything that kernels gave, to be compared bit for bit.
class Trace {
 public:
  template <class T>
  void add(const T& number) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&number);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof number);
  }
  template <class T>
  void add(const Guarded<T>& array) {
    intact_ = intact_ && array.intact();
    for (const T& one : array.values()) add(one);
  }
  [[nodiscard]] bool intact() const { return intact_; }
  bool operator==(const Trace&) const = default;

 private:
  std::vector<std::byte> bytes_;
  bool intact_ = true;
};

// `work(kernels, trace)` with every instruction set: all as with `scalar`, and nothing written where it must not.
template <class Work>
void check_alike(const Work& work) {
  Trace expected;
  work(codec::kernels(InstructionSet::scalar), expected);
  REQUIRE(expected.intact());
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(to_string(set));
    Trace trace;
    work(codec::kernels(set), trace);
    REQUIRE(trace == expected);
  }
}

// All lengths around the widths of vectors, and around those of pages.
inline std::vector<size_t> kernel_lengths(size_t longest = codec::page_samples_max) {
  std::vector<size_t> lengths;
  for (size_t length = 0; length <= 130; ++length) lengths.push_back(length);
  for (const size_t about : {256U, 1024U, 4096U})
    for (size_t length = about - 3; length <= std::min<size_t>(about + 9, longest); ++length) lengths.push_back(length);
  return lengths;
}

class NastyNumbers {
 public:
  explicit NastyNumbers(uint64_t seed) : random_(seed) {}
  uint32_t bits() { return static_cast<uint32_t>(random_()); }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  static constexpr unsigned float_kinds = 5;
  std::vector<float> floats(size_t count, unsigned kind) {
    std::vector<float> values(count);
    for (float& value : values) value = float_of(kind);
    return values;
  }
  static constexpr unsigned integer_kinds = 6;
  std::vector<int32_t> integers(size_t count, unsigned kind) {
    std::vector<int32_t> values(count);
    for (int32_t& value : values) value = integer_of(kind);
    return values;
  }
  codec::LinearPrediction linear(size_t order, bool extreme) {
    codec::LinearPrediction linear;
    linear.order = order;
    for (size_t m = 0; m < order; ++m)
      linear.coefficients[m] = extreme ? (below(2) == 0 ? int16_t{-32768} : int16_t{32767}) : static_cast<int16_t>(bits());
    return linear;
  }

 private:
  float float_of(unsigned kind) {
    static constexpr uint32_t odd[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF,
                                       0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001,
                                       0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FA12345, 0xFFC0FFEE,
                                       0x3F800000, 0xBF800000, 0x4B000001, 0x4F000000, 0xCF000000, 0x5F7FFFFF};
    switch (kind) {
      case 0: return std::bit_cast<float>(bits());
      case 1: return std::bit_cast<float>(odd[below(std::size(odd))]);
      case 2: return std::bit_cast<float>(bits() & 0x807FFFFF);  // denormals
      case 3: return static_cast<float>((static_cast<int32_t>(below(16384)) - 8191.37) * 1.4901234567e-6);
      default:
        return below(20) == 0 ? std::bit_cast<float>(odd[below(std::size(odd))]) : static_cast<float>(below(4096)) * 0x1p-20F;
    }
  }
  int32_t integer_of(unsigned kind) {
    static constexpr int32_t odd[] = {0,
                                      1,
                                      -1,
                                      2,
                                      -2,
                                      3,
                                      -3,
                                      7,
                                      8,
                                      -8,
                                      -9,
                                      127,
                                      128,
                                      -128,
                                      -129,
                                      std::numeric_limits<int32_t>::min(),
                                      std::numeric_limits<int32_t>::max(),
                                      std::numeric_limits<int32_t>::min() + 1,
                                      1 << 30};
    const auto within = [this](int32_t low, int32_t high) {
      return low + static_cast<int32_t>(below(static_cast<uint32_t>(high - low + 1)));
    };
    switch (kind) {
      case 0: return static_cast<int32_t>(bits());
      case 1: return odd[below(std::size(odd))];
      case 2: return within(-2, 1);
      case 3: return within(-3, 2);
      case 4: return below(50) == 0 ? static_cast<int32_t>(bits()) : within(-8, 7);
      default: return static_cast<int32_t>(bits()) >> below(32);
    }
  }
  std::mt19937_64 random_;
};

}  // namespace joulespool::test
