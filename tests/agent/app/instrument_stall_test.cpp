// A consumer that stands still, behind a source that cannot wait.
#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "agent/app/sample_ring.h"
#include "agent/device/joulescope_source.h"
#include "tests/support/standin_world.h"

namespace {

using namespace joulespool;

constexpr uint64_t speed = 4;
constexpr uint64_t stall_s = 30;  // of the instruments' time
const test::StandinWorld::Keys js110 = {{"model", "js110"}, {"serial", "1"}, {"speed", std::to_string(speed)}};
const test::StandinWorld::Keys js220 = {{"model", "js220"}, {"serial", "2"}, {"speed", std::to_string(speed)}};

bool wait_for(Clock& clock, int64_t seconds, const std::function<bool()>& condition) {
  const int64_t deadline_ns = clock.monotonic_ns() + seconds * ns_per_s;
  while (!condition()) {
    if (clock.monotonic_ns() > deadline_ns) return false;
    clock.wait_until(clock.monotonic_ns() + 5 * ns_per_ms, {});  // between two looks
  }
  return true;
}

size_t count_calls(const test::StandinWorld& world, const std::string& topic) {
  size_t count = 0;
  for (const auto& call : world.calls()) count += call.topic == topic ? 1U : 0U;
  return count;
}

uint64_t rss_bytes() {
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * 4096;
}

}  // namespace

TEST_CASE("stalled consumer: half a minute costs a counted gap and bounded memory, and the driver's calls still return") {
  test::StandinWorld world;
  const auto fast = world.plug(js110), moving = world.plug(js220);
  SystemClock clock;
  app::SampleRing ring({{fast, 2'000'000}, {moving, 1'000'000}});
  device::JoulescopeSource source(clock, {test::StandinWorld::library(), {{}}});
  REQUIRE(source.start(ring, {}).ok());
  REQUIRE(wait_for(clock, 30, [&] { return ring.fill(fast).samples_lost > 0 && ring.fill(moving).samples_lost > 0; }));
  const uint64_t rss_before = rss_bytes();
  REQUIRE(wait_for(clock, 120, [&] { return ring.fill(fast).samples_lost >= stall_s * 2'000'000; }));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  MESSAGE("memory is not judged here: a sanitizer's allocator keeps what was freed; " << rss_bytes() - rss_before
                                                                                      << " bytes more");
#else
  CHECK(rss_bytes() < rss_before + 8'000'000);
#endif

  // Plugged out and in meanwhile: its calls to the driver are made and answered as ever.
  const std::string open = "u/js220/2/@/!open";
  REQUIRE(count_calls(world, open) == 1);
  world.unplug(moving);
  world.plug_again(moving);
  const int64_t plugged_ns = clock.monotonic_ns();
  REQUIRE(wait_for(clock, 30, [&] { return count_calls(world, "u/js220/2/s/v/ctrl") == 2; }));
  CHECK(clock.monotonic_ns() - plugged_ns < 5 * ns_per_s);
  const int64_t stopping_ns = clock.monotonic_ns();
  source.stop();
  CHECK(clock.monotonic_ns() - stopping_ns < 5 * ns_per_s);

  // Everything that was handed over is there or in a range that says so.
  uint64_t samples = 0, lost = 0, next = 0;
  const uint64_t counted = ring.fill(fast).samples_lost;
  while (auto item = ring.pop_until(clock.monotonic_ns() + 100 * ns_per_ms)) {
    if (item->device != fast) continue;
    uint64_t first = next, end = next;
    if (const auto* block = std::get_if<app::OwnedBlock>(&item->what)) {
      first = block->sample_id;
      end = first + block->i.size();
      samples += block->i.size();
    } else if (const auto* overrun = std::get_if<app::Overrun>(&item->what)) {
      first = overrun->sample_id_first;
      end = overrun->sample_id_end;
      lost += end - first;
    }
    if (next != 0) CHECK(first == next);
    next = end;
  }
  CHECK(samples <= 2'000'000);
  CHECK(samples + lost > stall_s * 2'000'000);
  CHECK(counted == lost);
}
