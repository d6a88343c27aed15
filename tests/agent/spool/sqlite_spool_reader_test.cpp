#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/small_disk.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
namespace fs = std::filesystem;

namespace {

constexpr const char* device = "js220-001122";

std::unique_ptr<spool::SpoolWriter> open_writer(const std::string& directory) {
  auto writer = spool::open_spool_writer({directory, test::test_host});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  return std::move(*writer);
}

// What a reader finds: whole frames, in order, without a hole.
bool is_sound(const Result<std::vector<spool::StoredFrame>>& frames) {
  if (!frames) return false;
  for (size_t i = 0; i < frames->size(); ++i)
    if (!(*frames)[i].intact || (*frames)[i].info.id.seq != frames->front().info.id.seq + i) return false;
  return true;
}

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename().string());
  return names;
}

size_t frames_in(const std::string& directory, const wire::FrameSequence& sequence, spool::ReadMode mode = spool::ReadMode::follow) {
  auto reader = spool::open_spool_reader(directory, mode);
  REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
  const auto frames = (*reader)->read(sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
  CHECK(is_sound(frames));
  return frames->size();
}

}  // namespace

TEST_CASE("reader: beside a writer in other threads it sees whole commits, from segment to segment") {
  const test::TemporaryDirectory directory;
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  constexpr uint64_t commits = 150;
  std::atomic<bool> done{false};
  std::array<std::atomic<bool>, 2> sound{true, true};
  std::array<std::atomic<uint64_t>, 2> read{0, 0};
  std::array<std::thread, 2> threads;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([&, i] {
      auto reader = spool::open_spool_reader(directory.path());
      uint64_t after = 0;
      while (reader && (!done || after < 4 * commits)) {
        const auto frames = (*reader)->read(wave, after, spool::FrameState::queued, 16, SIZE_MAX);
        const auto usage = (*reader)->usage();
        if (!is_sound(frames) || !usage) break;
        if (!frames->empty()) after = frames->back().info.id.seq;
        // All four frames of a commit, or none.
        if (!usage->lanes.empty() && usage->lanes[0].seq_next % 4 != 1) break;
      }
      sound[i] = after == 4 * commits;
      read[i] = after;
    });
  }
  for (uint64_t i = 0; i < commits; ++i) {
    REQUIRE(writer->commit(test::commit_of(wave, 4 * i + 1, 4, 60'000)).ok());
  }
  done = true;
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < threads.size(); ++i) {
    CAPTURE(read[i].load());
    CHECK(sound[i]);
  }
  CHECK(spool::list_segments(directory.path()).size() > 1);  // the readers followed from one to the next
}

TEST_CASE("reader: another process reads beside the writer") {
  const test::TemporaryDirectory directory;
  std::array<int, 2> go{};
  REQUIRE(::pipe(go.data()) == 0);
  const pid_t child = ::fork();  // before this process has a database open
  if (child == 0) {
    wire::FrameSequence wave{device, 0, wire::Lane::wave};
    if (::read(go[0], &wave.epoch, sizeof wave.epoch) != sizeof wave.epoch) ::_exit(1);
    auto reader = spool::open_spool_reader(directory.path());
    if (!reader || (*reader)->epoch() != wave.epoch) ::_exit(2);
    const auto frames = (*reader)->read(wave, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    ::_exit(is_sound(frames) && frames->size() == 9 ? 0 : 3);
  }
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  REQUIRE(writer->commit(test::commit_of(wave, 1, 9, 30'000)).ok());
  REQUIRE(::write(go[1], &wave.epoch, sizeof wave.epoch) == sizeof wave.epoch);
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  // The other process closing its connection must not have emptied or removed anything of ours.
  CHECK(writer->commit(test::commit_of(wave, 10, 1, 30'000)).ok());
  CHECK(frames_in(directory.path(), wave) == 10);
  ::close(go[0]);
  ::close(go[1]);
}

TEST_CASE("reader: a copied directory is read with all that its log holds") {
  const test::TemporaryDirectory directory;
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  REQUIRE(writer->commit(test::commit_of(wave, 1, 5, 30'000)).ok());
  const test::TemporaryDirectory copy;
  fs::copy(directory.path(), copy / "spool");
  SUBCASE("with its -shm") {}
  SUBCASE("without its -shm") { fs::remove(spool::segment_path(copy / "spool", 1) + "-shm"); }
  CHECK(frames_in(copy / "spool", wave) == 5);
  CHECK(frames_in(copy / "spool", wave) == 5);
}

TEST_CASE("reader: a directory that cannot be written is read, and nothing appears in it") {
  const test::TemporaryDirectory directory;
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  REQUIRE(writer->commit(test::commit_of(wave, 1, 5, 30'000)).ok());
  const test::TemporaryDirectory copy;
  fs::copy(directory.path(), copy / "spool");
  SUBCASE("with its -shm") {}
  SUBCASE("without its -shm") { fs::remove(spool::segment_path(copy / "spool", 1) + "-shm"); }
  const auto names = names_in(copy / "spool");
  const test::ReadOnlyView view(copy / "spool");
  if (!view.mounted()) return;
  CHECK(frames_in(view.path(), wave) == 5);
  CHECK(frames_in(view.path(), wave, spool::ReadMode::snapshot) == 5);
  CHECK(names_in(copy / "spool") == names);
  CHECK(!spool::open_spool_writer({view.path(), test::test_host}).ok());
}

TEST_CASE("reader: a snapshot writes nothing beside a writer, and keeps what it saw") {
  const test::TemporaryDirectory directory;
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  REQUIRE(writer->commit(test::commit_of(wave, 1, 3, 30'000)).ok());
  const auto names = names_in(directory.path());
  auto reader = spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot);
  REQUIRE(reader.ok());
  REQUIRE(writer->commit(test::commit_of(wave, 4, 3, 30'000)).ok());
  CHECK((*reader)->list(wave, 0, 100)->size() == 3);
  CHECK(frames_in(directory.path(), wave, spool::ReadMode::snapshot) == 6);
  CHECK(names_in(directory.path()) == names);
}

TEST_CASE("reader: it follows a writer that comes and goes") {
  const test::TemporaryDirectory directory;
  auto writer = open_writer(directory.path());
  const wire::FrameSequence wave{device, writer->epoch(), wire::Lane::wave};
  auto reader = spool::open_spool_reader(directory.path());
  for (uint64_t seq = 1; seq <= 4; ++seq) {
    REQUIRE(writer->commit(test::commit_of(wave, seq, 1, 1000)).ok());
    writer.reset();
    CHECK((*reader)->list(wave, 0, 100)->size() == seq);
    writer = open_writer(directory.path());
    CHECK((*reader)->list(wave, 0, 100)->size() == seq);
  }
}
