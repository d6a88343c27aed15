// Values one after the other in bytes, for two processes of one program: host byte order, nothing between them. One template
// that names a structure's members serves both ways:
//   template <class Fields, class T> void fields(Fields& f, T& gap) { f(gap.reason); f(gap.detail); }
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "agent/base/int128.h"

namespace joulespool::device {

template <class T>
concept PlainValue = std::is_arithmetic_v<T> || std::is_same_v<T, int128>;

// Begins to write at `to`; null: counts only.
class FieldWriter {
 public:
  explicit FieldWriter(std::byte* to) : to_(to) {}

  template <PlainValue T>
  void operator()(const T& value) {
    put(&value, sizeof value);
  }
  // An enumeration whose values are `least` to `most`.
  template <class T>
  void one_of(const T& value, T, T) {
    (*this)(static_cast<uint32_t>(value));
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<uint32_t>(text.size()));
    put(text.data(), text.size());
  }
  // `each(value)` for every element.
  template <class T, class Each>
  void list(const std::vector<T>& values, Each&& each) {
    (*this)(static_cast<uint32_t>(values.size()));
    for (const T& value : values) each(value);
  }
  // Elements, aligned to 8 bytes of the record; their number is written elsewhere.
  template <class T>
  void array(std::span<const T> values) {
    size_ = (size_ + 7) / 8 * 8;
    put(values.data(), values.size_bytes());
  }
  [[nodiscard]] size_t size_bytes() const { return size_; }

 private:
  void put(const void* from, size_t size) {
    if (to_ != nullptr && size > 0) std::memcpy(to_ + size_, from, size);
    size_ += size;
  }

  std::byte* to_;
  size_t size_ = 0;
};

// Reads what FieldWriter wrote, or anything else: what does not fit makes ok() false, and everything after it empty. Each
// byte is looked at once, so that what is checked is what is used, even while another process writes.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> from) : from_(from) {}

  template <PlainValue T>
  void operator()(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      uint8_t byte = 0;
      (*this)(byte);
      value = byte == 1;
      ok_ = ok_ && byte <= 1;
    } else {
      const std::byte* const at = take(sizeof value);
      if (at != nullptr) std::memcpy(&value, at, sizeof value);
    }
  }
  template <class T>
  void one_of(T& value, T least, T most) {
    uint32_t number = static_cast<uint32_t>(least);
    (*this)(number);
    ok_ = ok_ && number >= static_cast<uint32_t>(least) && number <= static_cast<uint32_t>(most);
    if (ok_) value = static_cast<T>(number);
  }
  void operator()(std::string& text) {
    uint32_t size = 0;
    (*this)(size);
    const std::byte* const at = take(size);
    text = at == nullptr ? std::string{} : std::string(reinterpret_cast<const char*>(at), size);
  }
  template <class T, class Each>
  void list(std::vector<T>& values, Each&& each) {
    uint32_t size = 0;
    (*this)(size);
    values.clear();
    for (uint32_t n = 0; ok_ && n < size; ++n) each(values.emplace_back());  // an element takes at least a byte
  }
  // Points into what is read.
  template <class T>
  std::span<const T> array(uint64_t count) {
    at_ = std::min((at_ + 7) / 8 * 8, from_.size());
    if (count > (from_.size() - at_) / sizeof(T)) ok_ = false;
    const std::byte* const at = ok_ ? take(static_cast<size_t>(count) * sizeof(T)) : nullptr;
    if (at == nullptr) return {};
    return {reinterpret_cast<const T*>(at), static_cast<size_t>(count)};
  }
  void refuse_unless(bool sensible) { ok_ = ok_ && sensible; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool ended() const { return at_ == from_.size(); }

 private:
  const std::byte* take(size_t size) {
    if (!ok_ || size > from_.size() - at_) {
      ok_ = false;
      return nullptr;
    }
    at_ += size;
    return from_.data() + at_ - size;
  }

  std::span<const std::byte> from_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace joulespool::device
