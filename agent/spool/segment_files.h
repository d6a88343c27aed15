// The files of the segments: `segment-<number>.db` with `-wal` and `-shm`. Frames are only ever added to the newest one; the
// others are never written again and go as a whole. No SQLite here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::spool {

std::string segment_path(const std::string& directory, uint64_t number);
// Numbers of the segments there, ascending.
std::vector<uint64_t> list_segments(const std::string& directory);
// False as long as it has no first transaction: its file is being made, and must not be opened without a lock.
bool segment_has_begun(const std::string& directory, uint64_t number);
// Allocated, log included.
uint64_t segment_disk_bytes(const std::string& directory, uint64_t number);
// Removes all its files; it is well if there is none. What cannot be removed is tried again at the next opening.
void remove_segment(const std::string& directory, uint64_t number);

// Removes empty logs, and indexes, without a segment: of one whose making was cut short, or that went while a reader opened it.
void remove_leftovers(const std::string& directory);

// Takes the disk space of a log of `bytes` for a segment beforehand, so that commits into it never lack space.
// Errors: full, unreachable.
Status allocate_log(const std::string& directory, uint64_t number, uint64_t bytes);
// Gives back what was allocated for the log and is not used.
void trim_log(const std::string& directory, uint64_t number);
// The same, and the index of the log: the segment is only read from now on.
void release_unused(const std::string& directory, uint64_t number);

}  // namespace joulespool::spool
