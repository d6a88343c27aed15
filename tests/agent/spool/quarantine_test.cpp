#include "agent/spool/quarantine.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
namespace fs = std::filesystem;

namespace {

const wire::FrameSequence sequence{"js220-001122", 7, wire::Lane::wave};

std::string name(uint64_t seq) { return "js220-001122-wave-" + std::to_string(seq) + "-damaged.frame"; }

}  // namespace

TEST_CASE("quarantine: a frame is kept byte for byte under a name that says what it was") {
  const test::TemporaryDirectory directory;
  spool::Quarantine quarantine(directory / "quarantine", {});
  const auto bytes = test::frame_bytes({sequence, 5}, 3000);
  REQUIRE(quarantine.put({sequence, 5}, "damaged", bytes).ok());
  REQUIRE(quarantine.put({sequence, 5}, "damaged", bytes).ok());  // again, after a commit that failed
  CHECK(spool::quarantined_frames(directory / "quarantine") == 1);
  std::ifstream file(directory / "quarantine/" + name(5), std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE(text.size() == bytes.size());
  CHECK(std::equal(text.begin(), text.end(), bytes.begin(), [](char c, std::byte b) { return static_cast<std::byte>(c) == b; }));
}

TEST_CASE("quarantine: above its limits the oldest files go, never the one just put") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "quarantine";
  const auto put = [&](spool::Quarantine::Limits limits, uint64_t seq, size_t size) {
    spool::Quarantine quarantine(path, limits);
    REQUIRE(quarantine.put({sequence, seq}, "damaged", wire::Bytes(size)).ok());
    // Files written within one tick of the file system's clock are told apart by hand.
    fs::last_write_time(path + "/" + name(seq), fs::file_time_type(std::chrono::seconds(1'000'000 + static_cast<int64_t>(seq))));
  };
  for (uint64_t seq = 1; seq <= 5; ++seq) put({3, 1000}, seq, 100);
  CHECK(spool::quarantined_frames(path) == 3);
  CHECK(!fs::exists(path + "/" + name(2)));
  CHECK(fs::exists(path + "/" + name(3)));
  put({100, 1000}, 6, 850);
  CHECK(spool::quarantined_frames(path) == 2);
  CHECK(fs::exists(path + "/" + name(5)));
  put({100, 1000}, 7, 5000);
  CHECK(spool::quarantined_frames(path) == 1);
  CHECK(fs::exists(path + "/" + name(7)));
}

TEST_CASE("quarantine: a folder that cannot be made is an error") {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "quarantine") << "a file";
  spool::Quarantine quarantine(directory / "quarantine", {});
  CHECK(!quarantine.put({sequence, 1}, "damaged", wire::Bytes(10)).ok());
  CHECK(spool::quarantined_frames(directory / "quarantine") == 0);
  CHECK(spool::quarantined_frames(directory / "nowhere") == 0);
}
