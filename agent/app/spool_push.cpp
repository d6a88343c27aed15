#include "agent/app/spool_push.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "agent/app/lost_frames.h"
#include "agent/app/writer.h"
#include "agent/base/interval_set.h"
#include "agent/mqtt/paho_bus.h"
#include "agent/spool/directory_lock.h"
#include "agent/spool/sqlite_spool.h"

namespace joulespool::app {
namespace {

constexpr int64_t look_ns = 100 * ns_per_ms;  // between two looks at how far it is
constexpr size_t frames_at_once = 4096;       // of one listing
// The spool only gets smaller: no budget shall drop what is to be sent.
constexpr uint64_t budget_bytes = 64ULL << 40;
constexpr const char* damaged_reason = "the stored bytes do not match their checksum";

uint64_t random_number() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32) | random();
}

// Which of the frames that waited at the start have come to an end. Any thread.
class Ledger {
 public:
  void expect(const wire::FrameSequence& sequence, uint64_t seq, uint64_t size_bytes) {
    const std::lock_guard lock(mutex_);
    Waiting& waiting = waiting_[sequence];
    waiting.settled.insert(waiting.end, seq);  // those between do not wait
    waiting.end = seq + 1;
    ++frames_;
    bytes_ += size_bytes;
  }
  // How many of them waited.
  uint64_t settle(const wire::FrameSequence& sequence, const wire::SeqRange& range) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(sequence);
    if (found == waiting_.end()) return 0;
    const uint64_t end = range.last < found->second.end ? range.last + 1 : found->second.end;
    if (range.first >= end) return 0;
    const uint64_t news = end - range.first - found->second.settled.insert(range.first, end);
    settled_ += news;
    return news;
  }
  [[nodiscard]] PushProgress progress() const {
    const std::lock_guard lock(mutex_);
    return {frames_, settled_, bytes_, {}};
  }

 private:
  struct Waiting {
    IntervalSet settled;  // of [0, end): did not wait, or do no longer
    uint64_t end = 0;
  };
  mutable std::mutex mutex_;
  std::map<wire::FrameSequence, Waiting> waiting_;
  uint64_t frames_ = 0, settled_ = 0, bytes_ = 0;
};

class SpoolPush {
 public:
  SpoolPush(const PushSettings& settings, Clock& clock) : settings_(settings), clock_(clock) {}
  SpoolPush(const SpoolPush&) = delete;
  SpoolPush& operator=(const SpoolPush&) = delete;
  ~SpoolPush() { stop(); }

  Status open() {
    auto reader = spool::open_spool_reader(settings_.directory, spool::ReadMode::snapshot);
    if (!reader) return reader.error();
    result_.host = (*reader)->host();
    JOULESPOOL_TRY(take_hold(), "spool");
    if (result_.removes) reader = spool::open_spool_reader(settings_.directory);
    if (!reader) return reader.error();
    reader_ = std::move(*reader);
    return expect_frames();
  }

  Status start(const uplink::BusFactory& given) {
    JOULESPOOL_TRY(make_writer(), "spool");
    uplink::UplinkSettings settings;
    settings.host = result_.host;
    settings.backoff_seed = random_number();
    settings.publishes_state = false;
    uplink_ = std::make_unique<uplink::Uplink>(settings, clock_, given ? given : bus_factory(), std::move(reader_), callbacks());
    if (writer_) writer_thread_ = std::jthread([this](const std::stop_token& stop) { writer_->run(stop); });
    return uplink_->start();
  }

  // Until there is nothing more to do.
  Status wait(const std::stop_token& stop, const std::function<void(const PushProgress&)>& on_progress) {
    uint64_t settled = 0;
    int64_t moved_ns = clock_.monotonic_ns();
    while (!is_done()) {
      PushProgress progress = ledger_.progress();
      progress.waiting_for = obstacle();
      if (on_progress) on_progress(progress);
      if (std::exchange(settled, progress.frames_settled) != progress.frames_settled) moved_ns = clock_.monotonic_ns();
      if (settings_.timeout_ns > 0 && clock_.monotonic_ns() - moved_ns > settings_.timeout_ns) {
        result_.end = PushResult::End::gave_up;
        result_.reason = progress.waiting_for.empty() ? "no acks come from the bridge" : progress.waiting_for;
        return {};
      }
      if (clock_.wait_until(clock_.monotonic_ns() + look_ns, stop)) continue;
      result_.end = PushResult::End::stopped;
      return {};
    }
    return {};
  }

  // Stores what is known by now.
  void stop() {
    if (uplink_) uplink_->stop();
    if (!writer_thread_.joinable()) return;
    writer_thread_.request_stop();
    writer_thread_.join();
  }

  PushResult result() {
    const std::lock_guard lock(mutex_);
    const PushProgress progress = ledger_.progress();
    result_.frames = progress.frames;
    result_.bytes = progress.bytes;
    return result_;
  }

 private:
  // Writes where that is wanted and possible; in any case, nobody else does.
  Status take_hold() {
    JOULESPOOL_TRY(spool::DirectoryLock::check_free(settings_.directory), "a running agent sends its spool itself");
    const bool writable = ::access(settings_.directory.c_str(), W_OK) == 0;
    if (!writable) {
      result_.removes_not = settings_.directory + " cannot be written";
      return {};
    }
    if (settings_.keep) {
      result_.removes_not = "they are to be kept";
      auto lock = spool::DirectoryLock::acquire(settings_.directory);
      if (!lock) return lock.error();
      lock_ = std::move(*lock);
      return {};
    }
    auto writer =
        spool::open_spool_writer({.directory = settings_.directory, .host = result_.host, .budget_bytes = budget_bytes});
    if (!writer) return writer.error();
    spool_ = std::move(*writer);
    result_.notices = spool_->take_notices();
    result_.removes = true;
    return {};
  }

