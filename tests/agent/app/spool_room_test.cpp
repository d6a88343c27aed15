// What the writer does when the spool's budget is used up: windows are merged, and only then dropped.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "agent/app/writer.h"
#include "agent/base/interval_set.h"
#include "agent/codec/codec.h"
#include "agent/codec/power.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;

constexpr const char* device_id = "js220-000001";
constexpr uint64_t budget_bytes = 16 * 1024 * 1024;
// A window of 1 ms has two samples: few samples fill the spool.
constexpr uint32_t decimation = 1000;
constexpr size_t block_samples = 4'000;

float current_at(uint64_t tick) {
  uint64_t hash = tick * 0x9E3779B97F4A7C15U;
  hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9U;
  return static_cast<float>(static_cast<int64_t>((hash >> 32) % 20011) - 10000) * 1e-6F;
}
float voltage_at(uint64_t tick) { return 1.8F + static_cast<float>(tick % 7) * 1e-3F; }

using Published = std::map<wire::FrameSequence, uint64_t>;

app::PipelineSettings pipeline_settings(uint64_t epoch) {
  app::PipelineSettings made;
  made.host = "host-1";
  made.device = {device_id, "js220", "000001"};
  made.source = "test";
  made.boot = "boot";
  made.epoch = epoch;
  return made;
}

// A spool with a budget of a few minutes.
struct Disk {
  explicit Disk(const std::string& directory, const std::string& boot = "one") {
    spool::SpoolOptions options;
    options.directory = directory;
    options.host = "host-1";
    options.budget_bytes = budget_bytes;
    options.stat.share_percent = 45;
    options.wave.share_percent = 50;
    options.boot = boot;
    auto opened = spool::open_spool_writer(options);
    if (!opened) FAIL(opened.error().message);
    spool = std::move(*opened);
  }
  [[nodiscard]] wire::FrameSequence sequence(wire::Lane lane) const { return {device_id, spool->epoch(), lane}; }
  [[nodiscard]] std::unique_ptr<app::DevicePipeline> pipeline() const {
    app::NextSeqs next{};
    for (const wire::Lane lane : wire::lanes) next[static_cast<size_t>(lane) - 1] = spool->next_seq(sequence(lane));
    const auto positions = spool->positions();
    REQUIRE(positions.ok());
    return std::make_unique<app::DevicePipeline>(pipeline_settings(spool->epoch()),
                                                 positions->empty() ? std::nullopt : std::optional(positions->front()), next);
  }
  std::unique_ptr<spool::SpoolWriter> spool;
};

// A writer on its own thread that commits as often as it can.
class Run {
 public:
  Run(Disk& disk, std::function<Published()> published) : ring_{{{device_id, 4 * block_samples}}} {
    std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
    pipelines.push_back(disk.pipeline());
    app::Writer::Listener listener;
    listener.committed = [this] { disk_bytes_max_ = std::max(disk_bytes_max_, writer_->status().usage.disk_bytes); };
    listener.event = [](const std::string&, const wire::Event&) {};
    listener.published = std::move(published);
    writer_ = std::make_unique<app::Writer>(app::WriterSettings{10, budget_bytes}, clock_, ring_, *disk.spool,
                                            std::move(pipelines), std::move(listener));
    thread_ = std::jthread([this](const std::stop_token& stop) { writer_->run(stop); });
  }

  void feed(uint64_t& tick, size_t blocks, wire::Totals& fed, uint64_t life = 5) {
    for (; blocks > 0; --blocks, tick += block_samples * decimation) {
      const auto deadline_ns = clock_.monotonic_ns() + 60 * ns_per_s;
      while (!ring_.wait_for_room(device_id, block_samples, std::chrono::milliseconds(100)))
        REQUIRE(clock_.monotonic_ns() < deadline_ns);
      feed_block(tick, fed, life);
    }
  }
  app::WriterStatus stop() {
    thread_.request_stop();
    thread_.join();
    CHECK(disk_bytes_max_ <= budget_bytes);
    return writer_->status();
  }

