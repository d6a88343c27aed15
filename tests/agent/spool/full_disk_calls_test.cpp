// Every call of the spool that needs space fails with ENOSPC, once or from then on: nothing that was confirmed is lost, what is
// refused changes nothing, and when there is space it goes on by itself.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/support/disk_faults.h"
#include "tests/support/spool_life.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using test::DiskFaults;
using test::Life;
using test::Sick;

namespace {

constexpr int steps = 15;

// A life in which the calls after `good` fail, `bad` of them, or until a few steps after the first one that did. Whether one did.
bool live(Sick sick, int64_t good, int64_t bad, test::Survived& survived) {
  const test::TemporaryDirectory directory(test::Storage::memory);
  DiskFaults::fail(directory.path(), sick, 0, 0);
  Life life(directory / "spool", sick != Sick::no_space);
  DiskFaults::fail(directory.path(), sick, good, bad);
  int sick_steps = 0;
  for (int n = 0; n < steps; ++n) {
    CAPTURE(n);
    const int64_t before = DiskFaults::failed();
    if (DiskFaults::failed() > 0 && ++sick_steps > 4) DiskFaults::heal();
    if (n % 11 == 10) DiskFaults::heal();  // a spool that cannot be opened is told so: not here
    const bool well = life.step(n);
    CHECK((well || DiskFaults::failed() > before || sick_steps <= 5));
  }
  const bool hit = DiskFaults::failed() > 0;
  DiskFaults::heal();
  for (int n = 0; life.is_unknown() && n < 3; ++n) static_cast<void>(life.step(0));
  CHECK_FALSE(life.is_unknown());
  CHECK(life.step(1));  // by itself
  CHECK(life.reopen());
  if (hit) add_life(life, survived);
  return hit;
}

// All of them in the long run (JOULESPOOL_EVERY_CALL), some by default.
int64_t stride() { return std::getenv("JOULESPOOL_EVERY_CALL") != nullptr ? 1 : 61; }

void visit_all_calls(const std::string& what, Sick sick, int64_t bad) {
  test::Survived survived{what};
  int64_t good = 0;
  for (bool hit = true; hit; good += stride()) {
    CAPTURE(what);
    CAPTURE(good);
    hit = live(sick, good, bad, survived);
  }
  CHECK(good > 100);
  CHECK(survived.unaccounted == 0);
  survived.planned = static_cast<uint64_t>(good / stride() - 1);  // the last one met no call any more
  survived.detail = "each call of a life of " + std::to_string(steps) + " steps";
  if (stride() > 1) survived.detail = "every " + std::to_string(stride()) + "th call of a life";
  test::report(survived);
}

}  // namespace

TEST_CASE("full disk: whichever call for space fails, once or from then on, nothing is lost and it goes on") {
  visit_all_calls("ENOSPC from one call", Sick::no_space, 1);
  visit_all_calls("ENOSPC from that call on", Sick::no_space, INT64_MAX);
}

TEST_CASE("disk: whichever call meets an I/O error or a file system that became read-only, nothing is lost and it goes on") {
  visit_all_calls("EIO from one call", Sick::io_error, 1);
  visit_all_calls("EIO from that call on", Sick::io_error, INT64_MAX);
  visit_all_calls("EROFS from that call on", Sick::read_only, INT64_MAX);
}

TEST_CASE("disk: the test finds a spool that lets a frame go in silence") {
  const test::TemporaryDirectory directory(test::Storage::memory);
  DiskFaults::fail(directory.path(), Sick::no_space, 0, 0);
  test::Canary canary{"a frame that leaves in silence"};
  for (int fed = 1; fed <= 9; fed += 2, ++canary.tried) {
    Life life(directory / std::to_string(fed));
    for (int n = 0; n < fed; ++n) REQUIRE(life.step(n));
    life.lose_a_frame();
    CHECK(life.reopen());
    if (life.frames_missing() == 1) ++canary.seen;
    canary.unaccounted += life.frames_missing() * 1000;
  }
  CHECK(canary.seen == canary.tried);
  test::report(canary);
}
