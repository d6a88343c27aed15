// A spool in memory for tests of what reads one: no durability, every change at once.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "agent/spool/spool.h"

namespace joulespool::test {

// Thread-safe.
class MemorySpool {
 public:
  explicit MemorySpool(uint64_t epoch = 1) : state_(std::make_shared<State>()) { state_->epoch = epoch; }

  // Appends a queued frame; its bytes are its seq as text, filled up to `size_bytes`.
  wire::FrameId add(const wire::FrameSequence& sequence, size_t size_bytes = 100) {
    const std::lock_guard lock(state_->mutex);
    State::Lane& lane = state_->lanes[sequence];
    spool::StoredFrame frame;
    frame.info.id = {sequence, lane.seq_next++};
    frame.info.size_bytes = size_bytes;
    frame.info.utc_first_ns = static_cast<int64_t>(++state_->added);
    for (const char c : std::to_string(frame.info.id.seq)) frame.bytes.push_back(static_cast<std::byte>(c));
    frame.bytes.resize(size_bytes, std::byte{' '});
    lane.frames.emplace(frame.info.id.seq, frame);
    return frame.info.id;
  }
  void remove(const wire::FrameSequence& sequence, const wire::SeqRange& range) {
    const std::lock_guard lock(state_->mutex);
    auto& frames = state_->lanes[sequence].frames;
    frames.erase(frames.lower_bound(range.first), frames.upper_bound(range.last));
  }
  void remove(const wire::FrameId& id) { remove(id.sequence, {id.seq, id.seq}); }
  void damage(const wire::FrameId& id) {
    const std::lock_guard lock(state_->mutex);
    state_->lanes[id.sequence].frames.at(id.seq).intact = false;
  }
  void fail(bool on) {
    const std::lock_guard lock(state_->mutex);
    state_->fails = on;
  }
  std::vector<wire::FrameId> frames() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<wire::FrameId> found;
    for (const auto& [sequence, lane] : state_->lanes)
      for (const auto& [seq, frame] : lane.frames) found.push_back({sequence, seq});
    return found;
  }
  std::unique_ptr<spool::SpoolReader> reader() { return std::make_unique<Reader>(state_); }

 private:
  struct State {
    struct Lane {
      std::map<uint64_t, spool::StoredFrame> frames;
      uint64_t seq_next = 1;
    };
    std::mutex mutex;
    uint64_t epoch = 1;
    uint64_t added = 0;
    bool fails = false;
    std::map<wire::FrameSequence, Lane> lanes;
  };

  class Reader final : public spool::SpoolReader {
   public:
    explicit Reader(std::shared_ptr<State> state) : state_(std::move(state)) {}
    [[nodiscard]] std::string host() const override { return "host"; }
    [[nodiscard]] uint64_t epoch() const override { return state_->epoch; }
    Result<std::vector<spool::StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                                 std::optional<spool::FrameState>, size_t frames_max, size_t bytes_max) override {
      const std::lock_guard lock(state_->mutex);
      if (state_->fails) return Error{Errc::unreachable, "disk on fire"};
      std::vector<spool::StoredFrame> read;
      size_t bytes = 0;
      const auto& frames = state_->lanes[sequence].frames;
      for (auto at = frames.upper_bound(after_seq); at != frames.end() && read.size() < frames_max; ++at) {
        bytes += at->second.bytes.size();
        if (!read.empty() && bytes > bytes_max) break;
        read.push_back(at->second);
      }
      return read;
    }
    Result<std::vector<spool::FrameInfo>> list(const wire::FrameSequence& sequence, uint64_t after_seq,
                                               size_t frames_max) override {
      auto frames = read(sequence, after_seq, std::nullopt, frames_max, SIZE_MAX);
      if (!frames) return frames.error();
      std::vector<spool::FrameInfo> infos;
      for (const auto& frame : *frames) infos.push_back(frame.info);
      return infos;
    }
    Result<spool::Usage> usage() override {
      const std::lock_guard lock(state_->mutex);
      if (state_->fails) return Error{Errc::unreachable, "disk on fire"};
      spool::Usage usage;
      for (const auto& [sequence, lane] : state_->lanes) {
        spool::LaneUsage added{.sequence = sequence, .queued_frames = lane.frames.size(), .seq_next = lane.seq_next};
        if (!lane.frames.empty()) {
          added.seq_first = lane.frames.begin()->first;
          added.oldest_queued_utc_ns = lane.frames.begin()->second.info.utc_first_ns;
        }
        usage.lanes.push_back(added);
      }
      return usage;
    }
    Result<std::vector<spool::DevicePosition>> positions() override { return std::vector<spool::DevicePosition>{}; }

   private:
    std::shared_ptr<State> state_;
  };

  std::shared_ptr<State> state_;
};

}  // namespace joulespool::test
