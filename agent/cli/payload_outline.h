// What the payload of a frame of lane stat or wave is made of, for people.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/frame.h"

namespace joulespool::cli {

// A section, or a column of windows (agent/codec/FORMAT.md and the pages that it names).
struct OutlineRow {
  std::string section;  // what it is: "current", "gpi0", "p_sum"
  std::string coding;   // how it is stored
  unsigned bits = 0;    // of an element as a reader gets it; 0: not known
  uint64_t elements = 0;
  uint64_t offset = 0;  // ticks, of packed signals
  uint64_t stride = 0;
  uint64_t bytes = 0;  // stored
};

// In the payload's order. Errors: damaged, usage (a codec this version does not know).
Result<std::vector<OutlineRow>> outline_payload(const wire::Frame& frame);

}  // namespace joulespool::cli
