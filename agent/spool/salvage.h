// Puts everything that can be read of a spool's directory into a new spool, and says what is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

struct SalvageProgress {
  uint64_t bytes_done = 0, bytes_all = 0;  // of frames that are there by what the source says
};

struct SalvageOptions {
  int64_t now_utc_ns = 0;                                     // the host's clock, for the gap records that are made
  std::function<void(const SalvageProgress&)> progress = {};  // called from time to time; none: not wanted
};

// Frames with consecutive seqs that cannot be read, and what they covered as far as their neighbours tell.
struct LostFrames {
  wire::SeqRange seqs;
  uint64_t axis = 0;
  uint64_t sample_id_first = 0, sample_id_end = 0;
  int64_t utc_first_ns = 0, utc_end_ns = 0;
  std::string where;  // the file that has, or should have them: "segment-00000007.db"
};

struct SalvagedSequence {
  wire::FrameSequence sequence;
  uint64_t frames = 0, bytes = 0;            // that are in the new spool
  uint64_t frames_lost = 0, bytes_lost = 0;  // bytes: as the source's state says, 0 where it does not
  std::vector<LostFrames> lost;              // in seq order
};

struct SalvageReport {
  std::string host;
  uint64_t epoch = 0;  // of the new spool: that of its gap records
  // The newest state of the source could be read: `lost` is all that is lost. Else frames may be missing behind the last ones of
  // a sequence, and some that count as lost may have left before.
  bool is_exact = false;
  std::vector<SalvagedSequence> sequences;  // of the source, also those of which nothing was left
  uint64_t frames = 0, bytes = 0, frames_lost = 0;
  uint64_t gap_records = 0;          // reason corrupt, in event frames of the new epoch
  uint64_t quarantined_files = 0;    // copied as they are
  std::vector<std::string> notices;  // which files are damaged, and how far
};

// Reads segments, a spool of version 1 (spool.db) and what damaged-<n>/ holds; never writes to `from` (it may be on a read-only
// medium). `to` is made; what is there then is a spool like any other: of the same host, frames with their old identity and
// state, positions as they were. Its epoch is a new one. Frames that should be there and cannot be read are named in gap records
// (lane, seqs, samples), as far as anything readable says what axis the device is on. No writer should have `from` open.
// Errors: usage (`to` is there and not empty, or inside `from`), not_found (no spool at `from`), damaged (nothing of it can be
// read), full, unreachable (I/O, permission, newer version without a way back).
Result<SalvageReport> salvage_spool(const std::string& from, const std::string& to, const SalvageOptions& options = {});

}  // namespace joulespool::spool
