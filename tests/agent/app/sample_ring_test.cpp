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

OwnedBlock pop_block(SampleRing& ring) {
  auto item = ring.pop_until(soon());
  REQUIRE(item);
  return std::move(std::get<OwnedBlock>(item->what));
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

TEST_CASE("ring: a writer that stalls for 30 s costs exactly what did not fit, and no memory beyond the room") {
  constexpr size_t room = 2'000'000;  // 1 s of a JS110
  constexpr size_t message = 65'394;
  SampleRing ring({{"js110-1", room}});
  Source source(0, message);
  source.block.axis = {1, 2'000'000, 1};
  uint64_t sent = 0;
  while (sent < uint64_t{30} * 2'000'000) {
    source.block.sample_id = sent;
    ring.on_samples("js110-1", source.block);
    ring.on_event("js110-1", event(device::SourceEvent::Kind::statistics));
    sent += message;
  }
  CHECK(ring.fill("js110-1").blocks == room / message);
  CHECK(ring.fill("js110-1").now <= 1.0);
  const uint64_t lost = ring.fill("js110-1").samples_lost;
  uint64_t got = 0;
  while (auto item = ring.pop_until(0))
    if (const auto* block = std::get_if<OwnedBlock>(&item->what)) {
      CHECK(block->sample_id == got);
      got += block->i.size();
    } else if (const auto* overrun = std::get_if<Overrun>(&item->what)) {
      CHECK(overrun->sample_id_first == got);
      got = overrun->sample_id_end;
    }
  CHECK(got == sent);
  CHECK(lost == sent - room / message * message);
}

TEST_CASE("ring: with a stalled writer nothing grows without bound: events, holes between lost blocks, blocks of one sample") {
  SampleRing ring({{"a", 100'000}});
  Source one(0, 1);
  for (uint64_t at = 0; at < 50'000; ++at) {  // every second sample is missing besides
    one.block.sample_id = at * 2;
    ring.on_samples("a", one.block);
  }
  CHECK(ring.fill("a").blocks == SampleRing::blocks_max);
  CHECK(ring.fill("a").samples_lost == 40'000);
  for (const auto kind : {device::SourceEvent::Kind::note, device::SourceEvent::Kind::gap, device::SourceEvent::Kind::statistics,
                          device::SourceEvent::Kind::trouble, device::SourceEvent::Kind::attached,
                          device::SourceEvent::Kind::lost, device::SourceEvent::Kind::found})
    for (size_t at = 0; at < 30'000; ++at) ring.on_event("a", event(kind));
  ring.on_event("a", event(device::SourceEvent::Kind::ended));
  size_t items = 0, overruns = 0;
  bool ended = false;
  uint64_t end = 0;
  while (auto item = ring.pop_until(0)) {
    ++items;
    if (const auto* overrun = std::get_if<Overrun>(&item->what)) {
      ++overruns;
      CHECK(overrun->sample_id_first >= end);
      end = overrun->sample_id_end;
    }
    const auto* said = std::get_if<device::SourceEvent>(&item->what);
    ended = said != nullptr && said->kind == device::SourceEvent::Kind::ended;
  }
  CHECK(items <= 2 * SampleRing::items_max + SampleRing::overruns_max + 1);
  CHECK(overruns == SampleRing::overruns_max);
  CHECK(end == 99'999);  // up to the last one that was lost
  CHECK(ended);
}

TEST_CASE("ring: lost blocks of two lives of a counter are two overruns") {
  SampleRing ring({{"a", 10}});
  ring.on_samples("a", Source(0, 10).block);
  ring.on_samples("a", Source(10, 10).block);
  Source reborn(20, 10);
  reborn.block.axis.life = 2;
  ring.on_samples("a", reborn.block);
  ring.on_event("a", event(device::SourceEvent::Kind::ended));
  ring.pop_until(soon());
  CHECK(std::get<Overrun>(ring.pop_until(soon())->what).axis == 1);
  CHECK(std::get<Overrun>(ring.pop_until(soon())->what).axis == 2);
}

TEST_CASE("ring: a device that nobody announced has the room that is asked for it, once") {
  size_t asked = 0;
  SampleRing ring({{"a", 10}}, [&](const std::string& device) {
    ++asked;
    return device == "js110-1" ? size_t{40} : size_t{20};
  });
  for (uint64_t at = 0; at < 100; at += 10) {
    ring.on_samples("js110-1", Source(at, 10).block);
    ring.on_samples("js220-1", Source(at, 10).block);
  }
  CHECK(asked == 2);
  CHECK(ring.fill("js110-1").samples_lost == 60);
  CHECK(ring.fill("js220-1").samples_lost == 80);
  CHECK(ring.fill("unheard-of").samples_lost == 0);
}

TEST_CASE("ring: memory that comes back is used again, and never more is kept than the room has") {
  SampleRing ring({{"a", 1000}});
  Source source(0, 100);
  ring.on_samples("a", source.block);
  auto first = pop_block(ring);
  const float* memory = first.i.data();
  ring.recycle("a", std::move(first));
  CHECK(ring.fill("a").samples_spare == 100);
  ring.on_samples("a", source.block);
  CHECK(ring.fill("a").samples_spare == 0);
  auto again = pop_block(ring);
  CHECK(again.i.data() == memory);
  CHECK(again.i == source.i);
  ring.recycle("a", std::move(again));
  for (int at = 0; at < 100; ++at) {
    OwnedBlock foreign;
    foreign.i.resize(300);
    ring.recycle("a", std::move(foreign));
    CHECK(ring.fill("a").samples_spare <= 1000);
  }
  CHECK(ring.fill("a").samples_spare == 1000);
  ring.recycle("a", OwnedBlock{});
}

TEST_CASE("ring: a block in used memory has nothing of the one before") {
  SampleRing ring({{"a", 1000}});
  Source with(0, 100);
  const std::vector<float> p(100, 3.0F);
  const wire::Bytes bits(13, std::byte{0xFF}), ranges(50, std::byte{0x11});
  const std::vector<signal::PackedRun> packed = {{signal::SignalId::gpi0, 1, 0, 1, 100, bits},
                                                 {signal::SignalId::current_range, 4, 0, 1, 100, ranges}};
  with.block.p = p;
  with.block.packed = packed;
  ring.on_samples("a", with.block);
  auto full = pop_block(ring);
  REQUIRE(full.packed.size() == 2);
  CHECK(full.packed[1].run.data.data() == full.packed[1].bytes.data());
  ring.recycle("a", std::move(full));
  Source plain(100, 7);
  plain.block.packed = std::span(packed).first(1);
  ring.on_samples("a", plain.block);
  const auto item = ring.pop_until(soon());
  const auto& block = std::get<OwnedBlock>(item->what);
  CHECK(block.i.size() == 7);
  CHECK(block.p.empty());
  REQUIRE(block.packed.size() == 1);
  CHECK(block.packed[0].bytes == bits);
  CHECK(block.packed[0].run.data.data() == block.packed[0].bytes.data());
}
