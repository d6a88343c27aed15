#include "agent/spool/directory_lock.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <filesystem>

#include "tests/support/temporary_directory.h"

using namespace joulespool;
using spool::DirectoryLock;

TEST_CASE("directory lock: a second holder in the same process is refused and told who holds it") {
  const test::TemporaryDirectory directory;
  auto first = DirectoryLock::acquire(directory.path());
  REQUIRE(first.ok());
  auto second = DirectoryLock::acquire(directory.path());
  REQUIRE(!second.ok());
  CHECK(second.error().code == Errc::busy);
  CHECK(second.error().message == "spool " + directory.path() + " is used by process " + std::to_string(::getpid()));
  CHECK(!DirectoryLock::acquire(directory.path()).ok());  // the refused attempt did not lose the first one's lock
}

TEST_CASE("directory lock: it can be taken again when its holder let go") {
  const test::TemporaryDirectory directory;
  for (int round = 0; round < 3; ++round) CHECK(DirectoryLock::acquire(directory.path()).ok());
  auto moved_from = DirectoryLock::acquire(directory.path());
  auto moved = std::move(*moved_from);
  CHECK(!DirectoryLock::acquire(directory.path()).ok());
}

TEST_CASE("directory lock: the kernel frees it when its holder is killed") {
  const test::TemporaryDirectory directory;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = DirectoryLock::acquire(directory.path());
    const char answer = lock ? 'y' : 'n';
    [[maybe_unused]] const auto written = ::write(pipe[1], &answer, 1);
    for (;;) ::pause();
  }
  char answer = 0;
  REQUIRE(::read(pipe[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  auto refused = DirectoryLock::acquire(directory.path());
  REQUIRE(!refused.ok());
  CHECK(refused.error().message.find("process " + std::to_string(child)) != std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(DirectoryLock::acquire(directory.path()).ok());
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("directory lock: who only reads is told who holds it, and changes nothing") {
  const test::TemporaryDirectory directory;
  CHECK(DirectoryLock::check_free(directory.path()).ok());
  CHECK(!std::filesystem::exists(directory / "lock"));
  {
    const auto lock = DirectoryLock::acquire(directory.path());
    REQUIRE(lock.ok());
    const Status held = DirectoryLock::check_free(directory.path());
    REQUIRE(!held.ok());
    CHECK(held.error().code == Errc::busy);
    CHECK(held.error().message == "spool " + directory.path() + " is used by process " + std::to_string(::getpid()));
    CHECK(!DirectoryLock::acquire(directory.path()).ok());  // the question did not lose it
  }
  CHECK(DirectoryLock::check_free(directory.path()).ok());  // the pid of before is still written there
}

TEST_CASE("directory lock: a directory that is not there is unreachable") {
  const test::TemporaryDirectory directory;
  auto lock = DirectoryLock::acquire(directory / "nowhere");
  REQUIRE(!lock.ok());
  CHECK(lock.error().code == Errc::unreachable);
}
