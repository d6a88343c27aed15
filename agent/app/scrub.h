// The slow background check of the spool: reads every frame once in a while, so that damage is found, and told as a gap, while it
// is small, and not when the frame's turn to leave comes weeks later.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

struct ScrubSettings {
  int64_t interval_ns = 0;      // from the begin of a round to that of the next; 0: never
  uint64_t bytes_per_s = 1024;  // of frames, on average; at least 1
};

// When the next read may be. Pure: told what time it is.
class ScrubPace {
 public:
  // The first round is due at once.
  ScrubPace(ScrubSettings settings, int64_t now_ns) : settings_(settings), due_ns_(now_ns), round_ns_(now_ns) {}
  [[nodiscard]] int64_t due_ns() const { return due_ns_; }
  void round_begins(int64_t now_ns) { round_ns_ = now_ns; }
  // So many bytes were read: the pause that keeps the rate. What was missed by being late is not made up for.
  void has_read(uint64_t bytes, int64_t now_ns);
  // At once, if the round took longer than the interval.
  void round_ends(int64_t now_ns);
  // It cannot be read now.
  void rests(int64_t now_ns);

 private:
  ScrubSettings settings_;
  int64_t due_ns_;
  int64_t round_ns_;
};

struct ScrubStatus {
  bool enabled = false;
  uint64_t rounds = 0;               // finished
  int64_t last_finished_utc_ns = 0;  // 0: none yet
  uint64_t frames_checked = 0;       // of this run, like the next two
  uint64_t bytes_checked = 0;
  uint64_t damaged_found = 0;  // each frame once a round
  std::string error;           // why the spool could not be read; empty: it could
};

// advance() and run() on one thread, status() on any.
class Scrub {
 public:
  struct Surroundings {
    std::function<Result<std::unique_ptr<spool::SpoolReader>>()> open;
    std::function<void(const wire::FrameId& id, const std::string& what)> damaged;
    // False: the check rests and keeps no file open, so that what is removed gives its space back.
    std::function<bool()> may_read = [] { return true; };
  };
  Scrub(ScrubSettings settings, Clock& clock, Surroundings surroundings);

  // Until stop is requested; at once, if the check is off.
  void run(const std::stop_token& stop);
  // Does what is due: reads one portion, at most. When to be called next, on the monotonic clock. Frames that leave meanwhile are
  // no error; of one that seems damaged the spool is asked twice.
  int64_t advance();
  [[nodiscard]] ScrubStatus status() const;

 private:
  // How far the round is.
  struct Round {
    std::vector<wire::FrameSequence> sequences;
    size_t at = 0;
    uint64_t after_seq = 0;
  };
  Status begin();
  Result<uint64_t> read_portion();              // what it counts as, in bytes
  bool check(const spool::StoredFrame& frame);  // true: it is damaged
  void finish();
  void rest(const std::string& why);

  const ScrubSettings settings_;
  Clock& clock_;
  const Surroundings surroundings_;
  ScrubPace pace_;
  std::unique_ptr<spool::SpoolReader> reader_;  // during a round only
  Round round_;
  uint64_t damaged_in_round_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  ScrubStatus status_;
};

}  // namespace joulespool::app
