// Damaged or rejected frames, kept as files for people: `<directory>/quarantine/<device>-<lane>-<seq>-<reason>.frame`.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

class Quarantine {
 public:
  struct Limits {
    size_t files_max = 1000;
    uint64_t bytes_max = 64ULL * 1024 * 1024;
  };
  // `path`: the quarantine folder; made when the first frame comes.
  Quarantine(std::string path, Limits limits) : path_(std::move(path)), limits_(limits) {}

  // Durable on return. Then the oldest files above the limits are removed; the one just put stays. Errors: full, unreachable.
  Status put(const wire::FrameId& id, std::string_view reason, wire::ByteView bytes);

 private:
  void remove_oldest(const std::string& except) const;
  std::string path_;
  Limits limits_;
};

// Frames in the quarantine folder `path`.
uint64_t quarantined_frames(const std::string& path);

}  // namespace joulespool::spool
