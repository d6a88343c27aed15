// A folder for what the bridge could not hand on: messages that were no frames, records that Kinesis never takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::ingest {

struct DeadLetterLimits {
  uint64_t bytes = 256 * 1024 * 1024;
  size_t files = 10'000;  // folders with more become slow to list
};

struct DeadLetterCounts {
  std::map<std::string, uint64_t, std::less<>> rejected;  // by reason: every call of keep()
  uint64_t kept = 0;
  uint64_t repeated = 0;     // bytes that were kept a short while ago; not kept again
  uint64_t removed = 0;      // oldest ones, to make room
  uint64_t not_written = 0;  // disk full or unwritable, larger than the limit, or no folder
};

// Files `<utc>-<reason>-<n>.frame` with exactly the bytes that came, e.g. 20260102T030405.678Z-checksum-000001.frame; sorted by
// name they are sorted by time. Nothing here fails the bridge: what cannot be kept is counted. One thread, one process a folder.
class DeadLetters {
 public:
  // An empty folder name: nothing is kept, only counted.
  DeadLetters(std::filesystem::path folder, const DeadLetterLimits& limits) : folder_(std::move(folder)), limits_(limits) {}

  // Makes the folder and takes stock of what is in it. An error is for the log: keep() may be called all the same.
  Status open();
  // `utc_ns` is when the bytes came. `reason` gets into the name ([a-z0-9_], others become '_').
  void keep(std::string_view reason, wire::ByteView bytes, int64_t utc_ns);

  [[nodiscard]] const DeadLetterCounts& counts() const { return counts_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] size_t files() const { return files_.size(); }

 private:
  struct File {
    std::string name;
    uint64_t size = 0;
  };
  bool write(std::string_view reason, wire::ByteView bytes, int64_t utc_ns);
  void make_room(uint64_t size, size_t files);

  std::filesystem::path folder_;
  DeadLetterLimits limits_;
  DeadLetterCounts counts_;
  std::deque<File> files_;  // oldest first
  uint64_t bytes_ = 0;
  uint64_t next_number_ = 1;
  // Size and checksum of those kept last: an agent that repeats one bad message must not push out all others.
  std::deque<std::pair<size_t, uint32_t>> recent_;
};

}  // namespace joulespool::ingest
