// Sectors that the medium does not give any more: their frames are damaged, all others are there. A medium that gives nothing is
// another matter: it may come back, and nothing is damaged.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/disk_faults.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using spool::FrameState;
using test::DiskFaults;
using test::Sick;
using wire::Lane;

namespace {

constexpr uint64_t budget_bytes = 8ULL << 20;  // segments of 256 KiB
constexpr uint64_t sector_bytes = 4096;
constexpr size_t frames_made = 60, frame_size = 20'000;

wire::FrameSequence wave_of(uint64_t epoch) { return {"js220-001122", epoch, Lane::wave}; }

uint64_t make_spool(const std::string& directory) {
  auto writer = spool::open_spool_writer({directory, test::test_host, budget_bytes});
  REQUIRE(writer.ok());
  const auto wave = wave_of((*writer)->epoch());
  for (uint64_t seq = 1; seq <= frames_made; seq += 3) REQUIRE((*writer)->commit(test::commit_of(wave, seq, 3, frame_size)).ok());
  return (*writer)->epoch();
}

struct Found {
  size_t well = 0;
  std::vector<wire::FrameId> damaged;
};

Found look(const std::vector<spool::StoredFrame>& frames) {
  Found found;
  for (const spool::StoredFrame& frame : frames) {
    if (!frame.intact) found.damaged.push_back(frame.info.id);
    else if (frame.bytes == test::frame_bytes(frame.info.id, frame_size)) ++found.well;
  }
  return found;
}

// Opened with this sector gone, read by a reader and by the writer, and cleared of what is damaged: how many frames that were.
size_t live_without(const std::string& directory, uint64_t epoch) {
  const auto wave = wave_of(epoch);
  auto writer = spool::open_spool_writer({directory, test::test_host, budget_bytes});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  auto reader = spool::open_spool_reader(directory);
  REQUIRE(reader.ok());
  const auto frames = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
  const Found found = look(*frames);
  CHECK(found.damaged.size() <= 2);  // a sector is part of two frames at most
  CHECK(found.well >= frames_made - 2);
  spool::Commit commit;
  commit.set_aside = found.damaged;
  if (!commit.empty()) CHECK((*writer)->commit(commit).ok());
  const auto left = (*writer)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE(left.ok());
  CHECK(look(*left).well == found.well);
  CHECK(look(*left).damaged.empty());
  return found.damaged.size();
}

}  // namespace

TEST_CASE("bad sector: wherever it is, two frames are damaged at most, and the spool opens and goes on") {
  const test::TemporaryDirectory directory(test::Storage::memory);
  const std::string made = directory / "made";
  const uint64_t epoch = make_spool(made);
  const auto numbers = spool::list_segments(made);
  REQUIRE(numbers.size() > 5);
  size_t tried = 0, damaged = 0;
  for (const uint64_t number : {numbers.front(), numbers[numbers.size() / 2], numbers.back()}) {
    for (const char* part : {"", "-wal"}) {
      const uint64_t size = std::filesystem::file_size(spool::segment_path(made, number) + part);
      // In the log: its beginning, its end, and each seventh between.
      std::vector<uint64_t> sectors;
      for (uint64_t sector = 0; sector * sector_bytes < size; sector += 7) sectors.push_back(sector);
      if (size > 0) sectors.push_back((size - 1) / sector_bytes);
      for (const uint64_t sector : sectors) {
        const std::string copy = directory / std::to_string(++tried);
        std::filesystem::copy(made, copy, std::filesystem::copy_options::recursive);
        DiskFaults::fail(copy, Sick::io_error, 0, 0);
        const std::string file = spool::segment_path(copy, number) + part;
        DiskFaults::lose(file, sector * sector_bytes, (sector + 1) * sector_bytes);
        CAPTURE(file);
        CAPTURE(sector);
        damaged += live_without(copy, epoch);
        std::filesystem::remove_all(copy);
      }
    }
  }
  CHECK(tried > 20);
  CHECK(damaged > tried / 2);
}

TEST_CASE("bad sector: where nothing of a medium can be read, no frame is damaged") {
  const test::TemporaryDirectory directory(test::Storage::memory);
  DiskFaults::fail(directory.path(), Sick::io_error, 0, 0);
  const std::string made = directory / "spool";
  const auto wave = wave_of(make_spool(made));
  auto reader = spool::open_spool_reader(made);
  REQUIRE(reader.ok());
  DiskFaults::fail(directory.path(), Sick::io_error, 0, INT64_MAX);
  const auto nothing = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE_FALSE(nothing.ok());
  CHECK(nothing.error().code == Errc::unreachable);
  DiskFaults::heal();
  const auto all = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE(all.ok());
  CHECK(look(*all).well == frames_made);
}

TEST_CASE("bad sector: one that dies while its segment is open is found the next time") {
  const test::TemporaryDirectory directory(test::Storage::memory);
  DiskFaults::fail(directory.path(), Sick::io_error, 0, 0);
  const std::string made = directory / "spool";
  const auto wave = wave_of(make_spool(made));
  auto reader = spool::open_spool_reader(made);
  REQUIRE(reader.ok());
  REQUIRE((*reader)->read(wave, 0, std::nullopt, 1, SIZE_MAX).ok());
  const std::string log = spool::segment_path(made, spool::list_segments(made)[0]) + "-wal";
  const uint64_t middle = std::filesystem::file_size(log) / 2 / sector_bytes * sector_bytes;
  DiskFaults::lose(log, middle, middle + sector_bytes);
  auto frames = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  if (!frames) frames = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
  const Found found = look(*frames);
  CHECK(found.damaged.size() + found.well == frames_made);
  CHECK(found.damaged.size() >= 1);
  CHECK(found.damaged.size() <= 2);
}
