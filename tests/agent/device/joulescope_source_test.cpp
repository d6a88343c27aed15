// The source against the stand-in driver, loaded the way the real one is. Each trap of the driver has a test named after it.
#include <cmath>
#include <set>

#include "agent/wire/window.h"
#include "tests/agent/device/instrument_run.h"
#include "tests/contract/sample_source_contract.h"

using namespace joulespool;
using namespace joulespool::test;

TEST_CASE("joulescope source: instruments that are there, and later ones, are read bit for bit") {
  StandinWorld world;
  const auto a = world.plug(js110);
  Running run(settings_of(packed({"range", "gpi0", "gpi1"})));
  REQUIRE(run.sink.wait_for_samples(a, 500'000));
  const auto b = world.plug(js220);
  REQUIRE(run.sink.wait_for_samples(b, 200'000));
  run.source.stop();
  for (const auto& [id, keys] : {std::pair{a, js110}, {b, js220}}) {
    check_blocks(run.sink, id);
    check_continuous(run.sink, id);
    CHECK(blocks_wrong(run.sink, id, truth_of(keys)) == 0);
    CHECK(events(run.sink, id, Kind::found).front().firmware == "1.3.0");
  }
  CHECK(!run.sink.saw_overlap());
  CHECK(run.sink.blocks(a).back().packed.size() == 3);
  CHECK(run.source.devices().size() == 2);
}

TEST_CASE("joulescope source: a retained publish is never made, so that a replugged instrument streams again with its settings") {
  StandinWorld world;
  const auto a = world.plug(js110), b = world.plug(js220);
  InstrumentSelection selection;
  selection.rate_hz = 100'000;
  selection.current_range = "18mA";
  Running run(settings_of(selection));
  for (int cycle = 0; cycle < 3; ++cycle) {
    REQUIRE(run.more_samples(a, 10'000));
    REQUIRE(run.more_samples(b, 10'000));
    world.unplug(b);
    REQUIRE(run.sink.wait_for([&] { return events(run.sink, b, Kind::lost).size() == static_cast<size_t>(cycle + 1); }));
    world.plug_again(b);
  }
  REQUIRE(run.more_samples(b, 10'000));
  run.source.stop();
  std::set<uint64_t> lives;
  for (const auto& block : run.sink.blocks(b)) {
    lives.insert(block.axis.life);
    CHECK(block.axis.decimation == 20);
  }
  CHECK(lives.size() == 4);  // its counter began anew each time
  CHECK(events(run.sink, b, Kind::found).size() == 4);
  CHECK(holes(run.sink, a).empty());  // the other one was never disturbed
  size_t ranges = 0;
  for (const DriverCall& call : world.calls()) {
    if (call.value.find("subscribe") == std::string::npos) CHECK(call.flags == 0);
    if (call.topic == "u/js220/001122/s/i/range/select") ++ranges;
  }
  CHECK(ranges == 4);
}

TEST_CASE("joulescope source: nothing is written that was not asked for, and power-safe resumes") {
  StandinWorld world;
  const auto a = world.plug(js110), b = world.plug(js220);
  InstrumentSelection safe;
  safe.devices = {b};
  safe.power_safe = true;
  Running run({StandinWorld::library(), {safe, {}}});
  REQUIRE(run.more_samples(a, 1000));
  REQUIRE(run.more_samples(b, 1000));
  run.source.stop();
  CHECK(!wrote(world, "range"));
  CHECK(!wrote(world, "s/p/"));  // power is never streamed
  for (const DriverCall& call : world.calls()) {
    if (call.topic == "u/js110/000456/@/!open") CHECK(call.value == "0");
    if (call.topic == "u/js220/001122/@/!open") CHECK(call.value == "1");
  }
  CHECK(wrote(world, "u/js220/001122/@/!close"));
}

TEST_CASE("joulescope source: a js110's lost packets are holes of exact length and no sample slides") {
  StandinWorld world;
  const Keys keys = with(js110, "skip", "every=653940,length=1260");
  const auto id = world.plug(keys);
  Running run;
  REQUIRE(run.sink.wait_for([&] { return events(run.sink, id, Kind::gap).size() >= 3; }));
  REQUIRE(run.more_samples(id, 200'000));
  run.source.stop();
  const auto gaps = events(run.sink, id, Kind::gap);
  const auto jumps = holes(run.sink, id);
  REQUIRE(jumps.size() == gaps.size());
  for (size_t n = 0; n < gaps.size(); ++n) {
    CHECK(jumps[n] == Hole{gaps[n].gap.sample_id_first, gaps[n].gap.sample_id_end});
    CHECK(jumps[n].end - jumps[n].first == 1260);
    CHECK(gaps[n].gap.reason == wire::GapReason::usb_drop);
  }
  // Before and after each hole everything is where it belongs; what is in between moves by at most one message.
  const auto blocks = run.sink.blocks(id);
  std::vector<float> i(blocks.back().i.size()), v(i.size());
  device::simulated_samples(truth_of(keys), blocks.back().sample_id, i, v);
  CHECK(same_bits(i, blocks.back().i));
}

TEST_CASE("joulescope source: frames that a js220 lost of one signal or both are holes, and the rest is unmoved") {
  StandinWorld world;
  Keys keys = with(js220, "counter_start", "0");
  const uint64_t start = 600'000;  // after streaming began, surely
  const auto tick = [&](uint64_t at) { return std::to_string(start + at); };
  keys["lost"] = tick(0) + "-" + tick(252) + " " + tick(400'000) + "-" + tick(450'400);
  keys["lost_i"] = tick(100'000) + "-" + tick(100'252);
  keys["lost_v"] = tick(200'000) + "-" + tick(200'504);
  Running run(settings_of(packed({"range"})));
  const auto id = world.plug(keys);
  REQUIRE(run.sink.wait_for_sample_id(id, start + 500'000));
  run.source.stop();
  CHECK(holes(run.sink, id) == std::vector<Hole>{{start, start + 252},
                                                 {start + 100'000, start + 100'252},
                                                 {start + 200'000, start + 200'504},
                                                 {start + 400'000, start + 450'400}});
  CHECK(blocks_wrong(run.sink, id, truth_of(keys)) == 0);
}

TEST_CASE("joulescope source: leading and missing sensor samples stay the NaN they are") {
  StandinWorld world;
  Keys keys = with(js110, "leading_nan", "71");
  keys["nan"] = "100000-100500";
  const auto id = world.plug(keys);
  Running run;
  REQUIRE(run.sink.wait_for_samples(id, 200'000));
  run.source.stop();
  // Voltage is switched on a moment after current: its first 71 samples are where both begin.
  const auto blocks = run.sink.blocks(id);
  const uint64_t begin = blocks.front().sample_id;
  size_t leading = 0, missing = 0;
  for (const auto& block : blocks)
    for (size_t n = 0; n < block.v.size(); ++n) {
      const uint64_t at = block.sample_id + n;
      if (!std::isnan(block.v[n])) continue;
      (at < begin + 71 ? leading : missing) += 1;
      CHECK((at < begin + 71 || (at >= 100'000 && at < 100'500)));
    }
  CHECK(leading == 71);
  CHECK(missing == 500);
  CHECK(holes(run.sink, id).empty());
}

TEST_CASE("joulescope source: sample ids above 2^32 are ordinary") {
  StandinWorld world;
  const Keys keys = with(js220, "counter_start", std::to_string((uint64_t{1} << 32) - 1'000'000));
  const auto id = world.plug(keys);
  Running run;
  REQUIRE(run.sink.wait_for_sample_id(id, (uint64_t{1} << 32) + 100'000));
  run.source.stop();
  check_continuous(run.sink, id);
  CHECK(blocks_wrong(run.sink, id, truth_of(keys)) == 0);
}

TEST_CASE("joulescope source: a step of the map to UTC comes with the blocks, and the samples go on") {
  StandinWorld world;
  const Keys keys = with(js220, "map_step", "800000:7000000");  // 7 ms
  Running run;
  const auto id = world.plug(keys);
  REQUIRE(run.sink.wait_for_sample_id(id, 1'200'000));
  run.source.stop();
  const auto blocks = run.sink.blocks(id);
  const auto& first = blocks.front();
  const auto& last = blocks.back();
  const int64_t moved_ns = last.utc.utc_ns_at(last.sample_id) - first.utc.utc_ns_at(last.sample_id);
  CHECK(std::abs(moved_ns - 7'000'000) < 1000);
  CHECK(holes(run.sink, id).empty());
  CHECK(first.axis.life == last.axis.life);
}

TEST_CASE("joulescope source: the map of a host without time is marked as not synchronised") {
  StandinWorld world;
  const auto id = world.plug(with(js110, "clock_1970", "1"));
  Running run;
  REQUIRE(run.sink.wait_for_samples(id, 10'000));
  run.source.stop();
  for (const auto& block : run.sink.blocks(id)) CHECK(block.utc.quality == wire::UtcQuality::unsynchronised);
}

TEST_CASE("joulescope source: the instrument's own charge and energy are those of its samples") {
  StandinWorld world;
  const auto id = world.plug(js220);
  Running run;
  REQUIRE(run.sink.wait_for_event(id, Kind::statistics));
  run.source.stop();
  const auto blocks = events(run.sink, id, Kind::statistics);
  const auto& seen = blocks.front().statistics;
  const auto count = static_cast<size_t>((seen.sample_id_end - seen.sample_id_first) / 2);
  std::vector<float> i(count), v(count);
  device::simulated_samples(truth_of(js220), seen.sample_id_first, i, v);
  int128 sum = 0;
  for (const float value : i) sum += wire::to_units(value).value;
  CHECK(count == 1'000'000);
  CHECK(std::llabs(static_cast<long long>(seen.charge - sum / 1'000'000)) <= 1);
}

TEST_CASE("joulescope source: a lower rate is what the driver was told, and the statistics are not compared with it") {
  StandinWorld world;
  InstrumentSelection selection;
  selection.rate_hz = 1000;
  const auto id = world.plug(js110);
  Running run(settings_of(selection));
  REQUIRE(run.sink.wait_for_samples(id, 500));
  run.source.stop();
  CHECK(run.sink.blocks(id).front().axis.decimation == 2000);
  check_continuous(run.sink, id);
  CHECK(events(run.sink, id, Kind::statistics).empty());
}

TEST_CASE("joulescope source: a js320 counts at 16 MHz, its serial has letters, and it is selected in lower case") {
  StandinWorld world;
  world.plug({{"model", "js320"}, {"serial", "X2VJ"}, {"seed", "3"}});
  InstrumentSelection selection;
  selection.devices = {"js320-x2vj"};
  Running run(settings_of(selection));
  const std::string id = "js320-x2vj";
  REQUIRE(run.sink.wait_for_samples(id, 200'000));
  run.source.stop();
  check_blocks(run.sink, id);
  check_continuous(run.sink, id);
  const auto blocks = run.sink.blocks(id);
  CHECK(blocks.front().axis.counter_rate_hz == 16'000'000);
  CHECK(blocks.front().axis.decimation == 16);
  CHECK(blocks.front().utc.quality == wire::UtcQuality::instrument);
  REQUIRE(run.source.devices().size() == 1);
  CHECK(run.source.devices().front().serial == "X2VJ");
  CHECK(wrote(world, "u/js320/X2VJ/@/!open"));
}

TEST_CASE("joulescope source: a storm of four times real time loses nothing") {
  StandinWorld world;
  const auto a = world.plug(with(js110, "speed", "4")), b = world.plug(with(js220, "speed", "4"));
  Running run;
  REQUIRE(run.sink.wait_for_samples(a, 4'000'000));
  REQUIRE(run.sink.wait_for_samples(b, 2'000'000));
  run.source.stop();
  for (const auto& [id, keys] : {std::pair{a, js110}, {b, js220}}) {
    check_continuous(run.sink, id);
    CHECK(blocks_wrong(run.sink, id, truth_of(keys)) == 0);
  }
}
