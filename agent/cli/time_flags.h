// Which stretch of time a command is about: --from, --to and --since.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/cli/command.h"
#include "agent/spool/spool.h"
#include "agent/wire/frame.h"

namespace joulespool::cli {

// One end of a range: a sample_id, or a UTC time that each frame's own map turns into one.
class Bound {
 public:
  static Bound at_sample(uint64_t sample_id);
  static Bound at_utc(int64_t utc_ns);
  // "123456" (sample_id), "2026-01-02T03:04:05.678Z" or "@<seconds since 1970>". Error: usage, with `flag` before it.
  static Result<Bound> parse(const std::string& flag, const std::string& text);

  [[nodiscard]] uint64_t in(const wire::FrameHeader& header) const {
    return utc_ns_ ? header.utc.sample_id_at(*utc_ns_) : sample_id_;
  }
  [[nodiscard]] std::optional<int64_t> utc_ns() const { return utc_ns_; }
  [[nodiscard]] uint64_t sample_id() const { return sample_id_; }  // means nothing for a UTC time
  [[nodiscard]] bool needs_utc() const { return utc_ns_.has_value(); }

 private:
  uint64_t sample_id_ = 0;
  std::optional<int64_t> utc_ns_;
};

// Half-open: [from, to). Unset ends are open.
struct TimeRange {
  std::optional<Bound> from, to;

  struct Samples {
    uint64_t first = 0;
    uint64_t end = UINT64_MAX;  // exclusive
    [[nodiscard]] bool contains(uint64_t sample_id) const { return sample_id >= first && sample_id < end; }
  };
  // The same as sample_ids of a frame's axis. Nothing ({0, 0}) if a UTC time is asked for and the frame has no time map.
  [[nodiscard]] Samples in(const wire::FrameHeader& header) const;
  // A frame without samples (lane event) counts as one sample.
  [[nodiscard]] bool overlaps(const wire::FrameHeader& header) const;
  // Without the frame's bytes: false only if the frame is certainly outside.
  [[nodiscard]] bool may_overlap(const spool::FrameInfo& info) const;
};

// "90s", "10m", "2h", "3d", "500ms": nanoseconds. Errors: usage (no number, no unit, not positive, more than 100 years).
Result<int64_t> parse_duration(const std::string& flag, const std::string& text);

// The flags as given; empty means not given.
struct TimeFlags {
  std::string from, to, since;

  static std::shared_ptr<TimeFlags> add(CLI::App& app);
  // --since counts back from `data_end_utc_ns`, the end of what is in the spool: for a running host that is now, and for a card
  // of a dead one it is the last thing known. 0: nothing there has a time. Errors: usage (not a time, --since together with
  // --from, an end at or before the beginning, --since where nothing has a time).
  [[nodiscard]] Result<TimeRange> resolve(int64_t data_end_utc_ns) const;
};

// The newest time that any of these lanes covers; 0 if none has a time.
int64_t data_end_utc_ns(const std::vector<spool::LaneUsage>& lanes);

}  // namespace joulespool::cli
