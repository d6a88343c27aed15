// A life of a spool on a small ext4, over and over: before each of its steps in turn, another program takes the disk to the last
// byte, and gives it back some steps later.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/loop_disk.h"
#include "tests/support/spool_life.h"

using namespace joulespool;
using test::Life;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t disk_bytes = 64ULL << 20;
constexpr int steps = 22;

enum class Filler {
  stands,  // what the spool gives up is the spool's
  grows,   // others take that, too, before every step
};

struct Refused {
  int appends = 0, others = 0;
};

// The disk is full from before step `full_at` to before step `free_at`.
Refused live(const test::LoopDisk& disk, int full_at, int free_at, Filler filler, test::Survived& survived) {
  Refused refused;
  fs::remove_all(disk / "spool");
  Life life(disk / "spool");
  for (int n = 0; n < steps; ++n) {
    CAPTURE(n);
    if (n == full_at || (filler == Filler::grows && n > full_at && n < free_at)) {
      disk.fill();
      CHECK(disk.free_bytes() < 4096);
    }
    if (n == free_at) disk.empty();
    const bool is_full = n >= full_at && n < free_at;
    if (life.step(n)) continue;
    CHECK(is_full);  // by itself it goes on with the first step after
    ++(life.was_append() ? refused.appends : refused.others);
  }
  disk.empty();
  CHECK(life.reopen());
  add_life(life, survived);
  return refused;
}

void live_with_each_step_full(const std::string& what, Filler filler, bool others_get_through) {
  const test::LoopDisk disk(disk_bytes);
  if (!disk.mounted()) return;
  Refused sum;
  test::Survived survived{what, 0, steps};
  for (int full_at = 0; full_at < steps; ++full_at) {
    CAPTURE(full_at);
    const Refused refused = live(disk, full_at, full_at + 2 + full_at % 5, filler, survived);
    sum.appends += refused.appends;
    sum.others += refused.others;
  }
  CHECK(sum.appends > steps / 2);
  if (others_get_through) CHECK(sum.others == 0);
  CHECK(survived.unaccounted == 0);
  survived.detail =
      "ext4 of 64 MB; refused: " + std::to_string(sum.appends) + " appends, " + std::to_string(sum.others) + " others";
  test::report(survived);
}

}  // namespace

TEST_CASE(
    "full disk: whenever in its life the disk fills up, nothing is lost, what frees or tells goes through, and it goes on by "
    "itself") {
  live_with_each_step_full("disk filled up before each step", Filler::stands, true);
}

TEST_CASE("full disk: while others take every byte that is given up, commits are refused cleanly") {
  live_with_each_step_full("disk kept full from each step on", Filler::grows, false);
}

TEST_CASE("full disk: a spool that was full to the last byte when it was killed, is opened and drained") {
  const test::LoopDisk disk(disk_bytes);
  if (!disk.mounted()) return;
  test::Survived survived{"full disk and the process gone", 0, (steps - 1) / 4};
  for (int full_at = 4; full_at < steps; full_at += 4) {
    CAPTURE(full_at);
    fs::remove_all(disk / "spool");
    Life life(disk / "spool");
    for (int n = 0; n < full_at + 4; ++n) {
      if (n == full_at) disk.fill();
      static_cast<void>(life.step(n));
    }
    CHECK(life.reopen());
    CHECK(life.step(3));  // an ack
    disk.empty();
    CHECK(life.step(1));
    life.check_all();
    add_life(life, survived);
  }
  CHECK(survived.unaccounted == 0);
  CHECK(survived.done == survived.planned);
  survived.detail = "opened and drained without a free byte";
  test::report(survived);
}
