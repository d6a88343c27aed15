// Over any history, samples in = samples out + samples in gap records, and the energies add up: real writer, pipelines and spool,
// with too little disk, losses of the device, crashes, restarts, full disks, and a receiver that hears frames twice and late.
// JOULESPOOL_HISTORIES: how many; JOULESPOOL_TEST_SEED replays one.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "agent/app/lost_frames.h"
#include "agent/app/writer.h"
#include "agent/codec/power.h"
#include "agent/spool/sqlite_spool.h"
#include "cloud-bridge/reader/completeness.h"
#include "cloud-bridge/reader/frame_collector.h"
#include "tests/support/small_disk.h"
#include "tests/support/survived.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool;
namespace fs = std::filesystem;

constexpr const char* device_id = "js220-000001";
constexpr uint64_t budget_bytes = 3ULL << 20, disk_bytes = 12ULL << 20;
// A window of 1 ms has ten samples: few samples fill the spool.
constexpr uint32_t decimation = 200;
constexpr uint64_t life_of_counter = 5;
constexpr size_t block_samples = 4'000;
constexpr uint64_t block_ticks = block_samples * decimation;

// The device: a function of the tick.
float current_at(uint64_t tick) {
  uint64_t hash = tick * 0x9E3779B97F4A7C15U;
  hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9U;
  return static_cast<float>(static_cast<int64_t>((hash >> 32) % 20011) - 10000) * 1e-6F;
}
float voltage_at(uint64_t tick) { return 1.8F + static_cast<float>(tick / decimation % 7) * 1e-3F; }

struct Sums {
  uint64_t samples = 0;
  int128 i = 0, p = 0;
  bool operator==(const Sums&) const = default;
};

void add_sums(uint64_t first, uint64_t end, Sums& sums) {
  for (uint64_t tick = first; tick < end; tick += decimation) {
    ++sums.samples;
    sums.i += wire::to_units(current_at(tick)).value;
    sums.p += wire::to_units(codec::product(current_at(tick), voltage_at(tick))).value;
  }
}

// A spool whose process is gone after so many commits: what is on the disk then is in `left`, and nothing changes any more.
class MortalSpool final : public spool::SpoolWriter {
 public:
  MortalSpool(std::unique_ptr<spool::SpoolWriter> spool, std::string directory, std::string left, uint64_t commits,
              bool with_last)
      : spool_(std::move(spool)),
        directory_(std::move(directory)),
        left_(std::move(left)),
        commits_(commits),
        with_last_(with_last) {}

  [[nodiscard]] bool is_gone() const { return gone_; }

  [[nodiscard]] uint64_t epoch() const override { return spool_->epoch(); }
  [[nodiscard]] uint64_t next_seq(const wire::FrameSequence& sequence) const override { return spool_->next_seq(sequence); }
  Status commit(const spool::Commit& commit) override {
    if (!gone_ && commits_ > 0) {
      const Status done = spool_->commit(commit);
      if (done) --commits_;
      return done;
    }
    if (!gone_) {
      if (with_last_) static_cast<void>(spool_->commit(commit));  // stored, and nobody hears of it
      fs::copy(directory_, left_, fs::copy_options::recursive);
      gone_ = true;
    }
    return Error{Errc::full, "gone"};
  }
  Result<spool::FrameInfo> find(const wire::FrameId& id) override { return spool_->find(id); }
  Result<spool::RoomPlan> make_room(const spool::RoomRequest& request) override { return spool_->make_room(request); }
  Result<std::vector<spool::StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                               std::optional<spool::FrameState> state, size_t frames_max,
                                               size_t bytes_max) override {
    return spool_->read(sequence, after_seq, state, frames_max, bytes_max);
  }
  Result<spool::Usage> usage() override { return spool_->usage(); }
  Result<std::vector<spool::DevicePosition>> positions() override { return spool_->positions(); }
  std::vector<std::string> take_notices() override { return spool_->take_notices(); }

 private:
  std::unique_ptr<spool::SpoolWriter> spool_;
  const std::string directory_, left_;
  uint64_t commits_;
  const bool with_last_;
  std::atomic<bool> gone_ = false;
};

