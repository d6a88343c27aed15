// What every SampleSource keeps (agent/device/sample_source.h), as tests: call check_sample_source_contract() in a TEST_CASE.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "agent/base/clock.h"
#include "tests/support/collecting_sink.h"

namespace joulespool::test {

struct SampleSourceCase {
  // At least two devices that go on for ever in the time of the clock.
  std::function<std::unique_ptr<device::SampleSource>(Clock&)> make_endless;
  // At least two devices that end by themselves, after at least 10,000 samples each, as fast as the sink has room.
  std::function<std::unique_ptr<device::SampleSource>(Clock&)> make_finite;
  bool honours_resume = false;  // make_finite's
};

inline void check_blocks(CollectingSink& sink, const std::string& device) {
  uint64_t next = 0, life = 0;
  for (const KeptBlock& block : sink.blocks(device)) {
    CHECK(block.sample_id >= next);  // never back, never twice
    CHECK(block.axis.counter_rate_hz > 0);
    CHECK(block.axis.decimation > 0);
    CHECK(block.sample_id % block.axis.decimation == 0);
    CHECK(!block.i.empty());
    CHECK(block.v.size() == block.i.size());
    CHECK((block.p.empty() || block.p.size() == block.i.size()));
    CHECK(block.sample_id_end == block.sample_id + block.i.size() * block.axis.decimation);
    CHECK(block.utc.quality != wire::UtcQuality::unknown);
    CHECK((life == 0 || block.axis.life == life));
    life = block.axis.life;
    CHECK(life != 0);
    next = block.sample_id_end;
    for (const KeptRun& kept : block.packed) {
      CHECK(kept.data.size() == (kept.run.count * kept.run.bits + 7) / 8);
      CHECK(kept.run.sample_id == block.sample_id);
      CHECK(kept.run.sample_id + kept.run.count * kept.run.decimation == block.sample_id_end);
    }
  }
  const auto& calls = sink.calls(device);
  REQUIRE(!calls.empty());
  const auto is_block = [](const KeptCall& call) { return call.is_block; };
  const auto is_found = [](const KeptCall& call) {
    return !call.is_block && call.event.kind == device::SourceEvent::Kind::found;
  };
  const auto first_block = std::find_if(calls.begin(), calls.end(), is_block);
  CHECK(std::any_of(calls.begin(), first_block, is_found));  // found comes before the first block
  for (size_t n = 0; n + 1 < calls.size(); ++n)
    CHECK((calls[n].is_block || calls[n].event.kind != device::SourceEvent::Kind::ended));  // ended comes last
}

inline void check_continuous(CollectingSink& sink, const std::string& device) {
  const auto blocks = sink.blocks(device);
  for (size_t n = 1; n < blocks.size(); ++n) CHECK(blocks[n].sample_id == blocks[n - 1].sample_id_end);
}

inline void check_finite_runs(const SampleSourceCase& source_case, Clock& clock) {
  const auto source = source_case.make_finite(clock);
  const auto devices = source->devices();
  REQUIRE(devices.size() >= 2);
  CHECK(!source->kind().empty());
  CollectingSink whole;
  REQUIRE(source->start(whole, {}).ok());
  for (const auto& device : devices) REQUIRE(whole.wait_for_event(device.id, device::SourceEvent::Kind::ended));
  source->stop();
  for (const auto& device : devices) {
    CHECK(wire::is_valid_id(device.id));
    CHECK(whole.samples(device.id) >= 10'000);
    CHECK(whole.calls(device.id).back().event.kind == device::SourceEvent::Kind::ended);
    check_blocks(whole, device.id);
    check_continuous(whole, device.id);
  }
  CHECK(!whole.saw_overlap());
  CHECK(!whole.saw_kept_memory());

  const auto& first = devices.front();
  const KeptBlock begin = whole.blocks(first.id).front();
  const uint64_t resume = begin.sample_id + 1'234 * uint64_t{begin.axis.decimation};
  CollectingSink rest;
  REQUIRE(source->start(rest, {{first.id, {begin.axis, resume, begin.utc}}}).ok());
  for (const auto& device : devices) REQUIRE(rest.wait_for_event(device.id, device::SourceEvent::Kind::ended));
  source->stop();
  const KeptBlock again = rest.blocks(first.id).front();
  CHECK(again.sample_id == (source_case.honours_resume ? resume : begin.sample_id));
  CHECK(again.axis == begin.axis);
  CHECK(rest.blocks(first.id).back().sample_id_end == whole.blocks(first.id).back().sample_id_end);
  check_continuous(rest, first.id);
}

inline void check_room_is_asked_for(const SampleSourceCase& source_case, Clock& clock) {
  const auto source = source_case.make_finite(clock);
  const auto devices = source->devices();
  CollectingSink sink(5'000);
  REQUIRE(source->start(sink, {}).ok());
  REQUIRE(sink.wait_for_waits(20));  // it asks again and again, and sends nothing that has no room
  for (const auto& device : devices) CHECK(sink.wait_for([&] { return sink.samples(device.id) <= 5'000; }));
  sink.grow(UINT64_MAX);
  for (const auto& device : devices) CHECK(sink.wait_for_event(device.id, device::SourceEvent::Kind::ended));
  source->stop();
}

inline void check_stop(const SampleSourceCase& source_case, Clock& clock) {
  const auto source = source_case.make_endless(clock);
  const auto devices = source->devices();
  REQUIRE(devices.size() >= 2);
  source->stop();  // before any start
  for (int round = 0; round < 3; ++round) {
    CollectingSink sink;
    REQUIRE(source->start(sink, {}).ok());
    CollectingSink other;
    CHECK(!source->start(other, {}).ok());  // it runs already
    for (const auto& device : devices) REQUIRE(sink.wait_for([&] { return sink.samples(device.id) > 0; }));
    source->stop();
    const size_t calls = sink.call_count();
    source->stop();
    CHECK(sink.call_count() == calls);
    CHECK(other.call_count() == 0);
    for (const auto& device : devices) {
      check_blocks(sink, device.id);
      check_continuous(sink, device.id);
    }
    CHECK(!sink.saw_overlap());
    CHECK(!sink.saw_kept_memory());
  }
}

inline void check_stop_in_full_sink(const SampleSourceCase& source_case, Clock& clock) {
  const auto source = source_case.make_finite(clock);
  CollectingSink sink(0);
  REQUIRE((source->start(sink, {}).ok() && sink.wait_for_waits(3)));
  source->stop();
  for (const auto& device : source->devices()) CHECK(sink.samples(device.id) == 0);
}

inline void check_sample_source_contract(const SampleSourceCase& source_case) {
  SystemClock clock;
  SUBCASE("blocks are in order, without holes, and ended comes last") { check_finite_runs(source_case, clock); }
  SUBCASE("nothing is sent that has no room") { check_room_is_asked_for(source_case, clock); }
  SUBCASE("after stop nothing comes, and it can be started again") { check_stop(source_case, clock); }
  SUBCASE("stop does not wait for room") { check_stop_in_full_sink(source_case, clock); }
  SUBCASE("destruction stops") {
    CollectingSink sink;
    auto source = source_case.make_endless(clock);
    REQUIRE(source->start(sink, {}).ok());
    REQUIRE(sink.wait_for([&] { return sink.call_count() > 0; }));
    source.reset();
  }  // a call that comes now would be caught by the sanitizers
}

}  // namespace joulespool::test
