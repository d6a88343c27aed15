#include "agent/device/shared_ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

namespace joulespool::device {

// Positions count bytes since the beginning and never wrap.
struct SharedRing::Positions {
  alignas(64) std::atomic<uint64_t> head{0};  // the writer's: behind the newest record
  alignas(64) std::atomic<uint64_t> tail{0};  // the reader's: the oldest record
  alignas(64) std::atomic<uint64_t> beats{0};
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);  // else it would mean nothing to another process

namespace {

constexpr size_t capacity_max = size_t{1} << 30;  // far above any use; keeps sizes in u32

struct RecordHead {
  uint32_t size_bytes = 0;
  uint32_t zero = 0;
};

size_t page_bytes() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

Error system_error(const std::string& what) { return {Errc::unreachable, what + ": " + std::strerror(errno)}; }

}  // namespace

size_t SharedRing::taken_bytes(size_t size_bytes) { return sizeof(RecordHead) + (size_bytes + 7) / 8 * 8; }

Result<SharedRing> SharedRing::create(size_t capacity_bytes) {
  const size_t page = page_bytes();
  const size_t capacity = (capacity_bytes + page - 1) / page * page;
  if (capacity == 0 || capacity > capacity_max) return Error{Errc::usage, "shared memory of that size"};
  FileDescriptor memory(::memfd_create("joulespool-samples", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return system_error("shared memory");
  const auto size = static_cast<off_t>(page + capacity);
  if (::ftruncate(memory.get(), size) != 0 || ::fallocate(memory.get(), 0, 0, size) != 0) return system_error("shared memory");
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return system_error("shared memory");
  return map(std::move(memory), capacity, true);
}

Result<SharedRing> SharedRing::attach(FileDescriptor memory) {
  struct stat status {};
  if (::fstat(memory.get(), &status) != 0) return Error{Errc::usage, "no shared memory"};
  const size_t page = page_bytes();
  const auto size = static_cast<size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size <= page || size > page + capacity_max || size % page != 0)
    return Error{Errc::usage, "not the shared memory that was made for this"};
  return map(std::move(memory), size - page, false);
}

Result<SharedRing> SharedRing::map(FileDescriptor memory, size_t capacity_bytes, bool is_new) {
  const size_t page = page_bytes();
  void* const space = ::mmap(nullptr, page + 2 * capacity_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (space == MAP_FAILED) return system_error("address space");
  auto* const base = static_cast<std::byte*>(space);
  SharedRing ring(std::move(memory), base, page, capacity_bytes);  // owns the space from here on
  const int fd = ring.descriptor();
  constexpr int access = PROT_READ | PROT_WRITE;
  constexpr int flags = MAP_SHARED | MAP_FIXED;
  if (::mmap(base, page + capacity_bytes, access, flags, fd, 0) == MAP_FAILED) return system_error("map shared memory");
  if (::mmap(base + page + capacity_bytes, capacity_bytes, access, flags, fd, static_cast<off_t>(page)) == MAP_FAILED)
    return system_error("map shared memory");
  ring.positions_ = is_new ? new (base) Positions : std::launder(reinterpret_cast<Positions*>(base));
  return ring;
}

SharedRing::SharedRing(FileDescriptor memory, std::byte* base, size_t page_bytes, size_t capacity_bytes)
    : memory_(std::move(memory)), base_(base), page_(page_bytes), capacity_(capacity_bytes), records_(base + page_bytes) {}

SharedRing::SharedRing(SharedRing&& other) noexcept
    : memory_(std::move(other.memory_)),
      base_(std::exchange(other.base_, nullptr)),
      page_(other.page_),
      capacity_(other.capacity_),
      positions_(other.positions_),
      records_(other.records_),
      head_(other.head_),
      tail_(other.tail_),
      front_(other.front_) {}

SharedRing::~SharedRing() {
  if (base_ != nullptr) ::munmap(base_, page_ + 2 * capacity_);
}

size_t SharedRing::room_bytes() const {
  return capacity_ - static_cast<size_t>(head_ - positions_->tail.load(std::memory_order_acquire));
}

std::byte* SharedRing::reserve(size_t size_bytes) {
  return size_bytes <= capacity_ && taken_bytes(size_bytes) <= room_bytes() ? at(head_) + sizeof(RecordHead) : nullptr;
}

void SharedRing::commit(size_t size_bytes) {
  const RecordHead record{static_cast<uint32_t>(size_bytes), 0};
  std::memcpy(at(head_), &record, sizeof record);
  head_ += taken_bytes(size_bytes);
  positions_->head.store(head_, std::memory_order_release);
}

void SharedRing::beat() { positions_->beats.fetch_add(1, std::memory_order_relaxed); }
uint64_t SharedRing::beats() const { return positions_->beats.load(std::memory_order_relaxed); }

Result<std::span<std::byte>> SharedRing::front() const {
  const uint64_t filled = positions_->head.load(std::memory_order_acquire) - tail_;
  if (filled == 0) return std::span<std::byte>{};
  if (filled > capacity_ || filled % 8 != 0) return Error{Errc::damaged, "a position of the shared memory cannot be"};
  RecordHead record;
  std::memcpy(&record, at(tail_), sizeof record);
  if (record.size_bytes == 0 || taken_bytes(record.size_bytes) > filled || record.zero != 0)
    return Error{Errc::damaged,
                 "a record of " + std::to_string(record.size_bytes) + " bytes, where " + std::to_string(filled) + " are filled"};
  front_ = taken_bytes(record.size_bytes);
  return std::span(at(tail_) + sizeof record, record.size_bytes);
}

void SharedRing::pop() {
  tail_ += front_;
  front_ = 0;
  positions_->tail.store(tail_, std::memory_order_release);
}

}  // namespace joulespool::device
