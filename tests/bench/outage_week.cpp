// A host without a network, faster than real time: the agent's own writer, pipeline and spool, fed by a simulated device whose
// samples make the time pass. One run of the agent per call; JSON on stdout says what was handed over, and what became of it.
//
//   outage_week --spool DIRECTORY --device "source=simulated,..." --until S [--from S] [--kill] [--set KEY=VALUE ...]
//
// The device needs an origin and a duration, and plays from --from to --until (seconds of its time; up to --from nobody listens).
// At its duration it ends, before that the agent is stopped, or, with --kill, kills itself (SIGKILL) while samples wait.
// --set: settings of the agent; all others have their defaults. --progress: a line on stderr every 12 hours of the device's time.

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/app/sources.h"
#include "agent/app/writer.h"
#include "agent/base/log.h"
#include "agent/codec/power.h"
#include "agent/config/settings.h"
#include "agent/device/simulated_source.h"
#include "agent/spool/sqlite_spool.h"
#include "agent/wire/window.h"

namespace {

using namespace joulespool;
using nlohmann::json;

constexpr uint32_t block_ms = 250;  // one block a commit
constexpr size_t blocks_ahead = 2;  // that may wait in the ring
constexpr int64_t hour_ns = 3600 * ns_per_s;
constexpr int64_t fill_interval_ns = 60 * ns_per_s;  // of the device's time

// What was handed over.
struct Sums {
  uint64_t samples = 0, valid = 0;
  int128 i = 0, p = 0;  // 2^-31 A, W

  void add(const Sums& other) {
    samples += other.samples;
    valid += other.valid;
    i += other.i;
    p += other.p;
  }
};

json to_json(const Sums& sums) {
  return {{"samples", sums.samples}, {"valid", sums.valid}, {"i_units", to_decimal(sums.i)}, {"p_units", to_decimal(sums.p)}};
}

Sums sums_of(const signal::SampleBlock& block) {
  Sums sums;
  sums.samples = block.count();
  for (size_t at = 0; at < block.i.size(); ++at) {
    const auto i = wire::to_units(block.i[at]), v = wire::to_units(block.v[at]);
    const auto p = wire::to_units(codec::product(block.i[at], block.v[at]));
    if (!(i.ok && v.ok && p.ok)) continue;
    ++sums.valid;
    sums.i += i.value;
    sums.p += p.value;
  }
  return sums;
}

// Between the source and the ring: counts, and holds the source up where this run ends.
class Tally final : public device::SampleSink {
 public:
  Tally(app::SampleRing& ring, std::string device, uint64_t first_tick, uint64_t stop_tick, uint32_t rate_hz)
      : ring_(ring), device_(std::move(device)), stop_tick_(stop_tick), rate_hz_(rate_hz), taken_tick_(first_tick) {}

  void on_samples(const std::string& device, const signal::SampleBlock& block) override {
    by_hour_[block.sample_id / (3600ULL * rate_hz_)].add(sums_of(block));
    const std::lock_guard lock(mutex_);
    ring_.on_samples(device, block);
    end_tick_ = block.sample_id_end();
    waiting_.push_back(end_tick_);
    if (end_tick_ >= stop_tick_) reached_.notify_all();
  }
  void on_event(const std::string& device, const device::SourceEvent& event) override {
    ring_.on_event(device, event);
    if (event.kind != device::SourceEvent::Kind::ended) return;
    const std::lock_guard lock(mutex_);
    ended_ = true;
    reached_.notify_all();
  }
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override {
    {
      const std::lock_guard lock(mutex_);
      if (end_tick_ >= stop_tick_) samples = SIZE_MAX / 2;  // as if it was full
    }
    return ring_.wait_for_room(device, samples, timeout);
  }

  void wait_until_reached() {
    std::unique_lock lock(mutex_);
    reached_.wait(lock, [&] { return ended_ || end_tick_ >= stop_tick_; });
  }
  // End of the newest sample that the writer has taken from the ring.
  uint64_t taken_tick() {
    const std::lock_guard lock(mutex_);
    for (size_t blocks = ring_.fill(device_).blocks; waiting_.size() > blocks; waiting_.pop_front())
      taken_tick_ = waiting_.front();
    return taken_tick_;
  }
  // When the source stands still.
  [[nodiscard]] const std::map<uint64_t, Sums>& by_hour() const { return by_hour_; }
  [[nodiscard]] uint64_t end_tick() const { return end_tick_; }

