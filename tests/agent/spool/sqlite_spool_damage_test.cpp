#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/file_bytes.h"
#include "tests/support/spool_frames.h"
#include "tests/support/survived.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_seed.h"

using namespace joulespool;
namespace fs = std::filesystem;

namespace {

constexpr const char* device = "js220-001122";
constexpr uint64_t budget_bytes = 8ULL << 20;  // segments of 256 KiB

std::unique_ptr<spool::SpoolWriter> open_writer(const std::string& directory) {
  auto writer = spool::open_spool_writer({directory, test::test_host, budget_bytes});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  return std::move(*writer);
}

std::unique_ptr<spool::SpoolReader> open_reader(const std::string& directory, spool::ReadMode mode = spool::ReadMode::follow) {
  auto reader = spool::open_spool_reader(directory, mode);
  REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
  return std::move(*reader);
}

void flip_bit(const std::string& path, size_t offset, unsigned bit = 3) {
  wire::Bytes bytes = test::read_file(path);
  bytes.at(offset) ^= static_cast<std::byte>(1U << bit);
  test::write_file(path, bytes);
}

// Where byte 4000 of a frame is, on a page that belongs to it alone: the log it lies in, and the place.
std::pair<std::string, size_t> find_frame(const std::string& directory, const wire::FrameId& id) {
  auto start = test::frame_bytes(id, 4064);
  start.erase(start.begin(), start.begin() + 4000);
  for (const uint64_t number : spool::list_segments(directory)) {
    const std::string log = spool::segment_path(directory, number) + "-wal";
    const wire::Bytes bytes = test::read_file(log);
    const auto at = std::search(bytes.begin(), bytes.end(), start.begin(), start.end());
    if (at != bytes.end()) return {log, static_cast<size_t>(at - bytes.begin())};
  }
  FAIL("the frame is in no log");
  return {};
}

// A closed spool with frames 1..count of lane wave, one to a commit.
wire::FrameSequence make_spool(const std::string& directory, size_t count, size_t size) {
  auto writer = open_writer(directory);
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  for (uint64_t seq = 1; seq <= count; ++seq) {
    auto commit = test::commit_of(wave, seq, 1, size);
    commit.positions = {test::position_at(device, seq * 1000 + 1000)};
    REQUIRE(writer->commit(commit).ok());
  }
  return wave;
}

std::string newest_log(const std::string& directory) {
  return spool::segment_path(directory, spool::list_segments(directory).back()) + "-wal";
}

}  // namespace

TEST_CASE("damage: a flipped bit in a frame is seen on reading, and the frame goes into quarantine") {
  const test::TemporaryDirectory directory;
  const auto wave = make_spool(directory.path(), 3, 5000);
  const auto [log, at] = find_frame(directory.path(), {wave, 2});
  flip_bit(log, at + 40);
  auto writer = open_writer(directory.path());
  CHECK(writer->take_notices().size() == 1);
  CHECK(writer->epoch() != wave.epoch);
  auto reader = open_reader(directory.path());
  auto frames = reader->read(wave, 0, std::nullopt, 10, SIZE_MAX);
  REQUIRE(frames->size() == 3);
  CHECK((*frames)[0].intact);
  CHECK(!(*frames)[1].intact);
  CHECK((*frames)[1].bytes.size() == 5000);
  CHECK((*frames)[2].intact);
  CHECK((*frames)[2].bytes == test::frame_bytes({wave, 3}, 5000));

  spool::Commit aside;
  aside.set_aside = {{wave, 2}, {wave, 3}, {wave, 99}};
  REQUIRE(writer->commit(aside).ok());
  CHECK(test::seqs_of(*reader->list(wave, 0, 10)) == std::vector<uint64_t>{1});
  CHECK(test::read_file(directory / "quarantine/js220-001122-wave-2-damaged.frame").size() == 5000);
  CHECK(test::read_file(directory / "quarantine/js220-001122-wave-3-rejected.frame").size() == 5000);
  CHECK(reader->usage()->quarantined_frames == 2);
  CHECK(writer->usage()->payload_bytes == 5000);
}