 private:
  void feed_block(uint64_t tick, wire::Totals& fed, uint64_t life) {
    std::vector<float> i, v;
    for (size_t at = 0; at < block_samples; ++at) {
      i.push_back(current_at(tick + at * decimation));
      v.push_back(voltage_at(tick + at * decimation));
      ++fed.samples;
      ++fed.valid;
      fed.i_sum += wire::to_units(i.back()).value;
      fed.p_sum += wire::to_units(codec::product(i.back(), v.back())).value;
    }
    signal::SampleBlock block;
    block.sample_id = tick;
    block.axis = {life, 2'000'000, decimation};
    block.utc = {0, 1'760'000'000'000'000'000, 2e6, wire::UtcQuality::host};
    block.i = i;
    block.v = v;
    ring_.on_samples(device_id, block);
  }

  SystemClock clock_;
  app::SampleRing ring_;
  std::unique_ptr<app::Writer> writer_;
  uint64_t disk_bytes_max_ = 0;  // the thread's, until it has ended
  std::jthread thread_;
};

// What is in the spool, and what its records say.
struct Account {
  wire::Totals stat;
  std::map<uint8_t, size_t> frames_by_level;
  IntervalSet windows, lost;  // ticks
  uint64_t samples_lost = 0;
  std::vector<wire::Gap> gaps;           // of lane stat
  std::map<uint64_t, IntervalSet> seqs;  // by epoch: there, replaced, or lost
  std::set<wire::FrameId> there;
  size_t named_twice = 0;
};

void note(uint64_t epoch, const wire::SeqRange& range, Account& account) {
  if (account.seqs[epoch].insert(range.first, range.last + 1) > 0) ++account.named_twice;
}

void add_stat(const spool::StoredFrame& stored, Account& account) {
  const auto opened = app::open_stat_frame(stored.bytes);
  if (!opened) FAIL(opened.error().message);
  const wire::FrameHeader& header = opened->header;
  CHECK(stored.info.samples == header.samples);
  CHECK((stored.info.level > 0) == header.kept.has_value());
  CHECK(stored.bytes.size() <= wire::frame_size_max_default);
  ++account.frames_by_level[stored.info.level];
  account.there.insert(header.id());
  account.stat.samples += header.samples;
  account.stat.valid += header.valid;
  account.stat.i_sum += header.i_sum;
  account.stat.p_sum += header.p_sum;
  uint64_t overlaps = 0;
  for (const wire::Window& window : opened->windows)
    overlaps += account.windows.insert(window.sample_id_first, window.sample_id_end);
  CHECK(overlaps == 0);
  note(header.epoch, {header.seq, header.seq}, account);
  for (const wire::ReplacedFrames& frames : header.replaces) note(frames.epoch, frames.seqs, account);
}

void add_events(const spool::StoredFrame& stored, Account& account) {
  const auto read = wire::read_frame(stored.bytes);
  REQUIRE(std::holds_alternative<wire::Frame>(read));
  const auto events = wire::read_events(std::get<wire::Frame>(read).payload);
  REQUIRE(events.ok());
  for (const wire::Event& event : *events) {
    const auto* gap = std::get_if<wire::Gap>(&event);
    if (gap == nullptr || gap->lane != wire::Lane::stat) continue;
    account.gaps.push_back(*gap);
    account.samples_lost += gap->samples_lost;
    CHECK(account.lost.insert(gap->sample_id_first, gap->sample_id_end) == 0);
    note(gap->epoch == 0 ? stored.info.id.sequence.epoch : gap->epoch, *gap->frames, account);
    for (const wire::ReplacedFrames& frames : gap->replaced) note(frames.epoch, frames.seqs, account);
  }
}

Account account_of(spool::SpoolWriter& spool) {
  Account account;
  const auto usage = spool.usage();
  REQUIRE(usage.ok());
  for (const spool::LaneUsage& lane : usage->lanes) {
    for (uint64_t after = 0;;) {
      const auto frames = spool.read(lane.sequence, after, std::nullopt, 100, 4 << 20);
      REQUIRE(frames.ok());
      if (frames->empty()) break;
      after = frames->back().info.id.seq;
      for (const spool::StoredFrame& frame : *frames) {
        REQUIRE(frame.intact);
        if (lane.sequence.lane == wire::Lane::stat) add_stat(frame, account);
        if (lane.sequence.lane == wire::Lane::event) add_events(frame, account);
      }
    }
  }
  return account;
}