 private:
  app::SampleRing& ring_;
  const std::string device_;
  const uint64_t stop_tick_;
  const uint32_t rate_hz_;
  std::map<uint64_t, Sums> by_hour_;
  std::mutex mutex_;
  std::condition_variable reached_;
  std::deque<uint64_t> waiting_;  // ends of blocks in the ring
  uint64_t taken_tick_;
  uint64_t end_tick_ = 0;
  bool ended_ = false;
};

// The time is that of the newest sample that the writer has: whatever the speed of this machine, each commit finds what it would
// find in real time. Monotonic times lie in the far future, so that the ring waits for samples and for nothing else.
class SampleTime final : public Clock {
 public:
  SampleTime(int64_t origin_utc_ns, uint32_t rate_hz) : origin_utc_ns_(origin_utc_ns), rate_hz_(rate_hz) {}
  void follow(Tally& tally) { tally_ = &tally; }

  int64_t realtime_ns() override { return origin_utc_ns_ + since_origin_ns(); }
  int64_t monotonic_ns() override { return base_ns_ + since_origin_ns(); }
  // Nobody takes samples meanwhile: the time passes by itself.
  bool wait_until(int64_t deadline_ns, std::stop_token stop) override {
    waited_ns_ += std::max<int64_t>(0, deadline_ns - monotonic_ns());
    return !stop.stop_requested();
  }

 private:
  int64_t since_origin_ns() {
    const uint64_t tick = tally_ == nullptr ? 0 : tally_->taken_tick();
    return static_cast<int64_t>(static_cast<int128>(tick) * ns_per_s / rate_hz_) + waited_ns_;
  }

  const int64_t origin_utc_ns_;
  const uint32_t rate_hz_;
  const int64_t base_ns_ = SystemClock().monotonic_ns() + 100'000 * hour_ns;
  Tally* tally_ = nullptr;
  std::atomic<int64_t> waited_ns_ = 0;
};

// Blocks of the file system that all files of the spool have, as `du` counts them.
uint64_t allocated_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (auto at = std::filesystem::recursive_directory_iterator(directory, ignored); at != std::filesystem::end(at);
       at.increment(ignored)) {
    struct stat file {};
    if (::lstat(at->path().c_str(), &file) == 0 && S_ISREG(file.st_mode)) bytes += static_cast<uint64_t>(file.st_blocks) * 512;
  }
  return bytes;
}

struct Arguments {
  config::SettingsSources settings;
  double from_s = 0, until_s = 0;
  bool kill = false;
  bool progress = false;
};

// The real spool, and what went into it. But the writer asks for its usage with every commit, for people; that looks at every
// file, and here a day passes in two minutes: it gets the answer of the last minute (of the device's time).
class RarelyAsked final : public spool::SpoolWriter {
 public:
  RarelyAsked(spool::SpoolWriter& spool, Clock& clock) : spool_(spool), clock_(clock) {}

  [[nodiscard]] uint64_t epoch() const override { return spool_.epoch(); }
  [[nodiscard]] uint64_t next_seq(const wire::FrameSequence& sequence) const override { return spool_.next_seq(sequence); }
  Status commit(const spool::Commit& commit) override {
    Status stored = spool_.commit(commit);
    if (!stored) return stored;
    for (const spool::NewFrame& frame : commit.frames)
      made_bytes_[frame.info.level > 0 ? "merged" : std::string(wire::to_string(frame.info.id.sequence.lane))] +=
          frame.bytes.size();
    return stored;
  }
  // By lane; "merged": of frames that took the place of others. On the writer's thread.
  [[nodiscard]] const std::map<std::string, uint64_t>& made_bytes() const { return made_bytes_; }
  Result<spool::FrameInfo> find(const wire::FrameId& id) override { return spool_.find(id); }
  Result<spool::RoomPlan> make_room(const spool::RoomRequest& request) override { return spool_.make_room(request); }
  Result<std::vector<spool::StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                               std::optional<spool::FrameState> state, size_t frames_max,
                                               size_t bytes_max) override {
    return spool_.read(sequence, after_seq, state, frames_max, bytes_max);
  }
  Result<spool::Usage> usage() override {
    const int64_t now_ns = clock_.monotonic_ns();
    if (!usage_ || now_ns - asked_ns_ >= fill_interval_ns) {
      usage_ = spool_.usage();
      asked_ns_ = now_ns;
    }
    return *usage_;
  }
  Result<std::vector<spool::DevicePosition>> positions() override { return spool_.positions(); }
  std::vector<std::string> take_notices() override { return spool_.take_notices(); }

 private:
  spool::SpoolWriter& spool_;
  Clock& clock_;
  std::map<std::string, uint64_t> made_bytes_;
  std::optional<Result<spool::Usage>> usage_;
  int64_t asked_ns_ = 0;
};

