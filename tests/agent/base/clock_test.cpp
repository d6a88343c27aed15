#include "agent/base/clock.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "agent/base/exit_code.h"

using namespace joulespool;

TEST_CASE("clock: the system's clocks go on, and are of this century") {
  SystemClock clock;
  const int64_t before = clock.monotonic_ns();
  CHECK(clock.realtime_ns() > 1'700'000'000 * ns_per_s);
  CHECK(clock.wait_until(before + 2 * ns_per_ms, {}));
  CHECK(clock.monotonic_ns() >= before + 2 * ns_per_ms);
  CHECK(clock.wait_until(before, {}));
}

TEST_CASE("clock: a stop request ends waiting at once") {
  SystemClock clock;
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  const int64_t begin = clock.monotonic_ns();
  CHECK(!clock.wait_until(begin + 600 * ns_per_s, stop.get_token()));
  CHECK(clock.monotonic_ns() - begin < 60 * ns_per_s);
  stopper.join();
}

TEST_CASE("clock: time stands still in a manual clock until it is told to go on") {
  ManualClock clock(1000);
  const int64_t begin = clock.monotonic_ns();
  CHECK(clock.realtime_ns() == 1000);
  clock.advance(5);
  CHECK(clock.realtime_ns() == 1005);
  CHECK(clock.monotonic_ns() == begin + 5);
  clock.step_realtime(-500);
  CHECK(clock.realtime_ns() == 505);
  CHECK(clock.monotonic_ns() == begin + 5);
}

TEST_CASE("clock: waiters of a manual clock wake when their time has come, or on a stop request") {
  ManualClock clock;
  const int64_t deadline = clock.monotonic_ns() + 10;
  std::atomic<bool> reached = false;
  std::thread waiter([&] { reached = clock.wait_until(deadline, {}); });
  clock.advance(9);
  CHECK(!reached);
  clock.advance(1);
  waiter.join();
  CHECK(reached);

  std::stop_source stop;
  std::atomic<bool> stopped = false;
  std::thread other([&] { stopped = !clock.wait_until(deadline + 1000, stop.get_token()); });
  stop.request_stop();
  other.join();
  CHECK(stopped);
}

TEST_CASE("exit codes: every kind of error has one") {
  CHECK(exit_code({Errc::usage, ""}) == 2);
  CHECK(exit_code({Errc::unreachable, ""}) == 3);
  CHECK(exit_code({Errc::busy, ""}) == 3);
  CHECK(exit_code({Errc::full, ""}) == 3);
  CHECK(exit_code({Errc::damaged, ""}) == 1);
  CHECK(exit_code({Errc::not_found, ""}) == 1);
  CHECK(exit_code({Errc::cancelled, ""}) == 0);
  CHECK(exit_code({Errc::internal, ""}) == 4);
  CHECK(Error{Errc::full, "disk full"}.in("append").in("spool").message == "spool: append: disk full");
}
