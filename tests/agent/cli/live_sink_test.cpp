#include "agent/cli/live_sink.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace joulespool;
using namespace joulespool::cli;
using Kind = device::SourceEvent::Kind;

namespace {

constexpr wire::TimeAxis axis = {1, 2'000'000, 2};
constexpr size_t window_samples = 100'000;  // 100 ms

// `count` equal samples from `sample_id` on.
void deliver(LiveSink& sink, uint64_t sample_id, size_t count, float i, float v, wire::TimeAxis on = axis) {
  const std::vector<float> currents(count, i), voltages(count, v);
  signal::SampleBlock block;
  block.sample_id = sample_id;
  block.axis = on;
  block.i = currents;
  block.v = voltages;
  sink.on_samples("js220-1", block);
}

void tell(LiveSink& sink, Kind kind, const std::string& text = "") {
  device::SourceEvent event;
  event.kind = kind;
  event.text = text;
  if (kind == Kind::found) event.firmware = "1.3.0";
  event.identity = {"js220-1", "js220", "1"};
  sink.on_event("js220-1", event);
}

DeviceReading only(LiveSink& sink) {
  const auto readings = sink.take();
  REQUIRE(readings.size() == 1);
  return readings.front();
}

}  // namespace

TEST_CASE("live sink: whole windows become means and extremes, power is the product") {
  ManualClock clock;
  LiveSink sink(clock);
  deliver(sink, 0, window_samples, 0.5F, 2.0F);
  deliver(sink, 2 * window_samples, window_samples, 1.5F, 2.0F);
  deliver(sink, 4 * window_samples, 10, 9.0F, 9.0F);  // of a window that is not complete
  const DeviceReading reading = only(sink);
  REQUIRE(reading.i.has_value());
  CHECK(reading.i->average == 1.0);
  CHECK(reading.i->min == 0.5);
  CHECK(reading.i->max == 1.5);
  CHECK(reading.p->average == 2.0);
  CHECK(reading.p->max == 3.0);
  CHECK(reading.sample_rate_hz == 1e6);
  CHECK(reading.samples_lost == 0);
}

TEST_CASE("live sink: a jump of sample_id is counted as lost, a new life of the counter is not") {
  ManualClock clock;
  LiveSink sink(clock);
  deliver(sink, 1000, window_samples, 1.0F, 1.0F);
  deliver(sink, 1000 + 2 * window_samples + 2 * 500, 10, 1.0F, 1.0F);
  CHECK(only(sink).samples_lost == 500);
  deliver(sink, 0, 10, 1.0F, 1.0F, {2, 2'000'000, 2});
  CHECK(only(sink).samples_lost == 500);
}

TEST_CASE("live sink: samples without a number are missing, not zero") {
  ManualClock clock;
  LiveSink sink(clock);
  deliver(sink, 0, window_samples / 2, 1.0F, 1.0F);
  deliver(sink, window_samples, window_samples / 2 + 1, std::numeric_limits<float>::quiet_NaN(), 1.0F);
  DeviceReading reading = only(sink);
  CHECK(reading.samples_missing == window_samples / 2);
  CHECK(reading.i->average == 1.0);
  clock.advance(2 * ns_per_s);
  deliver(sink, 2 * window_samples + 2, window_samples, std::numeric_limits<float>::quiet_NaN(), 1.0F);
  reading = only(sink);
  CHECK(!reading.i.has_value());
  CHECK(reading.samples_missing == window_samples);
}

TEST_CASE("live sink: a value is repeated for a second, then it is old") {
  ManualClock clock;
  LiveSink sink(clock);
  deliver(sink, 0, window_samples + 1, 1.0F, 1.0F);
  CHECK(only(sink).i.has_value());
  clock.advance(ns_per_s / 2);
  CHECK(only(sink).i.has_value());
  clock.advance(ns_per_s);
  CHECK(!only(sink).i.has_value());
}

TEST_CASE("live sink: events become states, with why and what to do") {
  ManualClock clock;
  LiveSink sink(clock);
  CHECK(sink.take().empty());
  CHECK(!sink.is_over());
  sink.expect({"js220-1", "js220", "1"}, "joulescope");
  CHECK(only(sink).state == "waiting");
  tell(sink, Kind::attached);
  CHECK(only(sink).state == "attached");
  tell(sink, Kind::trouble, "no permission: install the udev rule");
  CHECK(only(sink).state == "trouble");
  CHECK(only(sink).detail == "no permission: install the udev rule");
  tell(sink, Kind::found);
  CHECK(only(sink).state == "streaming");
  CHECK(only(sink).detail.empty());
  CHECK(only(sink).firmware == "1.3.0");
  tell(sink, Kind::note, "for people");
  CHECK(only(sink).state == "streaming");
  tell(sink, Kind::lost, "unplugged");
  CHECK(only(sink).detail == "unplugged");
  tell(sink, Kind::ended, "end of the recording");
  CHECK(sink.is_over());
}

TEST_CASE("live sink: the end of a device shows what was not a whole window yet") {
  ManualClock clock;
  LiveSink sink(clock);
  deliver(sink, 0, 10, 0.25F, 1.0F);
  CHECK(!only(sink).i.has_value());
  tell(sink, Kind::ended);
  CHECK(only(sink).i->average == 0.25);
}

TEST_CASE("live sink: a device that a source lists only later is shown too") {
  ManualClock clock;
  LiveSink sink(clock);
  sink.expect({"js220-2", "js220", "2"}, "joulescope");
  tell(sink, Kind::found);
  const auto readings = sink.take();
  REQUIRE(readings.size() == 2);
  CHECK(readings[0].identity == wire::DeviceIdentity{"js220-1", "js220", "1"});
}
