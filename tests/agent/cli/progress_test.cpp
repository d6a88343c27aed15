#include "agent/cli/progress.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

using namespace joulespool;
using namespace joulespool::cli;

TEST_CASE("progress: short work shows nothing, longer work its share, speed and the time left, and is cleared") {
  ManualClock clock;
  std::ostringstream err;
  {
    Progress progress(clock, err, true, "export", 1000 * 1024, Progress::Unit::bytes);
    progress.advance(1024);
    CHECK(err.str().empty());
    clock.advance(2 * ns_per_s);
    progress.advance(249 * 1024);
    CHECK(err.str() == "\rexport  25 %  250.00 KiB of 1000.00 KiB  125.00 KiB/s  00:06 left\x1b[K");
  }
  CHECK(err.str().ends_with("\x1b[K\r\x1b[K"));
}

TEST_CASE("progress: redraws are throttled") {
  ManualClock clock;
  std::ostringstream err;
  Progress progress(clock, err, true, "verify", 100, Progress::Unit::frames);
  for (int step = 0; step < 100; ++step) {
    clock.advance(Progress::redraw_ns / 10);
    progress.advance(1);
  }
  const std::string text = err.str();
  CHECK(std::count(text.begin(), text.end(), '\r') == 10);
  CHECK(text.find("verify  50 %  50 frames of 100 frames  50 frames/s  00:01 left") != std::string::npos);
}

TEST_CASE("progress: an unknown total has no share and no time left; more than the total is 100 %") {
  ManualClock clock;
  std::ostringstream err;
  Progress unknown(clock, err, true, "salvage", 0, Progress::Unit::frames);
  clock.advance(ns_per_s);
  unknown.advance(7);
  CHECK(err.str() == "\rsalvage  7 frames  7 frames/s\x1b[K");
  Progress more(clock, err, true, "salvage", 5, Progress::Unit::frames);
  clock.advance(ns_per_s);
  more.advance(7);
  CHECK(err.str().find("100 %") != std::string::npos);
}

TEST_CASE("progress: nothing is written where it is not shown, and nothing but a terminal shows it") {
  ManualClock clock;
  std::ostringstream out, err;
  {
    Progress progress(clock, err, false, "export", 10, Progress::Unit::frames);
    clock.advance(ns_per_s);
    progress.advance(5);
  }
  CHECK(err.str().empty());
  const Surroundings surroundings{{}, out, err, clock};
  CHECK_FALSE(shows_progress(surroundings, false));
}
