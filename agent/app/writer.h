// The writer: the one thread between the ring and the spool.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/app/device_pipeline.h"
#include "agent/app/sample_ring.h"
#include "agent/base/clock.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

struct WriterStatus {
  std::vector<DeviceStatus> devices;
  uint64_t commits = 0;
  uint64_t commits_failed = 0;
  uint64_t frames_merged = 0;   // that others stand for now, because there was no room
  uint64_t frames_evicted = 0;  // that were dropped for want of room or because of their age
  std::string spool_error;      // empty: the last commit went well
  spool::Usage usage;
};

struct WriterSettings {
  int64_t commit_window_ms = 250;
  uint64_t budget_bytes = UINT64_MAX;  // of the spool: a commit must be small beside it
};

// For a device that nobody announced; called on the writer's thread.
using PipelineFactory = std::function<std::unique_ptr<DevicePipeline>(const wire::DeviceIdentity& device)>;

// run() is called on one thread; the other members on any.
class Writer {
 public:
  struct Listener {
    std::function<void()> committed;  // the spool has changed: new frames, or acked ones gone
    // Is stored now, or cannot be because nothing is known of the device but its trouble: for people.
    std::function<void(const std::string& device, const wire::Event& event)> event;
    // Up to these, frames may have been published in this run: they are not merged. Empty: none.
    std::function<std::map<wire::FrameSequence, uint64_t>()> published = {};
  };
  // Without a factory items of devices that have no pipeline are dropped.
  Writer(WriterSettings settings, Clock& clock, SampleRing& ring, spool::SpoolWriter& spool,
         std::vector<std::unique_ptr<DevicePipeline>> pipelines, Listener listener, PipelineFactory make_pipeline = {});

  // Until stop is requested; then takes what is still in the ring, ends all devices and commits for the last time.
  void run(const std::stop_token& stop);

  // From the uplink: what the bridge said. Applied by the next commit.
  void frames_stored(const std::vector<std::pair<wire::FrameSequence, wire::SeqRange>>& ranges);
  // A frame that will never arrive leaves the queue; a gap record says so.
  void frame_lost(const wire::FrameId& id, wire::GapReason reason, const std::string& detail);

  [[nodiscard]] WriterStatus status() const;

 private:
  struct LostFrame {
    wire::FrameId id;
    wire::GapReason reason = wire::GapReason::corrupt;
    std::string detail;
  };
  struct Inbox {
    std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> stored;
    std::vector<LostFrame> lost;
    [[nodiscard]] bool empty() const { return stored.empty() && lost.empty(); }
  };

  // Frames that leave with a commit for want of room, and those that take the place of the merged ones.
  struct Freed {
    uint64_t evicted = 0, merged = 0, merged_into = 0;
  };

  enum class Outcome { stored, refused, unknown };

  void add(RingItem& item);
  void add(DevicePipeline& to, const device::SourceEvent& event);
  void wait_for_samples(int64_t deadline_ns, const std::stop_token& stop);
  void commit();
  Outcome attempt(spool::Commit commit, bool with_samples);
  void take_inbox();
  void collect(spool::Commit& commit, bool with_samples);
  void make_room(spool::Commit& commit, std::vector<Cut>& cuts, bool with_samples);
  void merge(std::vector<spool::FrameInfo> frames, spool::Commit& commit, std::vector<Cut>& cuts);
  void evict(const std::vector<spool::FrameInfo>& frames, const char* why, spool::Commit& commit);
  void record_lost_frames(const std::vector<spool::FrameInfo>& frames, wire::GapReason reason, const std::string& detail);
  void on_committed(bool with_samples);
  void count_freed();
  void on_failed(const Error& error);
  void update_status();
  [[nodiscard]] size_t pending_samples() const;
  [[nodiscard]] DevicePipeline* pipeline(const std::string& device);
  [[nodiscard]] DevicePipeline* pipeline_of(const RingItem& item);
  DevicePipeline* appear(const RingItem& item);
  [[nodiscard]] HostTime now() { return {clock_.realtime_ns(), clock_.monotonic_ns()}; }

  const WriterSettings settings_;
  const size_t pending_samples_max_;
  Clock& clock_;
  SampleRing& ring_;
  spool::SpoolWriter& spool_;
  std::vector<std::unique_ptr<DevicePipeline>> pipelines_;
  Listener listener_;
  PipelineFactory make_pipeline_;
  std::set<std::string> refused_;  // devices that were said to be impossible, once each
  Inbox applying_;                 // taken from inbox_, until a commit with it went well
  // A commit of which an I/O error hides whether it is stored. It is tried until that is known, because its numbers must not be
  // used for something else; meanwhile samples wait in the ring.
  std::optional<spool::Commit> unknown_;
  Freed freed_;  // by the commit that is being made

  mutable std::mutex mutex_;  // guards what follows
  Inbox inbox_;
  WriterStatus status_;
};

}  // namespace joulespool::app
