#include "agent/app/spool_forecast.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>

#include "agent/base/clock.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

namespace joulespool::test {
namespace {

namespace fs = std::filesystem;
using app::FrameRate;

constexpr int64_t year_2026_ns = 1'767'225'600 * ns_per_s;
constexpr int64_t minute_ns = 60 * ns_per_s;
const wire::FrameSequence stat{"js220-000001", 1, wire::Lane::stat};

// Frame `seq` is of minute `seq` of 2026.
spool::Commit minutes(const wire::FrameSequence& sequence, uint64_t first, size_t count, size_t size) {
  spool::Commit commit = commit_of(sequence, first, count, size);
  for (spool::NewFrame& frame : commit.frames) {
    frame.info.utc_first_ns = year_2026_ns + static_cast<int64_t>(frame.info.id.seq) * minute_ns;
    frame.info.utc_end_ns = frame.info.utc_first_ns + minute_ns;
  }
  return commit;
}

}  // namespace

TEST_CASE("forecast: the rate is that of the last hour of waiting frames") {
  const TemporaryDirectory directory(Storage::memory);
  const auto writer = spool::open_spool_writer({.directory = directory.path(), .host = test_host});
  REQUIRE(writer.ok());
  const wire::FrameSequence sequence{stat.device, (*writer)->epoch(), stat.lane};
  REQUIRE((*writer)->commit(minutes(sequence, 1, 100, 60'000)).ok());
  REQUIRE((*writer)->commit(minutes(sequence, 101, 60, 6000)).ok());
  const auto reader = spool::open_spool_reader(directory.path());
  REQUIRE(reader.ok());
  const auto usage = (*reader)->usage();
  REQUIRE(usage.ok());
  const int64_t until_ns = app::newest_utc_ns(*usage, {});
  CHECK(until_ns == year_2026_ns + 161 * minute_ns);
  const auto rate = app::frame_rate(**reader, *usage, until_ns);
  REQUIRE(rate.ok());
  REQUIRE(*rate);
  CHECK((*rate)->bytes_per_s == doctest::Approx(100));
  CHECK((*rate)->over_s == doctest::Approx(3600));
  CHECK(!(*rate)->is_of_all_time);
}

TEST_CASE("forecast: an uplink that works leaves too little to tell a rate: then what was ever appended does") {
  const TemporaryDirectory directory(Storage::memory);
  const auto writer = spool::open_spool_writer({.directory = directory.path(), .host = test_host});
  REQUIRE(writer.ok());
  const auto reader = spool::open_spool_reader(directory.path());
  REQUIRE(reader.ok());
  spool::Usage usage;
  CHECK(!*app::frame_rate(**reader, usage, 0));
  usage.wear = {1'000'000, 1'100'000, year_2026_ns};
  CHECK(!*app::frame_rate(**reader, usage, year_2026_ns + 10 * ns_per_s));
  const auto rate = app::frame_rate(**reader, usage, year_2026_ns + 1000 * ns_per_s);
  REQUIRE(rate.ok());
  REQUIRE(*rate);
  CHECK((*rate)->bytes_per_s == doctest::Approx(1000));
  CHECK((*rate)->is_of_all_time);
}

TEST_CASE("forecast: an outage lasts until waiting frames fill what kept ones and the budget leave") {
  spool::Usage usage;
  usage.disk_bytes = 600;
  usage.lanes.push_back({.sequence = stat, .kept_frames = 1, .kept_bytes = 200});
  const FrameRate rate{10, 3600, false};
  CHECK(app::outage_left_s(usage, 1000, rate) == doctest::Approx(60));
  CHECK(app::outage_left_s(usage, 300, rate) == 0);
  CHECK(!app::outage_left_s(usage, 0, rate));
  CHECK(!app::outage_left_s(usage, 1000, std::nullopt));
}

TEST_CASE("forecast: the card's life follows from what was written, at the rate of the time since") {
  const spool::Wear wear{1'000'000, 1'100'000, year_2026_ns};
  const auto card = app::card_forecast(wear, 3'300'000, year_2026_ns + 1000 * ns_per_s);
  REQUIRE(card);
  CHECK(card->write_amplification == doctest::Approx(1.1));
  CHECK(card->written_bytes_per_s == doctest::Approx(1100));
  CHECK(card->endurance_left_bytes == 2'200'000);
  CHECK(*card->life_left_s == doctest::Approx(2000));
  CHECK(*app::card_forecast(wear, 1000, year_2026_ns + 1000 * ns_per_s)->life_left_s == 0);
  CHECK(!app::card_forecast(wear, 0, year_2026_ns + 1000 * ns_per_s)->endurance_left_bytes);
  CHECK(!app::card_forecast(wear, 3'300'000, year_2026_ns)->life_left_s);                       // no time has passed
  CHECK(!app::card_forecast({1'000'000, 1'100'000, 5}, 3'300'000, year_2026_ns)->life_left_s);  // the clock was not set
  CHECK(!app::card_forecast({}, 1000, year_2026_ns));
}

TEST_CASE("forecast: what an eMMC says of itself") {
  CHECK(app::parse_card_life("0x01 0x02\n") == std::array{1U, 2U});
  CHECK(app::parse_card_life("0x0b 0x00") == std::array{11U, 0U});
  for (const char* wrong : {"", "0x01", "1 2", "0x0c 0x01", "0x01 0x02 0x03", "0xzz 0x01", "0x 0x"})
    CHECK(!app::parse_card_life(wrong));
  CHECK(app::card_life_text(1) == "0 to 10 % used");
  CHECK(app::card_life_text(11) == "more than 100 % used");
  CHECK(app::card_life_text(0) == "not told");

  const TemporaryDirectory directory;
  struct stat info {};
  REQUIRE(::stat(directory.path().c_str(), &info) == 0);
  const fs::path sysfs = directory / "sys";
  const fs::path disk = sysfs / "devices/mmcblk0", partition = disk / "mmcblk0p1";
  fs::create_directories(partition);
  fs::create_directories(disk / "device");
  fs::create_directories(sysfs / "dev/block");
  CHECK(!app::read_card_life(directory.path(), sysfs));
  fs::create_directory_symlink(
      partition, sysfs / "dev/block" / (std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev))));
  CHECK(!app::read_card_life(directory.path(), sysfs));
  std::ofstream(disk / "device/life_time") << "0x03 0x01\n";
  const auto life = app::read_card_life(directory.path(), sysfs);
  REQUIRE(life);
  CHECK(life->device == "mmcblk0");
  CHECK(life->used == std::array{3U, 1U});
}

}  // namespace joulespool::test