// Every number that was ever given is there, replaced or lost, once.
void check_numbers(Disk& disk, const Account& account) {
  CHECK(account.named_twice == 0);
  for (const auto& [epoch, seqs] : account.seqs) CHECK(seqs.intervals().size() == 1);
  const uint64_t next = disk.spool->next_seq(disk.sequence(wire::Lane::stat));
  if (next > 1) CHECK(account.seqs.at(disk.spool->epoch()).contains(1, next));
}

}  // namespace

TEST_CASE("writer: an outage longer than the disk costs resolution, and energy to the last unit nothing") {
  const TemporaryDirectory directory{Storage::memory};
  Disk disk(directory.path());
  Run run(disk, {});
  uint64_t tick = 0;
  wire::Totals fed;
  run.feed(tick, 750, fed);  // 1.5 million windows, 50 MB
  const app::WriterStatus status = run.stop();
  const Account account = account_of(*disk.spool);
  CHECK(account.stat == fed);
  CHECK(account.gaps.empty());
  CHECK(account.windows.contains(0, tick));
  CHECK(account.windows.size() == tick);
  CHECK(account.frames_by_level.contains(0));  // the newest are as fine as ever
  CHECK(account.frames_by_level.size() > 1);
  CHECK(status.frames_merged > 0);
  CHECK(status.frames_evicted == 0);
  CHECK(status.commits_failed == 0);
  check_numbers(disk, account);
}

TEST_CASE("writer: frames that were published are not merged; where nothing can be, they are dropped with few gap records") {
  const TemporaryDirectory directory{Storage::memory};
  Disk disk(directory.path());
  uint64_t tick = 0;
  wire::Totals fed;
  SUBCASE("the first 40") {
    const Published first_frames{{disk.sequence(wire::Lane::stat), 40}};
    Run run(disk, [&] { return first_frames; });
    run.feed(tick, 400, fed);
    run.stop();
    const Account account = account_of(*disk.spool);
    CHECK(account.stat == fed);
    CHECK(account.gaps.empty());
    CHECK(account.frames_by_level.size() > 1);
    for (uint64_t seq = 1; seq <= 40; ++seq) CHECK(account.there.contains({disk.sequence(wire::Lane::stat), seq}));
    check_numbers(disk, account);
  }
  SUBCASE("all") {
    const Published all{{disk.sequence(wire::Lane::stat), UINT64_MAX}};
    Run run(disk, [&] { return all; });
    run.feed(tick, 400, fed);
    const app::WriterStatus status = run.stop();
    const Account account = account_of(*disk.spool);
    CHECK(account.frames_by_level.size() == 1);
    CHECK(account.stat.samples + account.samples_lost == fed.samples);
    CHECK(status.frames_merged == 0);
    REQUIRE(status.frames_evicted > 200);
    CHECK(account.gaps.size() * 10 < status.frames_evicted);  // neighbours have one record together
    for (const wire::Gap& gap : account.gaps) {
      CHECK(gap.reason == wire::GapReason::evicted);
      CHECK(gap.samples_lost * decimation == gap.sample_id_end - gap.sample_id_first);
      CHECK(account.windows.missing(gap.sample_id_first, gap.sample_id_end).size() == 1);
    }
    check_numbers(disk, account);
  }
}

