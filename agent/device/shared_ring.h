// Memory that two processes share: records go through it in order, from one that writes to one that reads.
//
// The memory is an anonymous file that can neither shrink nor grow. Its first page holds the positions, the rest the records:
// each begins with its size (u32, without this head; u32 zero) and is padded to 8 bytes. The rest is mapped twice in a row, so
// that a record that goes over the end is contiguous as well. A record appears with the step of `head` after it was
// copied: a writer that dies before leaves nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/base/result.h"
#include "agent/device/file_descriptor.h"

namespace joulespool::device {

// The reader trusts nothing that the writer can touch. One thread writes, one reads; in one process both may use one object.
class SharedRing {
 public:
  // Reserves the memory at once: it must not turn out to be missing in the middle of a copy. Capacity is rounded up to whole
  // pages. Errors: unreachable (no memory, no descriptors).
  static Result<SharedRing> create(size_t capacity_bytes);
  // The other end, by the descriptor. Errors: usage (not such memory).
  static Result<SharedRing> attach(FileDescriptor memory);
  SharedRing(SharedRing&& other) noexcept;
  SharedRing& operator=(SharedRing&&) = delete;
  ~SharedRing();

  [[nodiscard]] int descriptor() const { return memory_.get(); }
  [[nodiscard]] size_t capacity_bytes() const { return capacity_; }
  // What a record of this size takes.
  static size_t taken_bytes(size_t size_bytes);

  // Writer. Room for records, with their heads.
  [[nodiscard]] size_t room_bytes() const;
  // Where the next record goes; null if there is no room. Nothing is to be seen before commit().
  std::byte* reserve(size_t size_bytes);
  void commit(size_t size_bytes);  // at least 1
  // A sign of life, apart from the records.
  void beat();

  // Reader. The oldest record, valid until pop(); empty: there is none. Errors: damaged (positions or a size that cannot be).
  Result<std::span<std::byte>> front() const;
  void pop();  // front() gave a record
  [[nodiscard]] uint64_t beats() const;

 private:
  struct Positions;
  static Result<SharedRing> map(FileDescriptor memory, size_t capacity_bytes, bool is_new);
  SharedRing(FileDescriptor memory, std::byte* base, size_t page_bytes, size_t capacity_bytes);
  [[nodiscard]] std::byte* at(uint64_t position) const { return records_ + position % capacity_; }

  FileDescriptor memory_;
  std::byte* base_ = nullptr;  // null: moved away
  size_t page_ = 0;
  size_t capacity_ = 0;
  Positions* positions_ = nullptr;
  std::byte* records_ = nullptr;
  uint64_t head_ = 0;         // the writer's own copy
  uint64_t tail_ = 0;         // the reader's own copy
  mutable size_t front_ = 0;  // bytes that pop() takes
};

}  // namespace joulespool::device
