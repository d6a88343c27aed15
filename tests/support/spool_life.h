// A scripted life of a spool on a disk that may fail: appends, acks, drops, new segments, reopening; and what of it must be
// there.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/survived.h"

namespace joulespool::test {

class Life {
 public:
  static constexpr uint64_t budget_bytes = 8ULL << 20;  // segments of 256 KiB: a new one every few steps
  static constexpr const char* device = "js220-001122";

  // may_be_unreadable: the disk may fail to read, too, between the steps; never when it is checked or reopened.
  explicit Life(const std::string& directory, bool may_be_unreadable = false)
      : directory_(directory), may_be_unreadable_(may_be_unreadable) {
    open();
  }

  // Whether it was stored: what is refused changes nothing, what may be stored or not is given again with the next step.
  // Reopening must always work.
  bool step(int n) {
    is_append_ = false;
    if (unknown_ && !give(*std::exchange(unknown_, {}))) return false;
    if (n % 11 == 10) return reopen();
    spool::Commit commit;
    if (n % 5 == 3) {
      ack(commit);
    } else if (n % 7 == 5) {
      drop(commit);
    } else {
      append(commit, wave(), 3, n % 9 == 4 ? 200'000 : 20'000);
      append(commit, event(), 1, 300);
    }
    return give(commit);
  }
  [[nodiscard]] bool was_append() const { return is_append_; }

  // An I/O error hides whether the last commit is stored.
  [[nodiscard]] bool is_unknown() const { return unknown_.has_value(); }

  // All that was confirmed is there, byte for byte, and nothing else.
  void check_all() {
    const uint64_t missing_before = frames_missing_;
    for (const auto& [sequence, frames] : frames_) {
      const auto found = reader_->read(sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
      REQUIRE_MESSAGE(found.ok(), (found ? "" : found.error().message));
      CHECK((canary_ || found->size() <= frames.size()));
      size_t well = 0;
      for (const auto& frame : *found)
        if (frames.contains(frame.info.id.seq) && frame.intact &&
            frame.bytes == frame_bytes(frame.info.id, frame.info.size_bytes))
          ++well;
      frames_checked_ += frames.size();
      frames_missing_ += frames.size() - well;
    }
    CHECK((canary_ || frames_missing_ == missing_before));
  }
  // Summed up over all checks of this life: confirmed frames looked for, and those of them that were not there as they were.
  [[nodiscard]] uint64_t frames_checked() const { return frames_checked_; }
  [[nodiscard]] uint64_t frames_missing() const { return frames_missing_; }
  // The spool lets the newest waveform frame go, and nobody tells: what check_all() is there to see.
  void lose_a_frame() {
    canary_ = true;
    spool::Commit commit;
    commit.dropped = {{wave(), *frames_[wave()].rbegin()}};
    REQUIRE(writer_->commit(commit).ok());
  }
  bool reopen() {
    reader_.reset();
    writer_.reset();
    open();
    check_all();
    return true;
  }

 private:
  [[nodiscard]] wire::FrameSequence wave() const { return {device, epoch_, wire::Lane::wave}; }
  [[nodiscard]] wire::FrameSequence event() const { return {device, epoch_, wire::Lane::event}; }

  void open() {
    auto writer = spool::open_spool_writer({directory_, test_host, budget_bytes});
    REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
    writer_ = std::move(*writer);
    CHECK(writer_->take_notices().empty());
    CHECK((epoch_ == 0 || writer_->epoch() == epoch_));
    epoch_ = writer_->epoch();
    for (const auto& [sequence, next] : next_) CHECK(writer_->next_seq(sequence) == next);
    auto reader = spool::open_spool_reader(directory_);
    REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
    reader_ = std::move(*reader);
  }
  void append(spool::Commit& commit, const wire::FrameSequence& sequence, size_t count, size_t size) {
    const auto more = commit_of(sequence, writer_->next_seq(sequence), count, size);
    commit.frames.insert(commit.frames.end(), more.frames.begin(), more.frames.end());
  }
  void ack(spool::Commit& commit) {
    const std::set<uint64_t>& waves = frames_[wave()];
    if (waves.empty()) return;
    commit.stored = {{wave(), {*waves.begin(), *waves.begin() + 3}}};
  }
  void drop(spool::Commit& commit) {
    std::set<uint64_t>& waves = frames_[wave()];
    auto at = waves.begin();
    for (int count = 0; count < 2 && at != waves.end(); ++count, ++at) commit.dropped.push_back({wave(), *at});
    append(commit, event(), 1, 300);
  }
  bool give(const spool::Commit& commit) {
    is_append_ = !commit.frames.empty() && commit.dropped.empty();
    const Status done = writer_->commit(commit);
    if (done) {
      adopt(commit);
    } else if (done.error().code == Errc::unreachable) {
      unknown_ = commit;
      return false;
    } else {
      CAPTURE(done.error().message);
      CHECK(done.error().code == Errc::full);
    }
    check_names();
    return done.ok();
  }
  void check_names() {
    if (may_be_unreadable_) return;
    for (const auto& [sequence, frames] : frames_) {
      CHECK(writer_->next_seq(sequence) == (next_.contains(sequence) ? next_[sequence] : 1));
      const auto found = reader_->list(sequence, 0, SIZE_MAX);
      REQUIRE_MESSAGE(found.ok(), (found ? "" : found.error().message));
      CHECK(seqs_of(*found) == std::vector<uint64_t>(frames.begin(), frames.end()));
    }
  }
  void adopt(const spool::Commit& commit) {
    for (const auto& frame : commit.frames) {
      frames_[frame.info.id.sequence].insert(frame.info.id.seq);
      next_[frame.info.id.sequence] = frame.info.id.seq + 1;
    }
    for (const auto& [sequence, range] : commit.stored)
      for (uint64_t seq = range.first; seq <= range.last; ++seq) frames_[sequence].erase(seq);
    for (const auto& id : commit.dropped) frames_[id.sequence].erase(id.seq);
  }

  const std::string directory_;
  const bool may_be_unreadable_;
  uint64_t epoch_ = 0;
  std::unique_ptr<spool::SpoolWriter> writer_;
  std::unique_ptr<spool::SpoolReader> reader_;
  std::map<wire::FrameSequence, std::set<uint64_t>> frames_;  // confirmed, and not gone
  std::map<wire::FrameSequence, uint64_t> next_;
  std::optional<spool::Commit> unknown_;  // stored or not: an I/O error hides it
  bool is_append_ = false;
  bool canary_ = false;
  uint64_t frames_checked_ = 0, frames_missing_ = 0;
};

// Adds a life whose end was checked.
inline void add_life(const Life& life, Survived& survived) {
  constexpr uint64_t frame_samples = 1000;  // new_frame()
  ++survived.done;
  survived.samples += life.frames_checked() * frame_samples;
  survived.unaccounted += life.frames_missing() * frame_samples;
}

}  // namespace joulespool::test
