// The spool against a model of maps: random steps, and again and again everything is compared. JOULESPOOL_MODEL_STEPS: how many
// steps; JOULESPOOL_TEST_SEED replays a run.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <tuple>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/survived.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_seed.h"

using namespace joulespool;
using spool::FrameState;
using wire::FrameSequence;
using wire::Lane;

namespace {

struct Lanes {
  uint64_t next_seq = 1;
  std::map<uint64_t, spool::FrameInfo> frames;
};

class ModelledSpool {
 public:
  explicit ModelledSpool(uint64_t seed) : random_(seed) { open(); }

  void step() {
    const auto kind = random_() % 100;
    if (kind < 45) append();
    else if (kind < 75) acknowledge();
    else if (kind < 90) make_room();
    else if (kind < 97) drop_or_set_aside();
    else if (kind < 98) crash();
    else open();
  }

  void check() {
    const auto usage = *reader_->usage();
    uint64_t payload = 0;
    for (const auto& [sequence, lanes] : model_) {
      // Nothing comes after the frames of an earlier epoch: once they have left, they are forgotten.
      if (sequence.epoch == writer_->epoch()) CHECK(writer_->next_seq(sequence) == lanes.next_seq);
      check_frames(sequence, lanes);
      payload += check_usage(usage, sequence, lanes);
    }
    CHECK(usage.payload_bytes == payload);
    CHECK(writer_->usage()->payload_bytes == payload);
    const auto positions = reader_->positions();
    for (const auto& position : *positions) CHECK(position.sample_id_end == positions_.at(position.device.id));
  }

 private:
  // An orderly end, and the next start.
  void open() {
    reader_.reset();
    writer_.reset();
    spool::SpoolOptions options{directory_->path(), test::test_host, budget};
    options.boot = std::to_string(boot_);
    auto writer = spool::open_spool_writer(options);
    REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
    writer_ = std::move(*writer);
    CHECK(writer_->take_notices().empty());
    auto reader = spool::open_spool_reader(directory_->path());
    REQUIRE(reader.ok());
    reader_ = std::move(*reader);
  }

  // The files as they are, without the writer's end: what is left of a process that was killed. Sometimes the machine was
  // started anew, too; then numbers are those of another epoch.
  void crash() {
    ++crashes;
    auto left = std::make_unique<test::TemporaryDirectory>(test::Storage::memory);
    std::filesystem::copy(directory_->path(), left->path(), std::filesystem::copy_options::recursive);
    const uint64_t epoch = writer_->epoch();
    const bool booted = random_() % 32 == 0;
    if (booted) ++boot_;
    reader_.reset();
    writer_.reset();
    directory_ = std::move(left);
    open();
    CHECK((writer_->epoch() != epoch) == booted);
  }

