// Faults of a disk, between this process and the C library: every call on files below one folder is counted, and fails on demand,
// SQLite's and our own alike. Link disk_faults.cpp into a program of its own: it stands before open(), pwrite(), fallocate() and
// the like. It can also be preloaded (LD_PRELOAD) into a program that knows nothing of it: DISK_FAULTS is the folder then, and
// the disk is sick for as long as there is a file "<folder>.sick" with a number, 0 to 2 as in Sick.
#pragma once

#include <cstdint>
#include <string>

namespace joulespool::test {

enum class Sick {
  no_space,   // ENOSPC from whatever needs a new block: writes, allocations, new files and folders
  read_only,  // EROFS from whatever changes anything; what is stored can be read
  io_error,   // EIO from all of that, from syncs and from reads
};

class DiskFaults {
 public:
  // Name the folder (with 0 bad ones) before its files are opened. Calls below `folder` that this sickness meets: after `good`
  // more, `bad` of them fail, then all is well again.
  static void fail(const std::string& folder, Sick sick, int64_t good, int64_t bad);
  static void heal();
  // Reads of these bytes of a file below the folder fail for ever, writes do not. heal() leaves it so; another folder does not.
  static void lose(const std::string& path, uint64_t first, uint64_t end);
  // Calls that have failed since fail().
  static int64_t failed();
};

}  // namespace joulespool::test