TEST_CASE("writer: frames of an earlier epoch are merged into the present one, and dropped under their own") {
  const TemporaryDirectory directory{Storage::memory}, after{Storage::memory};
  uint64_t tick = 0, old_epoch = 0;
  wire::Totals fed;
  {
    Disk disk(directory.path());
    old_epoch = disk.spool->epoch();
    Run run(disk, {});
    run.feed(tick, 100, fed);
    run.stop();
    std::filesystem::copy(directory.path(), after / "spool", std::filesystem::copy_options::recursive);  // a power cut here
  }
  Disk disk(after / "spool", "two");
  REQUIRE(disk.spool->epoch() != old_epoch);
  const size_t old_frames = account_of(*disk.spool).there.size();
  SUBCASE("merged") {
    Run run(disk, {});
    run.feed(tick, 400, fed);
    run.stop();
    const Account account = account_of(*disk.spool);
    CHECK(account.stat == fed);
    CHECK(account.gaps.empty());
    const auto old = [&](const auto& id) { return id.sequence.epoch == old_epoch; };
    // How many depends on how samples came into commits.
    CHECK(static_cast<size_t>(std::count_if(account.there.begin(), account.there.end(), old)) < old_frames);
    check_numbers(disk, account);
  }
  SUBCASE("dropped") {
    const Published all{{disk.sequence(wire::Lane::stat), UINT64_MAX}, {{device_id, old_epoch, wire::Lane::stat}, UINT64_MAX}};
    Run run(disk, [&] { return all; });
    run.feed(tick, 400, fed);
    run.stop();
    const Account account = account_of(*disk.spool);
    CHECK(account.stat.samples + account.samples_lost == fed.samples);
    CHECK(std::any_of(account.gaps.begin(), account.gaps.end(), [&](const auto& gap) { return gap.epoch == old_epoch; }));
    check_numbers(disk, account);
  }
}

TEST_CASE("writer: a merged frame that is dropped takes along the numbers of those that it stood for") {
  const TemporaryDirectory directory{Storage::memory};
  Disk disk(directory.path());
  uint64_t tick = 0;
  wire::Totals fed;
  {
    Run run(disk, {});
    run.feed(tick, 300, fed);
    run.stop();
  }
  REQUIRE(account_of(*disk.spool).frames_by_level.size() > 1);
  const Published all{{disk.sequence(wire::Lane::stat), UINT64_MAX}};  // from now on nothing can be merged
  Run run(disk, [&] { return all; });
  run.feed(tick, 400, fed);
  run.stop();
  const Account account = account_of(*disk.spool);
  CHECK(account.stat.samples + account.samples_lost == fed.samples);
  CHECK(std::any_of(account.gaps.begin(), account.gaps.end(), [](const auto& gap) { return !gap.replaced.empty(); }));
  check_numbers(disk, account);
}

TEST_CASE("writer: an old frame that has no neighbour to be merged with does not keep others from being merged") {
  const TemporaryDirectory directory{Storage::memory};
  Disk disk(directory.path());
  const wire::FrameSequence stat = disk.sequence(wire::Lane::stat);
  // One frame of an earlier life of the counter, the oldest of all.
  codec::WindowEncoder encoder;
  wire::Window window;
  window.sample_id_first = 0;
  window.sample_id_end = decimation;
  window.count = window.valid = 1;
  wire::FrameHeader header;
  header.host = "host-1";
  header.device = {device_id, "js220", "000001"};
  header.lane = wire::Lane::stat;
  header.epoch = stat.epoch;
  header.seq = 1;
  header.codec = codec::codec_2;
  header.axis = {4, 2'000'000, decimation};
  header.sample_id_end = decimation;
  header.utc = {0, 1'750'000'000'000'000'000, 2e6, wire::UtcQuality::host};
  header.samples = header.valid = 1;
  spool::Commit lone;
  spool::NewFrame& frame = lone.frames.emplace_back();
  frame.bytes = wire::write_frame(header, encoder.encode(std::span(&window, 1), 0));
  frame.info.id = {stat, 1};
  frame.info.axis = 4;
  frame.info.sample_id_end = decimation;
  frame.info.utc_first_ns = frame.info.utc_end_ns = header.utc.utc_ns;
  frame.info.samples = 1;
  REQUIRE(disk.spool->commit(lone).ok());

  Run run(disk, {});
  uint64_t tick = 10 * decimation;
  wire::Totals fed;
  run.feed(tick, 400, fed);
  const app::WriterStatus status = run.stop();
  CHECK(status.frames_merged > 0);
  CHECK(status.frames_evicted == 0);
  const Account account = account_of(*disk.spool);
  CHECK(account.gaps.empty());
  CHECK(account.stat.samples == fed.samples + 1);
}