  Status expect_frames() {
    const auto usage = reader_->usage();
    if (!usage) return usage.error();
    for (const spool::LaneUsage& lane : usage->lanes) {
      result_.kept_frames += lane.kept_frames;
      if (lane.queued_frames == 0) continue;
      for (uint64_t after = 0;;) {
        const auto frames = reader_->list(lane.sequence, after, frames_at_once);
        if (!frames) return frames.error();
        if (frames->empty()) break;
        for (const spool::FrameInfo& frame : *frames)
          if (frame.state == spool::FrameState::queued) ledger_.expect(lane.sequence, frame.id.seq, frame.size_bytes);
        after = frames->back().id.seq;
      }
    }
    return {};
  }

  // Under a name of its own: the host's agent, or that of the machine in its place, would lose its connection.
  [[nodiscard]] uplink::BusFactory bus_factory() const {
    char suffix[17];
    std::snprintf(suffix, sizeof suffix, "%08x", static_cast<unsigned>(random_number() >> 32));
    mqtt::BusOptions options;
    options.uri = settings_.broker.uri;
    options.client_id = "joulespool-push-" + result_.host + "-" + suffix;
    options.username = settings_.broker.username;
    options.password = settings_.broker.password;
    return [options](mqtt::BusListener listener) { return mqtt::make_paho_bus(options, std::move(listener)); };
  }

  Status make_writer() {
    if (!spool_) return {};
    auto pipelines = pipelines_of_stored_devices(*spool_, result_.host);
    if (!pipelines) return pipelines.error();
    for (const auto& pipeline : *pipelines) recordable_.insert(pipeline->device().id);
    Writer::Listener listener;
    listener.committed = [this] { uplink_->frames_committed(); };
    listener.event = [](const std::string&, const wire::Event&) {};
    writer_ = std::make_unique<Writer>(WriterSettings{}, clock_, ring_, *spool_, std::move(*pipelines), std::move(listener));
    return {};
  }

  // On the uplink's thread.
  uplink::UplinkCallbacks callbacks() {
    uplink::UplinkCallbacks callbacks;
    callbacks.on_stored = [this](const auto& ranges) { delivered(ranges); };
    callbacks.on_rejected = [this](const wire::FrameId& id, const std::string& reason) {
      not_sent(id, wire::GapReason::rejected, reason);
    };
    callbacks.on_damaged = [this](const wire::FrameId& id) { not_sent(id, wire::GapReason::corrupt, damaged_reason); };
    callbacks.state_json = callbacks.offline_state_json = [] { return std::string(); };
    return callbacks;
  }

  void delivered(const std::vector<std::pair<wire::FrameSequence, wire::SeqRange>>& ranges) {
    uint64_t count = 0;
    for (const auto& [sequence, range] : ranges) count += ledger_.settle(sequence, range);
    if (writer_) writer_->frames_stored(ranges);
    const std::lock_guard lock(mutex_);
    result_.delivered += count;
  }

  // A frame of a device of which the spool knows nothing else stays where it is: its loss could not be recorded.
  void not_sent(const wire::FrameId& id, wire::GapReason reason, const std::string& detail) {
    ledger_.settle(id.sequence, {id.seq, id.seq});
    const bool goes = writer_ && recordable_.contains(id.sequence.device);
    if (goes) writer_->frame_lost(id, reason, detail);
    const std::lock_guard lock(mutex_);
    ++(reason == wire::GapReason::rejected ? result_.rejected : result_.damaged);
    ++(goes ? result_.set_aside : stay_);
    if (result_.unsent.size() < unsent_named_max) result_.unsent.push_back({id, detail});
  }

  // Gap records that were made meanwhile are sent, too.
  bool is_done() {
    const PushProgress progress = ledger_.progress();
    if (progress.frames_settled < progress.frames) return false;
    if (!writer_) return true;
    uint64_t queued = 0;
    for (const spool::LaneUsage& lane : writer_->status().usage.lanes) queued += lane.queued_frames;
    const std::lock_guard lock(mutex_);
    return queued <= stay_;
  }

  std::string obstacle() {
    const uplink::UplinkStatus status = uplink_->status();
    if (status.connects + status.connects_failed == 0) return "the broker to answer";
    if (!status.connected) return "the broker cannot be reached" + (status.last_error.empty() ? "" : ": " + status.last_error);
    if (!status.bridge_accepting) return status.bridge_reason;
    return writer_ ? writer_->status().spool_error : "";
  }

  const PushSettings settings_;
  Clock& clock_;
  std::optional<spool::DirectoryLock> lock_;
  std::unique_ptr<spool::SpoolWriter> spool_;  // none: it is only read
  std::unique_ptr<spool::SpoolReader> reader_;
  Ledger ledger_;
  SampleRing ring_{{}};  // nothing comes out of it
  std::set<std::string> recordable_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<uplink::Uplink> uplink_;
  std::mutex mutex_;  // guards what follows
  PushResult result_;
  uint64_t stay_ = 0;  // frames that wait and cannot be sent
  std::jthread writer_thread_;
};

}  // namespace

Result<PushResult> push_spool(const PushSettings& settings, Clock& clock, const std::stop_token& stop,
                              const std::function<void(const PushProgress&)>& on_progress, const uplink::BusFactory& make_bus) {
  SpoolPush push(settings, clock);
  JOULESPOOL_TRY(push.open(), "push");
  JOULESPOOL_TRY(push.start(make_bus), "push");
  JOULESPOOL_TRY(push.wait(stop, on_progress), "push");
  push.stop();
  return push.result();
}

}  // namespace joulespool::app
