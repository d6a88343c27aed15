#include "agent/device/joulescope_time.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "agent/base/clock.h"

namespace {

using joulespool::ns_per_ms;
using joulespool::ns_per_s;
using joulespool::device::CounterLife;
using joulespool::device::utc_map;
using joulespool::device::abi::TimeMap;
using joulespool::wire::TimeAxis;
using joulespool::wire::UtcMap;
using joulespool::wire::UtcQuality;

constexpr uint32_t rate_hz = 2'000'000;
constexpr TimeAxis axis{0, rate_hz, 2};
constexpr int64_t start_utc_ns = 1'800'000'000 * ns_per_s;

// A counter that was 0 at `zero_ns` after start_utc_ns, seen at `now_ns` after it.
CounterLife::Moment moment(int64_t now_ns, int64_t zero_ns = 0) {
  const UtcMap utc{0, start_utc_ns + zero_ns, rate_hz, UtcQuality::instrument};
  return {static_cast<uint64_t>(now_ns - zero_ns) / 500, utc, 77 * ns_per_s + now_ns, start_utc_ns + now_ns};
}

// Streams one block of 50 ms that ends at `end_ns`.
uint64_t stream(CounterLife& life, int64_t end_ns, int64_t zero_ns = 0) {
  const uint64_t id = life.life_of_block(axis, moment(end_ns - 50 * ns_per_ms, zero_ns));
  life.advance(moment(end_ns, zero_ns).sample_id, moment(end_ns, zero_ns));
  return id;
}

}  // namespace

TEST_CASE("utc map: the driver's time in 2^-30 s since 2018 becomes ns since 1970") {
  const UtcMap map = utc_map({int64_t{1} << 60, 123, 2e6}, UtcQuality::instrument);  // 2^30 s after 2018
  CHECK(map.utc_ns == (int64_t{1'514'764'800} + 1'073'741'824) * ns_per_s);
  CHECK(map.sample_id == 123);
  CHECK(map.counter_rate_hz == 2e6);
  CHECK(map.quality == UtcQuality::instrument);
  CHECK(utc_map({(int64_t{300'000'000} << 30) + (1 << 29), 0, 1}, UtcQuality::host).utc_ns % ns_per_s == 500 * ns_per_ms);
}

TEST_CASE("utc map: a clock that was never set is marked, a map without a rate says nothing") {
  const int64_t since_1970 = (int64_t{-1'514'764'800} + 60) * (int64_t{1} << 30);
  const UtcMap unset = utc_map({since_1970, 0, 2e6}, UtcQuality::host);
  CHECK(unset.quality == UtcQuality::unsynchronised);
  CHECK(unset.utc_ns == 60 * ns_per_s);
  CHECK(utc_map({0, 0, 0}, UtcQuality::host).quality == UtcQuality::unknown);
  CHECK(utc_map({0, 0, std::nan("")}, UtcQuality::host).quality == UtcQuality::unknown);
  CHECK(utc_map({std::numeric_limits<int64_t>::max(), 0, 1}, UtcQuality::host).utc_ns == std::numeric_limits<int64_t>::max());
}

TEST_CASE("counter life: a stream without interruption is one life, gaps included") {
  CounterLife life("js220-1");
  const uint64_t first = stream(life, ns_per_s);
  CHECK(first != 0);
  CHECK(stream(life, ns_per_s + 50 * ns_per_ms) == first);
  CHECK(stream(life, 4 * ns_per_s) == first);  // 3 s of lost packets
}

TEST_CASE("counter life: a counter that goes back, or far ahead of time, is another one") {
  CounterLife life("js220-1");
  const uint64_t first = stream(life, 10 * ns_per_s);
  const uint64_t second = stream(life, 11 * ns_per_s, 10 * ns_per_s);  // began anew at 10 s
  CHECK(second != first);
  auto wrapped = moment(12 * ns_per_s, 10 * ns_per_s);
  wrapped.sample_id += uint64_t{1} << 32;  // 2147 s ahead
  CHECK(life.life_of_block(axis, wrapped) != second);
}

TEST_CASE("counter life: closed and opened again, a counter that went on keeps its life") {
  CounterLife life("js220-1");
  const uint64_t first = stream(life, 10 * ns_per_s);
  life.interrupt();
  CHECK(stream(life, 25 * ns_per_s) == first);
}

TEST_CASE("counter life: unplugged and plugged in, the counter began anew even where its number is larger by now") {
  CounterLife life("js220-1");
  const uint64_t first = stream(life, ns_per_s);
  life.interrupt();
  // Power returned at 5 s; at 8 s the counter stands at 3 s: ahead of 1 s, but not by the 7 s that passed.
  CHECK(stream(life, 8 * ns_per_s, 5 * ns_per_s) != first);
}

TEST_CASE("counter life: late messages do not end a life if the instrument's clock agrees") {
  CounterLife life("js220-1");
  const uint64_t first = stream(life, 10 * ns_per_s);
  life.interrupt();
  auto late = moment(20 * ns_per_s);
  late.monotonic_ns += 3 * ns_per_s;
  CHECK(life.life_of_block(axis, late) == first);
}

TEST_CASE("counter life: over a restart of the agent, UTC tells whether the counter went on") {
  const joulespool::device::ResumePoint point{{99, rate_hz, 2}, moment(10 * ns_per_s).sample_id, moment(10 * ns_per_s).utc};
  CounterLife same("js220-1");
  same.resume(point);
  CHECK(stream(same, 60 * ns_per_s) == 99);
  CounterLife other("js220-1");
  other.resume(point);
  CHECK(stream(other, 60 * ns_per_s, 30 * ns_per_s) != 99);
  CounterLife unset("js220-1");  // a clock without time cannot say so
  unset.resume(point);
  auto begin = moment(60 * ns_per_s);
  begin.utc.quality = UtcQuality::unsynchronised;
  CHECK(unset.life_of_block(axis, begin) != 99);
  CounterLife slower("js220-1");
  slower.resume({{99, 1'000'000, 2}, point.sample_id_end, point.utc});
  CHECK(stream(slower, 60 * ns_per_s) != 99);
}