// Whatever came of all lives of the agent, as a receiver hears it.
class Receiver {
 public:
  void add(const spool::StoredFrame& frame) {
    REQUIRE(frame.intact);
    const auto [at, is_new] = frames_.try_emplace(frame.info.id, frame.bytes);
    CHECK((is_new || at->second == frame.bytes));  // no number stands for two contents
  }
  // All but one of them.
  [[nodiscard]] reader::CoverageMap coverage(const std::optional<wire::FrameId>& without = {}) const {
    reader::CoverageMap coverage;
    reader::FrameCollector collector([&](const reader::CollectedFrame& frame) { coverage.add(frame); });
    for (const auto& [id, bytes] : frames_)
      if (id != without) collector.add({id.sequence.device, "", 0, bytes});
    collector.finish();
    CHECK(collector.counters().damaged_total() == 0);
    return coverage;
  }
  [[nodiscard]] size_t count() const { return frames_.size(); }

 private:
  std::map<wire::FrameId, wire::Bytes> frames_;
};

// One life of the agent.
class Run {
 public:
  Run(const std::string& directory, const std::string& left, const std::string& boot, uint64_t commits, bool with_last)
      : ring_({{device_id, 4 * block_samples}}) {
    spool::SpoolOptions options{directory, "host-1", budget_bytes};
    options.boot = boot;
    auto opened = spool::open_spool_writer(options);
    REQUIRE_MESSAGE(opened.ok(), (opened ? "" : opened.error().message));
    spool_ = std::make_unique<MortalSpool>(std::move(*opened), directory, left, commits, with_last);
    auto reader = spool::open_spool_reader(directory);
    REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
    reader_ = std::move(*reader);
    const auto positions = spool_->positions();
    app::PipelineSettings settings;
    settings.host = "host-1";
    settings.device = {device_id, "js220", "000001"};
    settings.source = "test";
    settings.boot = boot;
    settings.epoch = spool_->epoch();
    settings.wave = app::WaveMode::upload;
    std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
    pipelines.push_back(std::make_unique<app::DevicePipeline>(
        settings, positions->empty() ? std::nullopt : std::optional(positions->front()), app::next_seqs(*spool_, device_id)));
    app::Writer::Listener listener;
    listener.committed = [] {};
    listener.event = [](const std::string&, const wire::Event&) {};
    listener.published = [this] {
      const std::lock_guard lock(mutex_);
      return published_;
    };
    writer_ = std::make_unique<app::Writer>(app::WriterSettings{10, budget_bytes}, clock_, ring_, *spool_, std::move(pipelines),
                                            std::move(listener));
    thread_ = std::jthread([this](const std::stop_token& stop) { static_cast<void>(writer_->run(stop)); });
  }

  [[nodiscard]] bool is_gone() const { return spool_->is_gone(); }
  // `waits` for room in the ring, or takes an overrun.
  void feed(uint64_t tick, bool waits) {
    if (waits) REQUIRE(ring_.wait_for_room(device_id, block_samples, std::chrono::seconds(60)));
    std::vector<float> i(block_samples), v(block_samples);
    for (size_t at = 0; at < block_samples; ++at) {
      i[at] = current_at(tick + at * decimation);
      v[at] = voltage_at(tick + at * decimation);
    }
    signal::SampleBlock block;
    block.sample_id = tick;
    block.axis = {life_of_counter, 2'000'000, decimation};
    block.utc = {0, 1'760'000'000'000'000'000, 2e6, wire::UtcQuality::host};
    block.i = i;
    block.v = v;
    ring_.on_samples(device_id, block);
  }
  void wait_for_commit() {
    const auto deadline_ns = clock_.monotonic_ns() + 60 * ns_per_s;
    while (writer_->status().commits == 0) REQUIRE(clock_.monotonic_ns() < deadline_ns);
  }
  // Some of what waits, of any lane and epoch; acked or not.
  void deliver(Receiver& receiver, std::mt19937_64& random) {
    const auto usage = reader_->usage();
    REQUIRE(usage.ok());
    for (const spool::LaneUsage& lane : usage->lanes) {
      if (random() % 3 == 0) continue;
      const size_t frames_max = random() % 20 + 1;
      const auto read = [&] { return reader_->read(lane.sequence, 0, spool::FrameState::queued, frames_max, 1 << 20); };
      auto frames = read();
      for (int again = 0; !frames && again < 3; ++again) {  // as the uplink does
        MESSAGE(frames.error().message);
        frames = read();
      }
      REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
      if (frames->empty()) continue;
      {
        const std::lock_guard lock(mutex_);
        published_[lane.sequence] = std::max(published_[lane.sequence], frames->back().info.id.seq);
      }
      for (const auto& frame : *frames) receiver.add(frame);
      if (random() % 3 == 0) continue;  // the ack is lost
      for (const auto& frame : *frames) writer_->frames_stored({{lane.sequence, {frame.info.id.seq, frame.info.id.seq}}});
    }
  }
  app::WriterStatus stop() {
    thread_.request_stop();
    thread_.join();
    return writer_->status();
  }