// How full the disk was; looks on the writer's thread, after each commit.
struct Watch {
  std::mutex mutex;           // guards what follows
  json fill = json::array();  // [hour, bytes]
  uint64_t allocated_max_bytes = 0;
  uint64_t commits = 0;
  int64_t next_ns = 0;
  bool progress = false;
  std::map<std::string, uint64_t> made_bytes;

  void look(int64_t since_origin_ns, const std::string& directory, const std::map<std::string, uint64_t>& made) {
    const std::lock_guard lock(mutex);
    ++commits;
    made_bytes = made;
    if (since_origin_ns < next_ns) return;
    const uint64_t bytes = allocated_bytes(directory);
    allocated_max_bytes = std::max(allocated_max_bytes, bytes);
    if (const int64_t hour = since_origin_ns / hour_ns; fill.empty() || fill.back().front() != hour) {
      fill.push_back({hour, bytes});
      if (progress && hour % 12 == 0)
        std::cerr << "  hour " << hour << ": the spool takes " << bytes / 1'000'000 << " MB" << std::endl;
    }
    next_ns = since_origin_ns + fill_interval_ns;
  }
};

int fail(const Error& error) {
  std::cerr << "outage_week: " << error.message << "\n";
  return error.code == Errc::usage ? 2 : 3;
}

spool::SpoolOptions spool_options(const config::Settings& settings) {
  const auto lane = [](const config::LaneRetention& of) {
    return spool::LaneRetention{of.share_percent, of.age_max_h * hour_ns};
  };
  spool::SpoolOptions options;
  options.directory = settings.spool.directory;
  options.host = settings.host;
  options.budget_bytes = settings.spool.budget_bytes;
  options.stat = lane(settings.spool.stat);
  options.wave = lane(settings.spool.wave);
  return options;
}

app::PipelineSettings pipeline_settings(const config::Settings& settings, uint64_t epoch) {
  app::PipelineSettings made;
  made.host = settings.host;
  made.device = settings.devices.front().identity;
  made.source = "simulated";
  made.boot = "outage";
  made.epoch = epoch;
  made.window_us = settings.stat_window_us;
  made.wave = settings.wave_mode;
  made.wave_rate_hz = settings.wave_rate_hz;
  made.wave_budget_bytes_per_s = settings.wave_budget_bytes_per_s;
  made.frame_size_max_bytes = settings.frame_size_max_bytes;
  made.labels = settings.labels;
  made.clock_tolerance_ns = settings.capture_clock_tolerance_us * ns_per_us;
  made.cross_check_ppm = settings.capture_cross_check_ppm;
  return made;
}

Result<std::unique_ptr<app::DevicePipeline>> make_pipeline(const config::Settings& settings, spool::SpoolWriter& spool) {
  const auto positions = spool.positions();
  if (!positions) return positions.error();
  app::NextSeqs next{};
  const std::string& id = settings.devices.front().identity.id;
  for (const wire::Lane lane : wire::lanes) next[static_cast<size_t>(lane) - 1] = spool.next_seq({id, spool.epoch(), lane});
  const auto stored = positions->empty() ? std::nullopt : std::optional(positions->front());
  return std::make_unique<app::DevicePipeline>(pipeline_settings(settings, spool.epoch()), stored, next);
}

json what_happened(const Tally& tally, Watch& watch, const app::WriterStatus& status) {
  const std::lock_guard lock(watch.mutex);
  json out = {{"hours", json::object()}, {"commits", watch.commits}, {"end_tick", tally.end_tick()}};
  Sums all;
  for (const auto& [hour, sums] : tally.by_hour()) {
    out["hours"][std::to_string(hour)] = to_json(sums);
    all.add(sums);
  }
  out["handed_over"] = to_json(all);
  out["fill"] = watch.fill;
  out["made_bytes"] = watch.made_bytes;
  out["allocated_max_bytes"] = watch.allocated_max_bytes;
  out["frames_merged"] = status.frames_merged;
  out["frames_evicted"] = status.frames_evicted;
  out["commits_failed"] = status.commits_failed;
  out["spool_error"] = status.spool_error;
  out["appended_bytes"] = status.usage.wear.appended_bytes;  // of all runs so far
  out["written_bytes"] = status.usage.wear.written_bytes;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  out["rss_max_bytes"] = static_cast<uint64_t>(used.ru_maxrss) * 1024;
  const auto seconds = [](const timeval& of) { return static_cast<double>(of.tv_sec) + static_cast<double>(of.tv_usec) / 1e6; };
  out["cpu_s"] = seconds(used.ru_utime) + seconds(used.ru_stime);
  return out;
}

