// What every spool must do, whatever it is made of. Called from a TEST_CASE with the two functions that open one.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>

#include "agent/spool/spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

namespace joulespool::test {

struct SpoolUnderTest {
  std::function<Result<std::unique_ptr<spool::SpoolWriter>>(const spool::SpoolOptions&)> open_writer;
  std::function<Result<std::unique_ptr<spool::SpoolReader>>(const std::string&)> open_reader;
};

namespace contract {

using Seqs = std::vector<uint64_t>;
constexpr size_t any_size = SIZE_MAX;

// A spool in a directory of its own, open for both.
struct OpenSpool {
  const SpoolUnderTest& parts;
  TemporaryDirectory directory;
  std::unique_ptr<spool::SpoolWriter> writer;
  std::unique_ptr<spool::SpoolReader> reader;

  explicit OpenSpool(const SpoolUnderTest& parts_) : parts(parts_) { open(); }
  [[nodiscard]] spool::SpoolOptions options() const {
    spool::SpoolOptions options{directory.path(), test_host};
    options.wave = wave_;
    return options;
  }
  void open() {
    auto opened = parts.open_writer(options());
    REQUIRE_MESSAGE(opened.ok(), (opened ? "" : opened.error().message));
    writer = std::move(*opened);
    auto reading = parts.open_reader(directory.path());
    REQUIRE_MESSAGE(reading.ok(), (reading ? "" : reading.error().message));
    reader = std::move(*reading);
  }
  void reopen(spool::LaneRetention wave = {}) {
    reader.reset();
    writer.reset();
    wave_ = wave;
    open();
  }
  void commit(const spool::Commit& commit) const {
    const Status done = writer->commit(commit);
    REQUIRE_MESSAGE(done.ok(), (done ? "" : done.error().message));
  }
  [[nodiscard]] wire::FrameSequence sequence(const std::string& device, wire::Lane lane) const {
    return {device, writer->epoch(), lane};
  }
  [[nodiscard]] Seqs listed(const wire::FrameSequence& sequence) const { return seqs_of(*reader->list(sequence, 0, any_size)); }