TEST_CASE("damage: what comes behind damage in a log that is not the newest is read all the same") {
  const test::TemporaryDirectory directory;
  const auto wave = make_spool(directory.path(), 200, 5000);
  REQUIRE(spool::list_segments(directory.path()).size() > 3);
  const auto [log, at] = find_frame(directory.path(), {wave, 20});
  REQUIRE(log != newest_log(directory.path()));
  flip_bit(log, at + 40);
  auto writer = open_writer(directory.path());
  CHECK(writer->take_notices().empty());  // met when it is read
  CHECK(writer->epoch() == wave.epoch);
  for (const auto mode : {spool::ReadMode::follow, spool::ReadMode::snapshot}) {
    const auto frames = open_reader(directory.path(), mode)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE(frames->size() == 200);
    for (const auto& frame : *frames) CHECK(frame.intact == (frame.info.id.seq != 20));
  }
}

TEST_CASE("damage: a frame of which nothing can be read stands for the samples that its neighbours leave") {
  const test::TemporaryDirectory directory;
  const auto wave = make_spool(directory.path(), 200, 5000);
  const auto log = find_frame(directory.path(), {wave, 20}).first;
  const std::string database = log.substr(0, log.size() - 4);
  SUBCASE("a segment that is no database any more") {
    test::write_file(log, wire::Bytes(100'000, std::byte{0x5A}));
    test::write_file(database, wire::Bytes(4096, std::byte{0x5A}));
  }
  SUBCASE("a segment that is gone") {
    fs::remove(log);
    fs::remove(database);
  }
  auto writer = open_writer(directory.path());
  auto reader = open_reader(directory.path());
  const auto frames = reader->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE(frames->size() == 200);
  uint64_t sample_id = 1000, lost = 0;  // of the first frame
  for (const auto& frame : *frames) {
    CHECK(frame.info.sample_id_first == sample_id);
    sample_id = frame.info.sample_id_end;
    if (!frame.intact) ++lost;
    const auto found = writer->find(frame.info.id);
    REQUIRE(found.ok());
    CHECK(found->sample_id_end >= found->sample_id_first);
  }
  CHECK(sample_id == 201'000);
  CHECK(lost > 4);
  CHECK(lost < 100);
}

TEST_CASE("damage: without the newest segment the state of the one before counts, in a new epoch") {
  const test::TemporaryDirectory directory;
  const auto wave = make_spool(directory.path(), 200, 5000);
  const std::string log = newest_log(directory.path());
  test::write_file(log, wire::Bytes(100'000, std::byte{0x5A}));
  auto writer = open_writer(directory.path());
  CHECK(writer->epoch() != wave.epoch);
  const auto notices = writer->take_notices();
  REQUIRE(notices.size() == 1);
  const auto positions = writer->positions();
  REQUIRE(positions->size() == 1);
  const uint64_t known = positions->front().sample_id_end / 1000 - 1;
  CHECK(known > 100);
  CHECK(known < 200);
  const auto frames = open_reader(directory.path())->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  CHECK(frames->size() == known);
  for (const auto& frame : *frames) CHECK(frame.intact);
}

namespace {

// So many bits are flipped, 1 to 8 in each copy of a spool: JOULESPOOL_FLIPS, or what a few seconds allow.
uint64_t flips_wanted() { return test::wanted("JOULESPOOL_FLIPS", 700); }

constexpr uint64_t flipped_count = 120;
constexpr size_t flipped_size = 4000;

// What a kill leaves of a spool with frames 1..flipped_count of lane wave in several segments, one of them in the quarantine. The
// first one has no frame any more at its begin; the newest has its index.
wire::FrameSequence make_files(const std::string& directory) {
  const test::TemporaryDirectory made(test::Storage::memory);
  auto writer = open_writer(made.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  for (uint64_t seq = 1; seq <= flipped_count; ++seq) {
    auto commit = test::commit_of(wave, seq, 1, flipped_size);
    commit.positions = {test::position_at(device, seq * 1000 + 1000)};
    if (seq == 60) commit.set_aside = {{wave, 5}};
    REQUIRE(writer->commit(commit).ok());
  }
  fs::copy(made.path(), directory, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  return wave;
}

// All of a spool, by name.
std::vector<std::string> files_of(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string kind_of(const std::string& file) {
  const std::string name = fs::path(file).filename();
  const size_t at = name.find_first_of('.');
  return name.starts_with("segment-") ? name.substr(at) : at == std::string::npos ? name : name.substr(at);
}

constexpr uint64_t frame_samples = 1000;

// Opens what is left, as an agent does after a crash. What the state of the spool knows of is there, intact or known to be
// damaged; what lies behind it becomes the gap of the restart.
void check_left(const std::string& directory, const wire::FrameSequence& wave, test::Survived& survived) {
  auto writer = open_writer(directory);
  const auto positions = writer->positions();
  REQUIRE(positions.ok());
  const uint64_t known = positions->empty() ? 0 : positions->front().sample_id_end / 1000 - 1;
  auto reader = open_reader(directory);
  const auto frames = reader->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
  const uint64_t expected = known - (known >= 60 ? 1 : 0);  // one is in the quarantine
  CHECK(frames->size() <= expected);
  const wire::FrameSequence present{device, writer->epoch(), wire::Lane::wave};
  spool::Commit aside = test::commit_of(present, writer->next_seq(present), 3, flipped_size);
  uint64_t accounted = 0;
  for (const auto& frame : *frames) {
    if (frame.intact && frame.bytes != test::frame_bytes(frame.info.id, flipped_size)) continue;
    ++accounted;
    if (!frame.intact) aside.set_aside.push_back(frame.info.id);
  }
  survived.samples += flipped_count * frame_samples;
  survived.unaccounted += (expected - std::min(expected, accounted)) * frame_samples;
  if (known < flipped_count) CHECK(present.epoch != wave.epoch);
  REQUIRE(writer->commit(aside).ok());  // it goes on, and what is damaged leaves
  const auto left = reader->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE(left.ok());
  CHECK(left->size() == frames->size() - aside.set_aside.size() + (present == wave ? 3 : 0));
  for (const auto& frame : *left) CHECK(frame.intact);
}

}  // namespace

TEST_CASE("damage: whatever bits of whatever file are flipped, no frame comes back wrong and none is lost without a trace") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const test::TemporaryDirectory original(test::Storage::memory);
  const auto wave = make_files(original.path());
  std::map<std::string, int> hits;
  for (const std::string& file : files_of(original.path())) hits[kind_of(file)] = 0;
  CHECK(hits.size() == 6);  // .db, .db-wal, .db-shm, lock, reserve, .frame
  test::Survived survived{"flipped bits", 0, flips_wanted()};
  uint64_t copies = 0;
  for (; survived.done < survived.planned; ++copies) {
    CAPTURE(copies);
    const test::TemporaryDirectory directory(test::Storage::memory);
    fs::copy(original.path(), directory.path(), fs::copy_options::recursive);
    const auto files = files_of(directory.path());
    std::string flips;
    for (auto count = std::min(random() % 8 + 1, survived.planned - survived.done); count > 0; --count) {
      // Logs hold everything: half of the flips. The others go round over all files.
      std::string file = files[random() % files.size()];
      while (random() % 2 == 0 && !file.ends_with("-wal")) file = files[random() % files.size()];
      const size_t size = fs::file_size(file);
      const size_t at = random() % 4 == 0 ? random() % std::min<size_t>(size, 64) : random() % size;
      flip_bit(file, at, random() % 8);
      flips += fs::path(file).filename().string() + " at " + std::to_string(at) + "; ";
      ++hits[kind_of(file)];
      ++survived.done;
    }
    CAPTURE(flips);
    check_left(directory.path(), wave, survived);
    CHECK(survived.unaccounted == 0);
  }
  if (survived.planned >= 500)
    for (const auto& [kind, count] : hits) CHECK_MESSAGE(count > 0, kind);
  survived.detail = std::to_string(copies) + " copies of a spool, all kinds of files";
  test::report(survived);
}

TEST_CASE("damage: the test finds a frame that left without a trace") {
  const test::TemporaryDirectory original(test::Storage::memory);
  const auto wave = make_files(original.path());
  test::Canary canary{"a frame that leaves without a trace"};
  for (const uint64_t seq : {7ULL, 40ULL, 99ULL, flipped_count - 1ULL}) {
    const test::TemporaryDirectory directory(test::Storage::memory);
    fs::copy(original.path(), directory.path(), fs::copy_options::recursive);
    spool::Commit silent;
    silent.dropped = {{wave, seq}};
    REQUIRE(open_writer(directory.path())->commit(silent).ok());
    test::Survived survived{};
    check_left(directory.path(), wave, survived);
    ++canary.tried;
    if (survived.unaccounted == frame_samples) ++canary.seen;
    canary.unaccounted += survived.unaccounted;
  }
  CHECK(canary.seen == canary.tried);
  test::report(canary);
}
