// The files of a spool directory other than the database: where they are, what they take, and the reserve for a full disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

std::string database_path(const std::string& directory);    // spool.db (+ -wal, -shm)
std::string quarantine_path(const std::string& directory);  // quarantine/

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

// Moves spool.db, -wal and -shm to `<directory>/damaged-<n>`, n above all there, and returns that path. Older damaged-*
// folders are removed: at most one spool's worth of damage is kept.
Result<std::string> move_database_aside(const std::string& directory);

// Disk space held back in `<directory>/reserve` (allocated, not written): given up when the disk is full, so that what frees
// space, or tells of a loss, can still be stored.
class DiskReserve {
 public:
  DiskReserve(std::string directory, uint64_t size_bytes) : directory_(std::move(directory)), size_bytes_(size_bytes) {}
  // Takes the space if it is not held and there is plenty of room.
  void refill();
  // True if there was something to give up.
  bool release();
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }

 private:
  [[nodiscard]] std::string path() const { return directory_ + "/reserve"; }
  std::string directory_;
  uint64_t size_bytes_;
};

}  // namespace joulespool::spool
