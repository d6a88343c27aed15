#include "agent/cli/child_call.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <stdexcept>

using namespace joulespool;
using namespace joulespool::cli;

TEST_CASE("child call: a long answer comes back whole, and nothing else of the child does") {
  SystemClock clock;
  int seen = 0;
  const auto answer = call_in_child([&seen] { return seen = 1, std::string(1'000'000, 'x'); }, 60000, clock);
  REQUIRE_MESSAGE(answer.ok(), (answer.ok() ? "" : answer.error().message));
  CHECK(*answer == std::string(1'000'000, 'x'));
  CHECK(seen == 0);
}

TEST_CASE("child call: a call that takes its process down is an error") {
  SystemClock clock;
  const auto killed = call_in_child([] { return kill(getpid(), SIGKILL), std::string(); }, 60000, clock);
  REQUIRE(!killed.ok());
  CHECK(killed.error().code == Errc::internal);
  CHECK(killed.error().message.find("it crashed (Killed)") == 0);
  const auto ended = call_in_child([]() -> std::string { _exit(7); }, 60000, clock);
  REQUIRE(!ended.ok());
  CHECK(ended.error().message.find("exit code 7") != std::string::npos);
  const auto thrown = call_in_child([]() -> std::string { throw std::runtime_error("no"); }, 60000, clock);
  CHECK(!thrown.ok());
}

TEST_CASE("child call: a call that never returns is ended after its time") {
  SystemClock clock;
  const auto hung = call_in_child(
      []() -> std::string {
        while (true) pause();
      },
      50, clock);
  REQUIRE(!hung.ok());
  CHECK(hung.error().code == Errc::unreachable);
  CHECK(hung.error().message == "no answer within 50 ms");
}