  FrameSequence any_sequence() {
    return {random_() % 2 == 0 ? "js220-001122" : "js110-000007", writer_->epoch(), wire::lanes[random_() % 3]};
  }
  // Also of an earlier epoch.
  FrameSequence any_known_sequence() {
    if (model_.empty() || random_() % 4 != 0) return any_sequence();
    return std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_() % model_.size()))->first;
  }

  // A random seq near what is there.
  uint64_t any_seq(const Lanes& lanes) {
    return lanes.next_seq - std::min<uint64_t>(lanes.next_seq, random_() % 12) + random_() % 3;
  }

  void apply(const spool::Commit& commit) {
    const Status done = writer_->commit(commit);
    REQUIRE_MESSAGE(done.ok(), (done ? "" : done.error().message));
  }

  void append() {
    spool::Commit commit;
    for (auto count = random_() % 4 + 1; count > 0; --count) {
      const FrameSequence sequence = any_sequence();
      Lanes& lanes = model_[sequence];
      const auto state = sequence.lane == Lane::wave && random_() % 2 == 0 ? FrameState::kept : FrameState::queued;
      auto frame = test::new_frame(sequence, lanes.next_seq++, random_() % 3 == 0 ? random_() % 40'000 : random_() % 900, state);
      frame.info.utc_first_ns = ++utc_ns_;
      frame.info.size_bytes = frame.bytes.size();
      lanes.frames.emplace(frame.info.id.seq, frame.info);
      positions_[sequence.device] = frame.info.sample_id_end;
      commit.positions.push_back(test::position_at(sequence.device, frame.info.sample_id_end));
      commit.frames.push_back(std::move(frame));
    }
    apply(commit);
  }

  void acknowledge() {
    const FrameSequence sequence = any_known_sequence();
    Lanes& lanes = model_[sequence];
    // The oldest ones, too: events leave in no other way.
    const bool oldest = lanes.frames.size() > 40 || (random_() % 4 == 0 && !lanes.frames.empty());
    const uint64_t first = oldest ? lanes.frames.begin()->first : any_seq(lanes);
    const wire::SeqRange range{first, first + random_() % (oldest ? 30 : 6)};
    std::erase_if(lanes.frames, [&](const auto& frame) {
      return frame.first >= range.first && frame.first <= range.last && frame.second.state == FrameState::queued;
    });
    spool::Commit commit;
    commit.stored = {{sequence, range}};
    apply(commit);
  }

  void drop_or_set_aside() {
    const FrameSequence sequence = any_known_sequence();
    Lanes& lanes = model_[sequence];
    spool::Commit commit;
    for (auto count = random_() % 3 + 1; count > 0; --count) {
      const uint64_t seq = any_seq(lanes);
      lanes.frames.erase(seq);
      (random_() % 8 == 0 ? commit.set_aside : commit.dropped).push_back({sequence, seq});
    }
    apply(commit);
  }

  // Asks for more than the budget by a random amount, and does what the plan says.
  void make_room() {
    spool::RoomRequest request;
    request.bytes = budget - budget / 6 + random_() % 400'000;
    for (const auto& [sequence, lanes] : model_)
      if (random_() % 4 == 0) request.published[sequence] = any_seq(lanes);
    const auto plan = writer_->make_room(request);
    REQUIRE(plan.ok());
    spool::Commit commit;
    drop(*plan, commit);
    if (!plan->merge.empty()) merge(plan->merge, request.published, commit);
    apply(commit);
  }

  // Of waveforms kept ones before those that wait, then the oldest first. Of windows the lowest numbers of each sequence.
  void drop(const spool::RoomPlan& plan, spool::Commit& commit) {
    std::vector<spool::FrameInfo> order, dropped;
    for (const auto& [sequence, lanes] : model_)
      for (const auto& [seq, frame] : lanes.frames)
        if (sequence.lane == Lane::wave) order.push_back(frame);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      const auto rank = [](const auto& frame) { return std::tuple(frame.state != FrameState::kept, frame.utc_first_ns); };
      return rank(a) < rank(b);
    });
    for (const auto& frame : plan.drop)
      if (frame.id.sequence.lane == Lane::wave) dropped.push_back(frame);
    REQUIRE(dropped.size() <= order.size());
    for (size_t i = 0; i < dropped.size(); ++i) CHECK(dropped[i].id == order[i].id);
    for (const auto& frame : plan.drop) {
      CHECK(frame.id.sequence.lane != Lane::event);
      if (frame.id.sequence.lane == Lane::stat) CHECK(model_[frame.id.sequence].frames.begin()->first == frame.id.seq);
      commit.dropped.push_back(frame.id);
      model_[frame.id.sequence].frames.erase(frame.id.seq);
    }
    const bool drops_stat =
        std::any_of(plan.drop.begin(), plan.drop.end(), [](const auto& frame) { return frame.id.sequence.lane == Lane::stat; });
    if (drops_stat) {
      CHECK(plan.merge.empty());
      for (const auto& [sequence, lanes] : model_) CHECK((sequence.lane != Lane::wave || lanes.frames.empty()));
    }
    evicted += plan.drop.size();
  }

  // A tenth of the bytes takes their place.
  void merge(const std::vector<spool::FrameInfo>& frames, const std::map<FrameSequence, uint64_t>& published,
             spool::Commit& commit) {
    const spool::FrameInfo& first = frames.front();
    const FrameSequence sequence = first.id.sequence;
    Lanes& lanes = model_[sequence];
    const auto sent = published.find(sequence);
    uint64_t bytes = 0, before = sent == published.end() ? 0 : sent->second;
    for (const auto& frame : frames) {
      CHECK(sequence.lane == Lane::stat);
      CHECK(frame.id.sequence == sequence);
      CHECK(frame.id.seq > before);
      CHECK(frame.level == first.level);
      CHECK(frame.axis == first.axis);
      CHECK(frame.state == FrameState::queued);
      REQUIRE(lanes.frames.contains(frame.id.seq));
      before = frame.id.seq;
      bytes += frame.size_bytes;
      commit.dropped.push_back(frame.id);
      lanes.frames.erase(frame.id.seq);
    }
    REQUIRE(frames.size() > 1);
    REQUIRE(first.level < spool::level_max);
    merged += frames.size();
    const FrameSequence present{sequence.device, writer_->epoch(), Lane::stat};
    Lanes& into = model_[present];
    auto frame = test::new_frame(present, into.next_seq, std::max<size_t>(bytes / 10, 100));
    frame.info.level = static_cast<uint8_t>(first.level + 1);
    frame.info.utc_first_ns = first.utc_first_ns;
    frame.info.size_bytes = frame.bytes.size();
    into.frames[into.next_seq++] = frame.info;
    commit.frames.push_back(std::move(frame));
  }

  void check_frames(const FrameSequence& sequence, const Lanes& lanes) {
    const auto frames = *reader_->read(sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    size_t well = 0;
    for (const auto& frame : frames) {
      const auto expected = lanes.frames.find(frame.info.id.seq);
      REQUIRE(expected != lanes.frames.end());
      CHECK(frame.info.state == expected->second.state);
      CHECK(frame.info.level == expected->second.level);
      CHECK(frame.info.utc_first_ns == expected->second.utc_first_ns);
      if (frame.intact && frame.bytes == test::frame_bytes(frame.info.id, expected->second.size_bytes)) ++well;
    }
    frames_checked += lanes.frames.size();
    frames_missing += lanes.frames.size() - well;
    CHECK(well == lanes.frames.size());
    const FrameState state = random_() % 2 == 0 ? FrameState::queued : FrameState::kept;
    std::vector<uint64_t> seqs;
    for (const auto& [seq, frame] : lanes.frames)
      if (frame.state == state) seqs.push_back(seq);
    CHECK(test::seqs_of(*reader_->list(sequence, 0, SIZE_MAX)) == test::seqs_of(frames));
    if (random_() % 4 == 0) CHECK(test::seqs_of(*reader_->read(sequence, 0, state, SIZE_MAX, SIZE_MAX)) == seqs);
  }

  static uint64_t check_usage(const spool::Usage& usage, const FrameSequence& sequence, const Lanes& lanes) {
    const auto* there = test::lane_of(usage, sequence);
    if (there == nullptr) {
      CHECK(lanes.frames.empty());
      return 0;
    }
    uint64_t queued = 0, queued_bytes = 0, kept = 0, kept_bytes = 0;
    int64_t oldest_queued = 0;
    for (const auto& [seq, frame] : lanes.frames) {
      if (frame.state == FrameState::queued && queued == 0) oldest_queued = frame.utc_first_ns;
      (frame.state == FrameState::queued ? queued : kept) += 1;
      (frame.state == FrameState::queued ? queued_bytes : kept_bytes) += frame.size_bytes;
    }
    CHECK(there->queued_frames == queued);
    CHECK(there->queued_bytes == queued_bytes);
    CHECK(there->kept_frames == kept);
    CHECK(there->kept_bytes == kept_bytes);
    CHECK(there->seq_first == (lanes.frames.empty() ? 0 : lanes.frames.begin()->first));
    CHECK(there->seq_next == lanes.next_seq);
    CHECK(there->oldest_queued_utc_ns == oldest_queued);
    return queued_bytes + kept_bytes;
  }

  static constexpr uint64_t budget = 8ULL << 20;
  std::unique_ptr<test::TemporaryDirectory> directory_ = std::make_unique<test::TemporaryDirectory>(test::Storage::memory);
  std::mt19937_64 random_;
  unsigned boot_ = 1;
  std::unique_ptr<spool::SpoolWriter> writer_;
  std::unique_ptr<spool::SpoolReader> reader_;
  std::map<FrameSequence, Lanes> model_;
  std::map<std::string, uint64_t> positions_;
  int64_t utc_ns_ = 1'000'000;

 public:
  size_t evicted = 0, merged = 0, crashes = 0;
  uint64_t frames_checked = 0, frames_missing = 0;
};

constexpr uint64_t steps_per_check = 100;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t steps_usual = 2000;  // what is instrumented is slower
#else
constexpr uint64_t steps_usual = 10'000;  // some ten seconds; the survival run takes ten times as many
#endif

}  // namespace

TEST_CASE("spool: random appends, acks, drops, merges, crashes and starts leave what a model says") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  ModelledSpool spool(seed);
  test::Survived survived{"random steps beside a model", 0, test::wanted("JOULESPOOL_MODEL_STEPS", steps_usual)};
  for (; survived.done < survived.planned; ++survived.done) {
    CAPTURE(survived.done);
    spool.step();
    if (survived.done % steps_per_check == steps_per_check - 1) spool.check();
  }
  CHECK(spool.evicted > survived.planned / 30);
  CHECK(spool.merged > survived.planned / 30);
  CHECK(spool.crashes > survived.planned / 200);
  survived.samples = spool.frames_checked * 1000;
  survived.unaccounted = spool.frames_missing * 1000;
  survived.detail = std::to_string(spool.crashes) + " crashes, " + std::to_string(spool.evicted) + " frames evicted, " +
                    std::to_string(spool.merged) + " merged; seed " + std::to_string(seed);
  test::report(survived);
}
