// The files of a spool directory other than the database: where they are, what they take, and the reserve for a full disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

std::string database_path(const std::string& directory);    // spool.db (+ -wal, -shm): all there was before there were segments
std::string quarantine_path(const std::string& directory);  // quarantine/

// A failed system call on `path`: full for a full disk or quota, else unreachable.
Error system_error(const std::string& path, int number);

// An open file; number() < 0: it could not be opened, see errno. New files are readable by the owner and the group.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags);
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

// Blocks allocated for a file, and for all files in a directory and below, in bytes; 0 for what is not there.
uint64_t allocated_bytes(const std::string& file);
uint64_t allocated_bytes_below(const std::string& directory);
// What this process may still write there.
uint64_t free_bytes(const std::string& directory);

bool exists(const std::string& path);
// Makes names that were created, renamed or removed in it durable.
Status sync_directory(const std::string& directory);
Status make_directory(const std::string& directory);
// A file with this content, under its name only when it is whole; durable on return. Errors: full, unreachable.
Status write_durably(const std::string& path, wire::ByteView bytes);

// Which boot of the machine this is; empty where the kernel does not say.
std::string boot_id();

// The database of version 1: what it takes, and its end.
uint64_t database_disk_bytes(const std::string& directory);
void remove_database(const std::string& directory);

// Moves databases with their -wal and -shm to one `<directory>/damaged-<n>`, n above all there, and returns that path. The oldest
// damaged-* folders above damaged_kept_max are removed.
constexpr size_t damaged_kept_max = 4;
Result<std::string> move_aside(const std::string& directory, const std::vector<std::string>& databases);
// The damaged-<n> folders there, the oldest first.
std::vector<std::string> damaged_folders(const std::string& directory);

// Disk space held back in `<directory>/reserve` (allocated, not written): given up when the disk is full, so that what frees
// space, or tells of a loss, can still be stored.
class DiskReserve {
 public:
  DiskReserve(std::string directory, uint64_t size_bytes) : directory_(std::move(directory)), size_bytes_(size_bytes) {}
  // Takes the space, or what it lacks of it, if there is plenty of room.
  void refill();
  // Takes what there is, up to its size: for space that has just become free on a full disk, before others take it.
  void refill_in_need();
  // True if there was something to give up.
  bool release();
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }

 private:
  [[nodiscard]] std::string path() const { return directory_ + "/reserve"; }
  void hold(uint64_t bytes);
  std::string directory_;
  uint64_t size_bytes_;
};

}  // namespace joulespool::spool
