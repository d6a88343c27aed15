#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/file_bytes.h"
#include "tests/support/spool_frames.h"
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

TEST_CASE("damage: whatever bits are flipped, no frame comes back wrong and none is lost without a trace") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const test::TemporaryDirectory directory(test::Storage::memory);
    const auto wave = make_spool(directory.path(), 120, 4000);
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(directory.path()))
      if (entry.path().filename().string().starts_with("segment-") && entry.file_size() > 0) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (auto count = random() % 8 + 1; count > 0; --count) {
      const std::string& file = files[random() % files.size()];
      flip_bit(file, random() % fs::file_size(file), random() % 8);
    }
    auto writer = open_writer(directory.path());
    const auto positions = writer->positions();
    REQUIRE(positions.ok());
    const uint64_t known = positions->empty() ? 0 : positions->front().sample_id_end / 1000 - 1;
    const auto frames = open_reader(directory.path())->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
    REQUIRE(frames->size() == known);  // what is behind it will be the gap of the restart
    for (const auto& frame : *frames)
      if (frame.intact) CHECK(frame.bytes == test::frame_bytes(frame.info.id, 4000));
    if (known < 120) CHECK(writer->epoch() != wave.epoch);
    const wire::FrameSequence present{device, writer->epoch(), wire::Lane::wave};
    CHECK(writer->commit(test::commit_of(present, writer->next_seq(present), 3, 4000)).ok());
  }
}
