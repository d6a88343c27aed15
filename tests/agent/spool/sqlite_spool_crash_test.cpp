#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "agent/base/crc32c.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using wire::FrameSequence;
using wire::Lane;

namespace {

constexpr const char* device = "js220-001122";

size_t size_of(uint64_t seq) { return 200 + (seq * 7919) % 60'000; }

// One commit: a frame of two lanes, the position behind them, and now and then an ack of old frames.
spool::Commit step(uint64_t epoch, uint64_t seq) {
  const FrameSequence wave{device, epoch, Lane::wave};
  const FrameSequence stat{device, epoch, Lane::stat};
  spool::Commit commit;
  commit.frames = {test::new_frame(wave, seq, size_of(seq)), test::new_frame(stat, seq, 300)};
  commit.positions = {test::position_at(device, seq * 1000 + 1000)};
  if (seq % 5 == 0 && seq > 40) commit.stored = {{wave, {1, seq - 40}}, {stat, {1, seq - 40}}};
  return commit;
}

// Commits until killed; every confirmed seq goes down the pipe.
[[noreturn]] void append_until_killed(const std::string& directory, int confirmed) {
  auto writer = spool::open_spool_writer({directory, test::test_host});
  if (!writer) ::_exit(1);
  const FrameSequence wave{device, (*writer)->epoch(), Lane::wave};
  for (uint64_t seq = (*writer)->next_seq(wave);; ++seq) {
    if (!(*writer)->commit(step((*writer)->epoch(), seq))) ::_exit(2);
    if (::write(confirmed, &seq, sizeof seq) != sizeof seq) ::_exit(3);
  }
}

// The last confirmed seq of a child that is killed at a random moment.
uint64_t run_and_kill(const std::string& directory, std::mt19937& random) {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) append_until_killed(directory, pipe[1]);
  ::close(pipe[1]);
  uint64_t last = 0;
  const auto read_one = [&] { return ::read(pipe[0], &last, sizeof last) == sizeof last; };
  for (auto left = random() % 20; left > 0; --left) REQUIRE(read_one());
  // Somewhere within the next commit, or the opening: after work of a random length below that of a commit.
  const wire::Bytes work(random() % 2'000'000);
  CHECK((crc32c(work) != 0 || work.empty()));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (read_one()) {
  }
  ::close(pipe[0]);
  return last;
}

}  // namespace

TEST_CASE("crash: after SIGKILL at any moment every confirmed commit is there, whole, and nothing half of one") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const test::TemporaryDirectory directory;
  uint64_t confirmed = 0;
  for (int round = 0; round < 50; ++round) {
    CAPTURE(round);
    confirmed = std::max(confirmed, run_and_kill(directory.path(), random));
    auto writer = spool::open_spool_writer({directory.path(), test::test_host});
    REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
    CHECK((*writer)->take_notices().empty());
    auto reader = spool::open_spool_reader(directory.path());
    REQUIRE(reader.ok());
    const uint64_t epoch = (*writer)->epoch();
    const uint64_t next = (*writer)->next_seq({device, epoch, Lane::wave});
    CHECK(next >= confirmed + 1);
    CHECK(next <= confirmed + 2);  // at most the one that was under way
    CHECK((*writer)->next_seq({device, epoch, Lane::stat}) == next);
    const auto positions = (*writer)->positions();
    REQUIRE(positions->size() == (next > 1 ? 1 : 0));
    if (next > 1) CHECK(positions->front().sample_id_end == next * 1000);
    for (const Lane lane : {Lane::wave, Lane::stat}) {
      const auto frames = (*reader)->read({device, epoch, lane}, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
      uint64_t seq = frames->empty() ? next : frames->front().info.id.seq;
      CHECK(seq <= std::max<uint64_t>(next, 46) - 40);
      for (const auto& frame : *frames) {
        CHECK(frame.info.id.seq == seq++);
        CHECK(frame.intact);
      }
      CHECK(seq == next);
    }
    confirmed = next - 1;
  }
  CHECK(confirmed > 50);
}

TEST_CASE("crash: what is left of a segment that was never made goes with the next start, a log with content stays") {
  const test::TemporaryDirectory directory;
  const auto make = [&](const std::string& name, const std::string& content) { std::ofstream(directory / name) << content; };
  { REQUIRE(spool::open_spool_writer({directory.path(), test::test_host}).ok()); }
  make("segment-00000077.db-wal", "");
  make("segment-00000077.db-shm", "index");
  make("segment-00000078.db-wal", "frames, it may be");
  make("other.db-wal", "");
  const auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE(writer.ok());
  CHECK_FALSE(std::filesystem::exists(directory / "segment-00000077.db-wal"));
  CHECK_FALSE(std::filesystem::exists(directory / "segment-00000077.db-shm"));
  CHECK(std::filesystem::exists(directory / "segment-00000078.db-wal"));
  CHECK(std::filesystem::exists(directory / "other.db-wal"));
}