TEST_CASE("writer: frames that cannot be read are not merged but set aside, with a gap record; their neighbours are merged") {
  const TemporaryDirectory directory{Storage::memory};
  Disk disk(directory.path());
  uint64_t tick = 0;
  wire::Totals fed;
  {
    Run run(disk, {});
    run.feed(tick, 1, fed);
    run.stop();
  }
  const wire::FrameSequence stat = disk.sequence(wire::Lane::stat);
  spool::Commit odd;  // the first is no frame, the second has a payload that nobody knows
  for (int kind = 0; kind < 2; ++kind) {
    const auto before = disk.spool->read(stat, 0, std::nullopt, 1, 1);
    REQUIRE(before.ok());
    spool::NewFrame& frame = odd.frames.emplace_back(spool::NewFrame{before->front().info, before->front().bytes});
    frame.info.id.seq = disk.spool->next_seq(stat) + static_cast<uint64_t>(kind);
    frame.info.axis = 5;
    frame.info.sample_id_first = tick;
    frame.info.sample_id_end = tick + decimation;
    frame.info.samples = 1;
    tick += decimation;
    const auto read = wire::read_frame(before->front().bytes);
    wire::FrameHeader header = std::get<wire::Frame>(read).header;
    header.seq = frame.info.id.seq;
    header.codec = 77;
    if (kind == 0) frame.bytes.assign(300, std::byte{0x5A});
    else frame.bytes = wire::write_frame(header, {});
  }
  auto positions = *disk.spool->positions();
  positions.front().sample_id_end = tick;
  odd.positions = positions;
  const uint64_t bad = odd.frames[0].info.id.seq;
  REQUIRE(disk.spool->commit(odd).ok());

  Run run(disk, {});
  run.feed(tick, 400, fed);
  const app::WriterStatus status = run.stop();
  const Account account = account_of(*disk.spool);
  CHECK(account.stat == fed);
  REQUIRE(account.gaps.size() == 2);
  CHECK(account.gaps[0].reason == wire::GapReason::corrupt);
  CHECK(account.gaps[0].frames == wire::SeqRange{bad, bad});
  CHECK(account.gaps[1].reason == wire::GapReason::evicted);
  CHECK(account.gaps[1].frames == wire::SeqRange{bad + 1, bad + 1});
  CHECK(status.usage.quarantined_frames == 1);
  CHECK(status.frames_evicted == 1);
  check_numbers(disk, account);
}

TEST_CASE("pipeline: merged frames of a commit that is refused leave no gap, and their numbers are used again") {
  app::DevicePipeline pipeline(pipeline_settings(99), std::nullopt, {1, 7, 1});
  app::CoarseFrame coarse;
  coarse.header.host = "host-1";
  coarse.header.device = {device_id, "js220", "000001"};
  coarse.header.lane = wire::Lane::stat;
  coarse.header.codec = codec::codec_2;
  coarse.header.axis = {5, 2'000'000, decimation};
  coarse.header.sample_id_end = 5000;
  coarse.header.samples = 5;
  coarse.header.valid = 5;
  coarse.header.kept = wire::Resolution{0, 20'000, 0, false};
  coarse.header.replaces = {{98, {1, 2}}, {99, {1, 6}}};
  for (const bool stored : {false, true}) {
    app::Cut cut = pipeline.cut({});
    pipeline.add_merged({coarse, coarse}, 1, {11, 12}, cut);
    pipeline.cut_events({}, cut);
    REQUIRE(cut.frames.size() == 2);  // and no events
    CHECK(cut.frames[0].info.id.seq == 7);
    CHECK(cut.frames[1].info.id.seq == 8);
    CHECK(cut.frames[0].info.level == 1);
    CHECK(cut.frames[0].info.samples == 5);
    CHECK(cut.frames[0].info.state == spool::FrameState::queued);
    const auto read = wire::read_frame(cut.frames[0].bytes);
    REQUIRE(std::holds_alternative<wire::Frame>(read));
    CHECK(std::get<wire::Frame>(read).header.epoch == 99);
    CHECK(std::get<wire::Frame>(read).header.host_realtime_ns == 11);
    if (stored) CHECK(pipeline.committed().empty());
    else pipeline.lost(wire::GapReason::disk_full, "no space");
  }
  app::Cut next = pipeline.cut({});
  CHECK(next.frames.empty());
  pipeline.add_merged({coarse}, 2, {}, next);
  CHECK(next.frames.at(0).info.id.seq == 9);
}