 private:
  SystemClock clock_;
  app::SampleRing ring_;
  std::unique_ptr<MortalSpool> spool_;
  std::unique_ptr<spool::SpoolReader> reader_;
  std::mutex mutex_;
  std::map<wire::FrameSequence, uint64_t> published_;
  std::unique_ptr<app::Writer> writer_;
  std::jthread thread_;
};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {}

  void live(int lives) {
    if (!disk_.mounted()) return;
    for (int life = 0; life < lives; ++life) {
      CAPTURE(life);
      live_once(life + 1 == lives);
    }
    take_rest();
  }
  [[nodiscard]] bool lived() const { return disk_.mounted(); }
  [[nodiscard]] const Receiver& receiver() const { return receiver_; }
  [[nodiscard]] uint64_t end() const { return tick_; }
  uint64_t crashes = 0, merged = 0, evicted = 0, refused = 0;
  wire::FrameId newest;  // of lane stat: no other frame stands for it

 private:
  void live_once(bool last) {
    const test::TemporaryDirectory left(test::Storage::memory);
    const bool dies = !last && random_() % 2 == 0;
    Run run(disk_ / "spool", left / "spool", std::to_string(boot_), dies ? random_() % 60 + 2 : UINT64_MAX, random_() % 2 == 0);
    if (tick_ == 0) begin(run);
    for (auto steps = 10 + random_() % 40; (steps > 0 || dies) && !run.is_gone(); --steps) step(run);
    disk_.empty();
    if (last) run.feed(std::exchange(tick_, tick_ + block_ticks), true);
    const auto status = run.stop();
    merged += status.frames_merged;
    evicted += status.frames_evicted;
    refused += status.commits_failed;
    if (!run.is_gone()) return;
    ++crashes;
    fs::remove_all(disk_ / "spool");
    fs::copy(left / "spool", disk_ / "spool", fs::copy_options::recursive);
    if (random_() % 3 == 0) ++boot_;
  }
  // The first block is stored: of what a device loses before that, nobody could know.
  void begin(Run& run) {
    run.feed(std::exchange(tick_, tick_ + block_ticks), true);
    run.wait_for_commit();
  }
  void step(Run& run) {
    const auto kind = random_() % 100;
    if (kind < 70) {
      for (auto count = random_() % 6 + 1; count > 0; --count) {
        run.feed(tick_, random_() % 20 != 0);
        tick_ += block_ticks;
      }
    } else if (kind < 74) {
      tick_ += (random_() % 5000 + 1) * decimation;  // the device lost some
    } else if (kind < 80) {
      disk_.fill();
    } else if (kind < 86) {
      disk_.empty();
    } else {
      run.deliver(receiver_, random_);
    }
  }
  void take_rest() {
    auto reader = spool::open_spool_reader(disk_ / "spool", spool::ReadMode::snapshot);
    REQUIRE(reader.ok());
    const auto usage = (*reader)->usage();
    REQUIRE(usage.ok());
    for (const spool::LaneUsage& lane : usage->lanes) {
      const auto frames = (*reader)->read(lane.sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
      REQUIRE(frames.ok());
      for (const auto& frame : *frames) {
        receiver_.add(frame);
        if (frame.info.id.sequence.lane != wire::Lane::stat || frame.info.sample_id_end < newest_end_) continue;
        newest_end_ = frame.info.sample_id_end;
        newest = frame.info.id;
      }
    }
  }

  const test::SmallDisk disk_{disk_bytes};
  std::mt19937_64 random_;
  Receiver receiver_;
  uint64_t tick_ = 0, newest_end_ = 0;
  int boot_ = 1;
};