 private:
  spool::LaneRetention wave_;
};

inline void stores_frames(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  spool::Commit commit = commit_of(stat, 1, 3, 500);
  commit.frames.push_back(new_frame(wave, 1, 100'000, spool::FrameState::kept));
  commit.frames.push_back(new_frame(wave, 2, 0));
  spool.commit(commit);

  auto frames = spool.reader->read(stat, 0, spool::FrameState::queued, any_size, any_size);
  REQUIRE(frames.ok());
  REQUIRE(seqs_of(*frames) == Seqs{1, 2, 3});
  const spool::StoredFrame& second = (*frames)[1];
  CHECK(second.intact);
  CHECK(second.bytes == commit.frames[1].bytes);
  CHECK(second.info.id == commit.frames[1].info.id);
  CHECK(second.info.axis == 77);
  CHECK(second.info.sample_id_first == 2000);
  CHECK(second.info.sample_id_end == 3000);
  CHECK(second.info.utc_first_ns == 2'000'000);
  CHECK(second.info.utc_end_ns == 3'000'000);
  CHECK(second.info.samples == 1000);
  CHECK(second.info.size_bytes == 500);

  CHECK(seqs_of(*spool.reader->read(wave, 0, spool::FrameState::kept, any_size, any_size)) == Seqs{1});
  auto empty_frame = spool.reader->read(wave, 0, spool::FrameState::queued, any_size, any_size);
  REQUIRE(seqs_of(*empty_frame) == Seqs{2});
  CHECK((*empty_frame)[0].intact);
  CHECK((*empty_frame)[0].bytes.empty());
  CHECK(seqs_of(*spool.reader->read(wave, 0, std::nullopt, any_size, any_size)) == Seqs{1, 2});
  CHECK(spool.listed(wave) == Seqs{1, 2});
  CHECK(spool.reader->list(wave, 0, 1)->front().state == spool::FrameState::kept);
}

inline void reads_within_limits(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  spool.commit(commit_of(stat, 1, 10, 1000));
  const auto read = [&](uint64_t after, size_t frames, size_t bytes) {
    return seqs_of(*spool.reader->read(stat, after, spool::FrameState::queued, frames, bytes));
  };
  CHECK(read(0, 4, any_size) == Seqs{1, 2, 3, 4});
  CHECK(read(7, 100, any_size) == Seqs{8, 9, 10});
  CHECK(read(0, 100, 3000) == Seqs{1, 2, 3});
  CHECK(read(0, 100, 2999) == Seqs{1, 2});
  CHECK(read(0, 100, 1) == Seqs{1});
  CHECK(read(0, 0, any_size).empty());
  CHECK(read(10, 100, any_size).empty());
  CHECK(read(UINT64_MAX, 100, any_size).empty());
  CHECK(read(UINT64_MAX - 1, 100, any_size).empty());
  CHECK(seqs_of(*spool.reader->list(stat, 3, 2)) == Seqs{4, 5});
  CHECK(spool.reader->read({"js220-000000", spool.writer->epoch(), wire::Lane::stat}, 0, std::nullopt, 1, 1)->empty());
  CHECK(spool.reader->list({"js220-001122", 1, wire::Lane::stat}, 0, 1)->empty());
}

inline void refuses_wrong_seq(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  const auto refused = [&](const spool::Commit& commit) {
    const Status done = spool.writer->commit(commit);
    return !done && done.error().code == Errc::usage;
  };
  CHECK(spool.writer->next_seq(stat) == 1);
  CHECK(refused(commit_of(stat, 0, 1, 10)));
  CHECK(refused(commit_of(stat, 2, 1, 10)));
  spool.commit(commit_of(stat, 1, 2, 10));
  CHECK(refused(commit_of(stat, 2, 1, 10)));
  spool::Commit second_wrong = commit_of(stat, 3, 1, 10);
  second_wrong.frames.push_back(new_frame(stat, 5, 10));
  second_wrong.stored.push_back({stat, {1, 1}});
  second_wrong.positions.push_back(position_at("js220-001122", 9));
  CHECK(refused(second_wrong));
  CHECK(refused(commit_of({"js220-001122", spool.writer->epoch() + 1, wire::Lane::stat}, 1, 1, 10)));
  CHECK(refused(commit_of({"../etc", spool.writer->epoch(), wire::Lane::stat}, 1, 1, 10)));
  CHECK(refused(commit_of({"js220-001122", spool.writer->epoch(), static_cast<wire::Lane>(9)}, 1, 1, 10)));

  CHECK(spool.writer->next_seq(stat) == 3);
  CHECK(spool.listed(stat) == Seqs{1, 2});
  CHECK(spool.reader->positions()->empty());
  spool.commit(commit_of(stat, 3, 1, 10));
  CHECK(spool.listed(stat) == Seqs{1, 2, 3});
}

inline void acks_free_queued_frames(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  spool.commit(commit_of(wave, 1, 5, 100));
  spool.commit(commit_of(wave, 6, 1, 100, spool::FrameState::kept));
  spool.commit(commit_of(wave, 7, 4, 100));
  spool.commit(commit_stored(wave, 8, 8));  // out of order
  spool.commit(commit_stored(wave, 2, 4));
  spool.commit(commit_stored(wave, 3, 8));  // overlaps both, and passes over a kept frame
  CHECK(spool.listed(wave) == Seqs{1, 6, 9, 10});
  spool.commit(commit_stored(wave, 20, 30));                              // unknown numbers
  spool.commit(commit_stored(wave, 5, 4));                                // an empty range
  spool.commit(commit_stored({"js110-9", wave.epoch, wave.lane}, 1, 1));  // unknown device
  spool.commit(commit_stored({wave.device, 12345, wave.lane}, 1, 10));    // of another epoch
  CHECK(spool.listed(wave) == Seqs{1, 6, 9, 10});
  spool.commit(commit_stored(wave, 0, UINT64_MAX));
  CHECK(spool.listed(wave) == Seqs{6});
}

inline void drops_any_frame(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  spool.commit(commit_of(wave, 1, 3, 100, spool::FrameState::kept));
  spool.commit(commit_of(wave, 4, 3, 100));
  spool::Commit drop = commit_of(spool.sequence("js220-001122", wire::Lane::event), 1, 1, 50);
  drop.dropped = {{wave, 1}, {wave, 5}, {wave, 99}, {{"js110-9", 1, wave.lane}, 1}};
  spool.commit(drop);
  CHECK(spool.listed(wave) == Seqs{2, 3, 4, 6});
  CHECK(spool.listed(spool.sequence("js220-001122", wire::Lane::event)) == Seqs{1});
}

inline void remembers_across_openings(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const uint64_t epoch = spool.writer->epoch();
  CHECK(epoch != 0);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  spool::Commit commit = commit_of(stat, 1, 4, 100);
  commit.positions = {position_at("js220-001122", 5000), position_at("js110-000007", 1)};
  spool.commit(commit);
  spool.commit(commit_stored(stat, 1, 4));
  spool.reopen();
  CHECK(spool.writer->epoch() == epoch);
  CHECK(spool.reader->epoch() == epoch);
  CHECK(spool.reader->host() == test_host);
  CHECK(spool.writer->next_seq(stat) == 5);  // though no frame is left
  CHECK(spool.listed(stat).empty());
  CHECK(spool.writer->take_notices().empty());

  for (const auto& positions : {*spool.writer->positions(), *spool.reader->positions()}) {
    REQUIRE(positions.size() == 2);
    const auto& at = positions.front().device.id == "js220-001122" ? positions.front() : positions.back();
    const auto expected = position_at("js220-001122", 5000);
    CHECK(at.device == expected.device);
    CHECK(at.axis == expected.axis);
    CHECK(at.sample_id_end == 5000);
    CHECK(at.utc == expected.utc);
    CHECK(at.totals == expected.totals);
  }
}

inline void positions_are_replaced(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  for (const uint64_t end : {uint64_t{10}, uint64_t{20}, UINT64_MAX}) {
    spool::Commit commit;
    commit.positions = {position_at("js220-001122", end)};
    spool.commit(commit);
    const auto positions = spool.reader->positions();
    REQUIRE(positions->size() == 1);
    CHECK(positions->front().sample_id_end == end);
    CHECK(positions->front().totals == position_at("js220-001122", end).totals);
  }
}

inline void finds_one_frame(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  spool.commit(commit_of(stat, 1, 2, 100));
  auto found = spool.writer->find({stat, 2});
  REQUIRE(found.ok());
  CHECK(found->sample_id_first == 2000);
  CHECK(found->size_bytes == 100);
  CHECK(spool.writer->find({stat, 3}).error().code == Errc::not_found);
  CHECK(spool.writer->find({stat, UINT64_MAX}).error().code == Errc::not_found);
  CHECK(spool.writer->find({{"js110-9", 1, stat.lane}, 1}).error().code == Errc::not_found);
}

inline void tells_what_it_holds(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  spool.commit(commit_of(wave, 1, 3, 1000, spool::FrameState::kept));
  spool.commit(commit_of(wave, 4, 5, 2000));
  spool.commit(commit_stored(wave, 4, 5));
  for (const auto& usage : {*spool.writer->usage(), *spool.reader->usage()}) {
    const auto* lane = lane_of(usage, wave);
    REQUIRE(lane != nullptr);
    CHECK(lane->kept_frames == 3);
    CHECK(lane->kept_bytes == 3000);
    CHECK(lane->queued_frames == 3);
    CHECK(lane->queued_bytes == 6000);
    CHECK(lane->seq_first == 1);
    CHECK(lane->seq_next == 9);
    CHECK(lane->oldest_queued_utc_ns == 6'000'000);
    CHECK(lane->utc_first_ns == 1'000'000);
    CHECK(lane->utc_end_ns == 9'000'000);
    CHECK(usage.payload_bytes == 9000);
    CHECK(usage.disk_bytes >= 9000);
    CHECK(usage.quarantined_frames == 0);
  }
  spool::Commit rest = commit_stored(wave, 0, 100);
  rest.dropped = {{wave, 1}, {wave, 2}, {wave, 3}};
  spool.commit(rest);
  const auto usage = *spool.reader->usage();
  const auto* lane = lane_of(usage, wave);
  REQUIRE(lane != nullptr);
  CHECK(lane->queued_frames + lane->kept_frames + usage.payload_bytes + lane->seq_first == 0);
  CHECK(lane->seq_next == 9);
}

inline void takes_16_mib_at_once(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  constexpr size_t frame_size = 128 * 1024;
  spool::Commit commit = commit_of(stat, 1, 50, 2000);
  for (auto& frame : commit_of(wave, 1, 128, frame_size).frames) commit.frames.push_back(std::move(frame));
  spool.commit(commit);
  const auto frames = spool.reader->read(wave, 0, spool::FrameState::queued, any_size, any_size);
  REQUIRE(frames->size() == 128);
  for (const auto& frame : *frames) CHECK((frame.intact && frame.bytes == frame_bytes(frame.info.id, frame_size)));
  spool.commit(commit_stored(wave, 1, 128));
  CHECK(spool.listed(wave).empty());

  const size_t too_many = spool::commit_bytes_max / (8 << 20) + 1;
  CHECK(spool.writer->commit(commit_of(wave, 129, too_many, 8 << 20)).error().code == Errc::usage);
  CHECK(spool.writer->next_seq(wave) == 129);
}

inline void makes_room(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  for (const auto lane : wire::lanes) spool.commit(commit_of(spool.sequence("js220-001122", lane), 1, 4, 10'000));
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  spool.commit(commit_of(wave, 5, 2, 10'000, spool::FrameState::kept));
  CHECK(spool.writer->make_room({.bytes = 1000})->empty());  // there is room
  const auto ids_of = [](const std::vector<spool::FrameInfo>& frames) {
    std::vector<wire::FrameId> ids;
    for (const auto& frame : frames) ids.push_back(frame.id);
    return ids;
  };
  using Ids = std::vector<wire::FrameId>;
  const uint64_t too_much = 2 * spool.options().budget_bytes;
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  auto plan = spool.writer->make_room({.bytes = too_much});
  REQUIRE(plan.ok());
  CHECK(ids_of(plan->drop) == Ids{{wave, 5}, {wave, 6}, {wave, 1}, {wave, 2}, {wave, 3}, {wave, 4}});
  CHECK(ids_of(plan->merge) == Ids{{stat, 1}, {stat, 2}, {stat, 3}, {stat, 4}});
  plan = spool.writer->make_room({.bytes = too_much, .now_utc_ns = 0, .published = {{stat, 2}}});
  CHECK(ids_of(plan->merge) == Ids{{stat, 3}, {stat, 4}});
  // With nothing left to merge the windows themselves go.
  plan = spool.writer->make_room({.bytes = too_much, .now_utc_ns = 0, .published = {{stat, 3}}});
  CHECK(plan->merge.empty());
  CHECK(ids_of(plan->drop) ==
        Ids{{wave, 5}, {wave, 6}, {wave, 1}, {wave, 2}, {wave, 3}, {wave, 4}, {stat, 1}, {stat, 2}, {stat, 3}, {stat, 4}});
}

// A frame knows how often its windows were merged, and only its own level is merged with it.
inline void knows_levels(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto stat = spool.sequence("js220-001122", wire::Lane::stat);
  auto commit = commit_of(stat, 1, 8, 10'000);
  for (const size_t at : {2U, 5U, 6U}) commit.frames[at].info.level = 1;
  commit.frames[7].info.level = spool::level_max;
  spool.commit(commit);
  const auto listed = spool.listed(stat);
  REQUIRE(listed.size() == 8);
  for (size_t at = 0; at < 8; ++at) CHECK(spool.writer->find({stat, at + 1})->level == commit.frames[at].info.level);
  auto plan = spool.writer->make_room({.bytes = 2 * spool.options().budget_bytes});
  CHECK(seqs_of(plan->merge) == std::vector<uint64_t>{3, 6, 7});  // 30 kB twice as dear as 40 kB of level 0
  plan = spool.writer->make_room({.bytes = 2 * spool.options().budget_bytes, .now_utc_ns = 0, .published = {{stat, 3}}});
  CHECK(seqs_of(plan->merge) == std::vector<uint64_t>{6, 7});
  commit = commit_of(stat, 9, 1, 100);
  commit.frames[0].info.level = spool::level_max + 1;
  CHECK(spool.writer->commit(commit).error().code == Errc::usage);
}

// Age limits, by the end of each frame's time.
inline void drops_what_is_too_old(const SpoolUnderTest& parts) {
  constexpr int64_t hour_ns = 3'600'000'000'000;
  OpenSpool spool(parts);
  spool.reopen({.share_percent = 0, .age_max_ns = hour_ns});
  for (const auto lane : wire::lanes) {
    auto commit = commit_of(spool.sequence("js220-001122", lane), 1, 4, 1000);
    for (size_t at = 0; at < 4; ++at) {
      commit.frames[at].info.utc_first_ns = static_cast<int64_t>(at) * hour_ns + 1;
      commit.frames[at].info.utc_end_ns = static_cast<int64_t>(at + 1) * hour_ns;
    }
    spool.commit(commit);
  }
  CHECK(spool.writer->make_room({})->empty());  // the clock is not set
  CHECK(spool.writer->make_room({.bytes = 0, .now_utc_ns = hour_ns})->empty());
  const auto plan = spool.writer->make_room({.bytes = 0, .now_utc_ns = 3 * hour_ns + 2});
  REQUIRE(plan->drop.size() == 2);
  for (const auto& frame : plan->drop) CHECK(frame.id.sequence.lane == wire::Lane::wave);
  CHECK(plan->drop.back().id.seq == 2);
}

// As long as a lane takes no more than its share, others make room first.
inline void keeps_shares(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  spool.reopen({.share_percent = 50, .age_max_ns = 0});
  for (const auto lane : {wire::Lane::stat, wire::Lane::wave})
    spool.commit(commit_of(spool.sequence("js220-001122", lane), 1, 4, 10'000));
  const auto plan = spool.writer->make_room({.bytes = spool.options().budget_bytes});
  REQUIRE(!plan->merge.empty());  // before the waveforms, which go as well, because that is not enough
  CHECK(plan->drop.size() == 4);
}

inline void counts_what_it_writes(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  const auto wave = spool.sequence("js220-001122", wire::Lane::wave);
  const spool::Wear before = spool.writer->usage()->wear;
  CHECK(before.since_utc_ns > wire::plausible_utc_ns);
  spool.commit(commit_of(wave, 1, 10, 100'000));
  spool.commit(commit_of(wave, 11, 10, 100'000));
  const spool::Wear after = spool.writer->usage()->wear;
  CHECK(after.appended_bytes - before.appended_bytes == 2'000'000);
  CHECK(after.written_bytes - before.written_bytes > 2'000'000);
  CHECK(after.written_bytes - before.written_bytes < 2'400'000);
  spool.reopen();
  const spool::Wear again = spool.writer->usage()->wear;
  CHECK(again.appended_bytes == after.appended_bytes);
  CHECK(again.written_bytes > after.written_bytes);
  CHECK(again.since_utc_ns == after.since_utc_ns);
  CHECK(spool.reader->usage()->wear.appended_bytes == after.appended_bytes);
}

inline void has_one_writer(const SpoolUnderTest& parts) {
  OpenSpool spool(parts);
  auto second = parts.open_writer(spool.options());
  REQUIRE(!second.ok());
  CHECK(second.error().code == Errc::busy);
  spool.reader.reset();
  spool.writer.reset();
  CHECK(parts.open_writer(spool.options()).ok());
  auto other_host = parts.open_writer({spool.directory.path(), "bench-2"});
  REQUIRE(!other_host.ok());
  CHECK(other_host.error().code == Errc::usage);
}

}  // namespace contract

inline void spool_contract(const SpoolUnderTest& parts) {
  SUBCASE("frames come back as they were stored") { contract::stores_frames(parts); }
  SUBCASE("a read gives at least one frame and keeps its limits") { contract::reads_within_limits(parts); }
  SUBCASE("a commit with a wrong seq changes nothing") { contract::refuses_wrong_seq(parts); }
  SUBCASE("acks free queued frames in any order and ignore what is unknown") { contract::acks_free_queued_frames(parts); }
  SUBCASE("dropped frames leave in any state") { contract::drops_any_frame(parts); }
  SUBCASE("epoch, next seq and positions survive") { contract::remembers_across_openings(parts); }
  SUBCASE("a position replaces the one before") { contract::positions_are_replaced(parts); }
  SUBCASE("one frame is found by its id") { contract::finds_one_frame(parts); }
  SUBCASE("usage counts frames and bytes by state") { contract::tells_what_it_holds(parts); }
  SUBCASE("a commit of 16 MiB is stored, one above the limit refused") { contract::takes_16_mib_at_once(parts); }
  SUBCASE("room is made lowest lane first, kept before queued, never of events") { contract::makes_room(parts); }
  SUBCASE("frames know their level, and are merged level by level") { contract::knows_levels(parts); }
  SUBCASE("frames beyond their lane's age leave") { contract::drops_what_is_too_old(parts); }
  SUBCASE("windows are merged before waveforms that keep to their share go") { contract::keeps_shares(parts); }
  SUBCASE("what was appended and written is counted for ever") { contract::counts_what_it_writes(parts); }
  SUBCASE("there is one writer, of one host") { contract::has_one_writer(parts); }
}

}  // namespace joulespool::test