int run(const Arguments& arguments, const config::Settings& settings) {
  auto device = app::simulated_device(settings.devices.front());
  if (!device) return fail(device.error());
  device->unpaced = true;
  device->block_ms = block_ms;
  const wire::TimeAxis axis = device::time_axis(*device);
  const auto tick_at = [&](double s) { return static_cast<uint64_t>(s * axis.counter_rate_hz); };
  const std::string id = settings.devices.front().identity.id;

  const auto begun = std::chrono::steady_clock::now();
  auto spool = spool::open_spool_writer(spool_options(settings));
  if (!spool) return fail(spool.error());
  auto pipeline = make_pipeline(settings, **spool);
  if (!pipeline) return fail(pipeline.error());
  std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
  pipelines.push_back(std::move(*pipeline));

  app::SampleRing ring({{id, blocks_ahead * static_cast<size_t>(axis.sample_rate_hz() * block_ms / 1000)}});
  Tally tally(ring, id, tick_at(arguments.from_s), tick_at(arguments.until_s), axis.counter_rate_hz);
  SampleTime clock(device->origin_utc_ns, axis.counter_rate_hz);
  clock.follow(tally);
  RarelyAsked rarely_asked(**spool, clock);
  Watch watch;
  watch.progress = arguments.progress;
  app::Writer::Listener listener;
  listener.committed = [&] {
    watch.look(clock.realtime_ns() - device->origin_utc_ns, settings.spool.directory, rarely_asked.made_bytes());
  };
  listener.event = [](const std::string&, const wire::Event&) {};
  app::Writer writer({settings.spool.commit_window_ms}, clock, ring, rarely_asked, std::move(pipelines), std::move(listener));
  std::jthread thread([&](const std::stop_token& stop) { writer.run(stop); });

  device::SimulatedSource source(clock, {*device});
  const device::ResumePoints from{{id, {axis, tick_at(arguments.from_s), {}}}};
  if (const Status started = source.start(tally, from); !started) return fail(started.error());
  tally.wait_until_reached();
  source.stop();
  const auto report = [&] {
    json out = what_happened(tally, watch, writer.status());
    out["wall_s"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    std::cout << out.dump() << std::endl;
  };
  if (arguments.kill) {
    report();
    raise(SIGKILL);
  }
  thread.request_stop();
  thread.join();
  report();
  return 0;
}

Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.settings.hostname = "outage";
  for (size_t at = 0; at < words.size(); ++at) {
    if (words[at] == "--kill" || words[at] == "--progress") {
      (words[at] == "--kill" ? arguments.kill : arguments.progress) = true;
      continue;
    }
    if (at + 1 == words.size()) return Error{Errc::usage, words[at] + " needs a value"};
    const std::string& flag = words[at];
    const std::string& value = words[++at];
    const size_t equals = value.find('=');
    if (flag == "--spool") arguments.settings.flags.emplace_back("spool.directory", value);
    else if (flag == "--device") arguments.settings.flags.emplace_back("device", value);
    else if (flag == "--from") arguments.from_s = std::stod(value);
    else if (flag == "--until") arguments.until_s = std::stod(value);
    else if (flag == "--set" && equals != std::string::npos)
      arguments.settings.flags.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    else return Error{Errc::usage, "unknown: " + flag + " " + value};
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse({argv + 1, argv + argc});
  if (!arguments) return fail(arguments.error());
  const auto loaded = config::load_settings(arguments->settings);
  if (!loaded) return fail(loaded.error());
  if (loaded->settings.devices.size() != 1 || !(arguments->until_s > arguments->from_s))
    return fail({Errc::usage, "one --device, and an --until behind --from"});
  set_log_level(LogLevel::error);
  return run(*arguments, loaded->settings);
}
