#include "agent/app/sample_ring.h"

#include <doctest/doctest.h>

#include <thread>

#include "agent/base/clock.h"

namespace {

using namespace joulespool;
using app::Overrun;
using app::OwnedBlock;
using app::SampleRing;

int64_t soon() { return SystemClock().monotonic_ns() + 5 * ns_per_s; }

struct Source {
  std::vector<float> i, v;
  signal::SampleBlock block;
  Source(uint64_t sample_id, size_t count) : i(count, 1.0F), v(count, 2.0F) {
    block.sample_id = sample_id;
    block.axis = {1, 1000, 1};
    block.i = i;
    block.v = v;
  }
};

device::SourceEvent event(device::SourceEvent::Kind kind) {
  device::SourceEvent event;
  event.kind = kind;
  return event;
}

}  // namespace

TEST_CASE("ring: a block is copied, so the source may use its memory again") {
  SampleRing ring({{"a", 1000}});
  Source source(0, 10);
  ring.on_samples("a", source.block);
  std::fill(source.i.begin(), source.i.end(), -1.0F);
  const auto item = ring.pop_until(soon());
  REQUIRE(item);
  CHECK(std::get<OwnedBlock>(item->what).i == std::vector<float>(10, 1.0F));
}

TEST_CASE("ring: what does not fit is one overrun with its exact range, told before the next block") {
  SampleRing ring({{"a", 25}});
  for (const uint64_t id : {0ULL, 10ULL, 20ULL, 30ULL}) ring.on_samples("a", Source(id, 10).block);
  CHECK(ring.fill("a").samples_lost == 20);
  CHECK(std::get<OwnedBlock>(ring.pop_until(soon())->what).sample_id == 0);
  ring.on_samples("a", Source(40, 10).block);
  CHECK(std::get<OwnedBlock>(ring.pop_until(soon())->what).sample_id == 10);
  const auto overrun = std::get<Overrun>(ring.pop_until(soon())->what);
  CHECK(overrun.sample_id_first == 20);
  CHECK(overrun.sample_id_end == 40);
  CHECK(std::get<OwnedBlock>(ring.pop_until(soon())->what).sample_id == 40);
  CHECK_FALSE(ring.pop_until(0));
}

TEST_CASE("ring: one device's flood does not cost another's samples") {
  SampleRing ring({{"flood", 10}, {"quiet", 10}});
  for (uint64_t id = 0; id < 1000; id += 10) ring.on_samples("flood", Source(id, 10).block);
  ring.on_samples("quiet", Source(0, 10).block);
  CHECK(ring.fill("flood").samples_lost == 990);
  CHECK(ring.fill("quiet").samples_lost == 0);
  CHECK(ring.fill("flood").peak == doctest::Approx(1.0));
}

TEST_CASE("ring: an overrun that no block follows comes with the device's next event") {
  SampleRing ring({{"a", 10}});
  ring.on_samples("a", Source(0, 10).block);
  ring.on_samples("a", Source(10, 10).block);
  ring.on_event("a", event(device::SourceEvent::Kind::ended));
  CHECK(std::holds_alternative<OwnedBlock>(ring.pop_until(soon())->what));
  CHECK(std::holds_alternative<Overrun>(ring.pop_until(soon())->what));
  CHECK(std::holds_alternative<device::SourceEvent>(ring.pop_until(soon())->what));
}

TEST_CASE("ring: a source that can wait loses nothing to a slow writer") {
  SampleRing ring({{"a", 100}});
  std::jthread source([&] {
    for (uint64_t id = 0; id < 20'000; id += 40) {
      while (!ring.wait_for_room("a", 40, std::chrono::milliseconds(100))) continue;
      ring.on_samples("a", Source(id, 40).block);
    }
    ring.on_event("a", event(device::SourceEvent::Kind::ended));
  });
  uint64_t expected = 0;
  for (bool ended = false; !ended;) {
    auto item = ring.pop_until(soon());
    REQUIRE(item);
    ended = std::holds_alternative<device::SourceEvent>(item->what);
    if (ended) continue;
    const auto& block = std::get<OwnedBlock>(item->what);
    REQUIRE(block.sample_id == expected);
    expected += block.i.size();
  }
  CHECK(expected == 20'000);
  CHECK(ring.fill("a").samples_lost == 0);
}

TEST_CASE("ring: wake ends a wait early") {
  SampleRing ring({{"a", 100}});
  std::jthread waker([&] { ring.wake(); });
  CHECK_FALSE(ring.pop_until(SystemClock().monotonic_ns() + 60 * ns_per_s));
}
