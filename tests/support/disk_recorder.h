// What this process does to the files of one folder, call by call, and what a medium may hold of it after a power cut. The calls
// are those of the C library, so SQLite's and our own are seen alike. One folder at a time; link disk_recorder.cpp into a program
// of its own: it stands before open(), pwrite(), fsync() and the like.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agent/wire/types.h"

namespace joulespool::test {

struct DiskCall {
  enum class Kind { create, write, truncate, sync, sync_folder, remove, rename, mark };
  Kind kind = Kind::mark;
  uint64_t file = 0;      // number of the file, whatever its name; of create, write, truncate, sync
  std::string name, to;   // of create, remove, rename
  uint64_t position = 0;  // of write; the new size for truncate; the value of mark
  wire::Bytes bytes;      // of write
};

// Files whose names begin with "segment-" or "spool.db", directly in the folder.
class DiskRecorder {
 public:
  static void start(const std::string& folder);
  static void mark(uint64_t value);
  static std::vector<DiskCall> stop();
};

// What happened to the writes that no sync confirmed.
enum class Unsynced { lost, kept, some, torn };

// The files after the calls before `cut`, by name. Writes and sizes that were synced are there; of the others, and of names that
// no sync of the folder confirmed, what `unsynced` and chance say (names in order: a journal keeps their order).
std::map<std::string, wire::Bytes> files_after_cut(const std::vector<DiskCall>& calls, size_t cut, Unsynced unsynced,
                                                   std::mt19937_64& random);

}  // namespace joulespool::test