constexpr int lives_per_history = 8;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t histories_usual = 1;  // what is instrumented is slower
#else
constexpr uint64_t histories_usual = 2;
#endif

// Samples of a lane that are in no frame and no gap record.
uint64_t unaccounted_in(const reader::AxisCoverage& axis, wire::Lane lane, uint64_t end) {
  IntervalSet accounted = axis.gaps;
  for (const IntervalSet* spans : {&axis.lane(lane).delivered, &axis.lane(lane).lost})
    for (const auto& span : spans->intervals()) accounted.insert(span.first, span.end);
  uint64_t count = 0;
  for (const auto& hole : accounted.missing(0, end)) count += (hole.end - hole.first) / decimation;
  return count;
}

uint64_t unaccounted_in(const reader::DeviceCoverage& device, uint64_t end) {
  const reader::AxisCoverage& axis = device.axes.front();
  return unaccounted_in(axis, wire::Lane::stat, end) + unaccounted_in(axis, wire::Lane::wave, end);
}

// What came in lane stat, from the device's function.
Sums sums_of_delivered(const reader::AxisCoverage& axis) {
  Sums sums;
  for (const auto& span : axis.lane(wire::Lane::stat).delivered.intervals())
    for (const auto& there : axis.gaps.missing(span.first, span.end)) add_sums(there.first, there.end, sums);
  return sums;
}

}  // namespace

TEST_CASE("account: over any history, samples in are samples out and samples in gap records, and the energies add up") {
  const uint64_t first_seed = test::first_seed();
  test::Survived survived{"random histories of an agent", 0, test::wanted("JOULESPOOL_HISTORIES", histories_usual)};
  uint64_t crashes = 0, merged = 0, evicted = 0, refused = 0;
  for (; survived.done < survived.planned; ++survived.done) {
    const uint64_t seed = first_seed + survived.done;
    CAPTURE(seed);
    History history(seed);
    history.live(lives_per_history);
    if (!history.lived()) return;
    reader::CoverageMap coverage = history.receiver().coverage();
    const reader::DeviceCoverage& device = coverage.devices().at(device_id);
    REQUIRE(device.axes.size() == 1);
    const reader::AxisCoverage& axis = device.axes.front();
    CHECK(axis.first == 0);
    CHECK(axis.end == history.end());
    const auto verdict = reader::judge(device, {});
    CHECK(verdict.missing_samples.empty());
    CHECK(verdict.missing_frames.empty());
    CHECK(verdict.contradictions.empty());
    CHECK(device.damaged_frames == 0);
    const uint64_t unaccounted = unaccounted_in(device, history.end());
    CHECK(unaccounted == 0);
    const reader::LaneTotals& stat = device.total(wire::Lane::stat);
    CHECK((Sums{stat.samples, stat.i_sum, stat.p_sum} == sums_of_delivered(axis)));
    survived.samples += history.end() / decimation;
    survived.unaccounted += unaccounted;
    crashes += history.crashes;
    merged += history.merged;
    evicted += history.evicted;
    refused += history.refused;
  }
  survived.detail = std::to_string(crashes) + " crashes, " + std::to_string(merged) + " frames merged, " +
                    std::to_string(evicted) + " evicted, " + std::to_string(refused) + " commits refused; seed " +
                    std::to_string(first_seed);
  CHECK(merged + evicted > 0);
  test::report(survived);
}

TEST_CASE("account: the test finds a frame that never came") {
  History history(test::first_seed());
  history.live(2);
  if (!history.lived()) return;
  auto coverage = history.receiver().coverage(history.newest);
  const reader::DeviceCoverage& device = coverage.devices().at(device_id);
  test::Canary canary{"a frame that never came", 0, 1, unaccounted_in(device, history.end())};
  CHECK(canary.unaccounted > 0);
  CHECK_FALSE(reader::judge(device, {}).complete());
  canary.seen = canary.unaccounted > 0 ? 1 : 0;
  test::report(canary);
}
