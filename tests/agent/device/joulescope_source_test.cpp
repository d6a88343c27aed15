// The source against the stand-in driver, loaded the way the real one is. Each trap of the driver has a test named after it.
#include "agent/device/joulescope_source.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "agent/wire/window.h"
#include "tests/agent/device/instrument_truth.h"
#include "tests/contract/sample_source_contract.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;
using device::InstrumentLimits;
using device::InstrumentSelection;
using device::JoulescopeSettings;
using device::JoulescopeSource;
using device::SourceEvent;
using Kind = SourceEvent::Kind;

const Keys js110 = {{"model", "js110"}, {"serial", "000456"}, {"seed", "5"}};
const Keys js220 = {{"model", "js220"}, {"serial", "001122"}, {"seed", "7"}, {"load", "cpu"}};

Keys with(Keys keys, const std::string& key, const std::string& value) {
  keys[key] = value;
  return keys;
}

JoulescopeSettings settings_of(InstrumentSelection selection = {}) { return {StandinWorld::library(), {std::move(selection)}}; }

InstrumentSelection packed(std::vector<std::string> signals) {
  InstrumentSelection selection;
  selection.packed = std::move(signals);
  return selection;
}

struct Running {
  explicit Running(JoulescopeSettings settings = settings_of(), const InstrumentLimits& limits = {})
      : source(clock, std::move(settings), limits) {
    const Status status = source.start(sink, {});
    REQUIRE_MESSAGE(status.ok(), (status ? "" : status.error().message));
  }
  bool event_says(const std::string& device, Kind kind, const std::string& text) {
    return sink.wait_for([&] {
      for (const SourceEvent& event : events(sink, device, kind))
        if (event.text.find(text) != std::string::npos) return true;
      return false;
    });
  }
  bool more_samples(const std::string& device, uint64_t count) {
    uint64_t before = 0;
    sink.wait_for([&] { return before = sink.samples(device), true; });
    return sink.wait_for_samples(device, before + count);
  }

  SystemClock clock;
  CollectingSink sink{UINT64_MAX, CollectingSink::OldMemory::may_go};
  JoulescopeSource source;
};

std::string start_problem(JoulescopeSettings settings) {
  SystemClock clock;
  CollectingSink sink;
  JoulescopeSource source(clock, std::move(settings));
  const Status status = source.start(sink, {});
  return status ? "" : status.error().message;
}

bool wrote(const StandinWorld& world, const std::string& topic_part) {
  for (const DriverCall& call : world.calls())
    if (call.topic.find(topic_part) != std::string::npos) return true;
  return false;
}

}  // namespace

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

TEST_CASE("joulescope source: no permission, held by another program, gone: each is said with what to do, others go on") {
  for (const auto& [code, text] :
       {std::pair{"-3", "udev rule"}, {"-6", "another program holds it"}, {"-4", "it is gone"}, {"1", "driver code 1"}}) {
    CAPTURE(code);
    StandinWorld world;
    const auto good = world.plug(js110);
    const auto bad = world.plug(with(js220, "open_rc", code));
    Running run;
    CHECK(run.event_says(bad, Kind::trouble, text));
    CHECK(run.more_samples(good, 10'000));
    world.set(bad, "open_rc", "");
    CHECK(run.more_samples(bad, 1000));  // as soon as it can be
    run.source.stop();
    CHECK(holes(run.sink, good).empty());
  }
}

TEST_CASE("joulescope source: an instrument that answers nothing is said to, and others go on") {
  StandinWorld world;
  const auto good = world.plug(js220), bad = world.plug(with(js110, "deaf", "1"));
  InstrumentLimits limits;
  limits.open_timeout_ms = 300;
  Running run(settings_of(), limits);
  CHECK(run.event_says(bad, Kind::trouble, "does not answer"));
  CHECK(run.more_samples(good, 100'000));
  run.source.stop();
  CHECK(holes(run.sink, good).empty());
}

TEST_CASE("joulescope source: one that falls silent is closed, opened, set up and streams again") {
  StandinWorld world;
  const auto id = world.plug(with(js220, "mute_after", "2000000"));
  InstrumentLimits limits;
  limits.silence_ns = 500 * ns_per_ms;
  Running run(settings_of(), limits);
  REQUIRE(run.event_says(id, Kind::lost, "no samples for"));
  CHECK(run.more_samples(id, 100'000));
  run.source.stop();
  const auto blocks = run.sink.blocks(id);
  CHECK(blocks.front().axis.life == blocks.back().axis.life);  // its counter went on: the hole can be counted
  CHECK(holes(run.sink, id).size() == 1);
  CHECK(events(run.sink, id, Kind::found).size() == 2);
}

TEST_CASE("joulescope source: if opening again does not help, the driver is started again, but not while another one streams") {
  InstrumentLimits limits;
  limits.silence_ns = limits.first_silence_ns = 200 * ns_per_ms;
  StandinWorld world;
  const auto mute = world.plug(with(js220, "mute", "1")), good = world.plug(js110);
  Running run(settings_of(), limits);
  CHECK(run.event_says(mute, Kind::lost, "attempt 4"));
  CHECK(run.more_samples(good, 1000));
  CHECK(run.sink.wait_for([&] { return events(run.sink, mute, Kind::note).empty(); }));
  world.unplug(good);
  CHECK(run.event_says(mute, Kind::note, "the driver is started again"));
  world.set(mute, "mute", "");
  CHECK(run.more_samples(mute, 1000));
  world.plug_again(good);
  CHECK(run.more_samples(good, 1000));
  run.source.stop();
}

TEST_CASE("joulescope source: structures of another version are refused with both versions, and others go on") {
  StandinWorld world;
  const auto bad = world.plug(with(js220, "struct_version", "2")), good = world.plug(js110);
  Running run;
  CHECK(run.event_says(bad, Kind::trouble, "layout version 2, and this program reads version 1"));
  CHECK(run.more_samples(good, 1000));
  run.source.stop();
  CHECK(run.sink.samples(bad) == 0);
}

TEST_CASE("joulescope source: bootloaders are left alone, and what was not selected is not opened") {
  StandinWorld world;
  world.plug({{"model", "&js220"}, {"serial", "1"}});
  const auto other = world.plug(js220), id = world.plug(js110);
  InstrumentSelection selection;
  selection.devices = {"js110-*"};
  Running run(settings_of(selection));
  REQUIRE(run.more_samples(id, 1000));
  run.source.stop();
  CHECK(run.sink.calls(other).empty());
  CHECK(!wrote(world, "js220"));
}

TEST_CASE("joulescope source: one that was asked for by name and is not there is said, with what is there") {
  StandinWorld world;
  const auto id = world.plug(js110);
  InstrumentSelection selection;
  selection.devices = {"js220-999999", "js110-000456"};
  Running run(settings_of(selection));
  CHECK(run.event_says("js220-999999", Kind::trouble, "it is not connected; connected: js110-000456"));
  CHECK(run.more_samples(id, 1000));
  world.plug({{"model", "js220"}, {"serial", "999999"}});
  CHECK(run.more_samples("js220-999999", 1000));
  run.source.stop();
}

TEST_CASE("joulescope source: a setting that the instrument has not is said as trouble of that one") {
  StandinWorld world;
  const auto bad = world.plug(js220), good = world.plug(js110);
  InstrumentSelection selection;
  selection.current_range = "2A";
  Running run(settings_of(selection));
  CHECK(run.event_says(bad, Kind::trouble, "current-range = 2A: a js220 has auto, 10A"));
  CHECK(run.more_samples(good, 1000));
  run.source.stop();
}

TEST_CASE("joulescope source: started again where it ended, a counter that went on keeps its life") {
  StandinWorld world;
  const auto id = world.plug(js220);
  device::ResumePoint point;
  {
    Running run;
    REQUIRE(run.more_samples(id, 100'000));
    run.source.stop();
    const auto last = run.sink.blocks(id).back();
    point = {last.axis, last.sample_id_end, last.utc};
  }
  SystemClock clock;
  CollectingSink sink(UINT64_MAX, CollectingSink::OldMemory::may_go);
  JoulescopeSource again(clock, settings_of());
  REQUIRE(again.start(sink, {{id, point}}).ok());
  REQUIRE(sink.wait_for_samples(id, 1000));
  again.stop();
  CHECK(sink.blocks(id).front().axis == point.axis);
  CHECK(sink.blocks(id).front().sample_id > point.sample_id_end);

  world.unplug(id);
  world.plug_again(id);  // a new counter
  CollectingSink other(UINT64_MAX, CollectingSink::OldMemory::may_go);
  REQUIRE(again.start(other, {{id, point}}).ok());
  REQUIRE(other.wait_for_samples(id, 1000));
  again.stop();
  CHECK(other.blocks(id).front().axis.life != point.axis.life);
}

TEST_CASE("joulescope source: without a selection it only tells what comes and goes") {
  StandinWorld world;
  const auto a = world.plug(js110);
  SystemClock clock;
  CollectingSink sink;
  JoulescopeSource source(clock, {StandinWorld::library(), {}});
  REQUIRE(source.start(sink, {}).ok());
  CHECK(sink.wait_for_event(a, Kind::attached));
  const auto b = world.plug(js220);
  CHECK(sink.wait_for_event(b, Kind::attached));
  world.unplug(b);
  CHECK(sink.wait_for_event(b, Kind::lost));
  source.stop();
  CHECK(sink.samples(a) + sink.samples(b) == 0);
  CHECK(!wrote(world, "!open"));
}

TEST_CASE("joulescope source: it can be stopped and started again, and not twice at a time") {
  StandinWorld world;
  const auto id = world.plug(js220);
  SystemClock clock;
  JoulescopeSource source(clock, settings_of());
  source.stop();
  for (int round = 0; round < 3; ++round) {
    CollectingSink sink(UINT64_MAX, CollectingSink::OldMemory::may_go), second;
    REQUIRE(source.start(sink, {}).ok());
    CHECK(!source.start(second, {}).ok());
    REQUIRE(sink.wait_for_samples(id, 1000));
    source.stop();
    const size_t calls = sink.call_count();
    source.stop();
    CHECK(sink.call_count() == calls);
    CHECK(second.call_count() == 0);
  }
}

TEST_CASE("joulescope source: no driver, no driver's library, a version that cannot be read: what was found, what to install") {
  StandinWorld world;
  CHECK(start_problem({"/nowhere/libjsdrv.so", {{}}}).find("/nowhere/libjsdrv.so") != std::string::npos);
  CHECK(start_problem({"/nowhere/libjsdrv.so", {{}}}).find("docs/joulescope.md") != std::string::npos);
  CHECK(start_problem({"libm.so.6", {{}}})
            .find("is not a Joulescope driver that can be used: it has no function jsdrv_initialize") != std::string::npos);
  for (const auto& [number, text] : {std::pair{"0x02000002", "2.0.2"}, {"0x01090000", "1.9.0"}, {"0x03000000", "3.0.0"}}) {
    StandinWorld old;
    old.set_driver("version", number);
    const std::string problem = start_problem(settings_of());
    CHECK(problem.find(std::string("has version ") + text) != std::string::npos);
    CHECK(problem.find("2.0.3 or later of version 2") != std::string::npos);
  }
  StandinWorld sick;
  sick.set_driver("initialize_rc", "1");
  CHECK(start_problem(settings_of()).find("does not start") != std::string::npos);
}

TEST_CASE("instrument list: what is there, with firmware or why it cannot be opened") {
  StandinWorld world;
  world.plug(js110);
  world.plug(with(js220, "open_rc", "-3"));
  world.plug({{"model", "&js220"}, {"serial", "7"}});
  const auto entries = device::list_instruments(StandinWorld::library());
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 2);
  for (const auto& entry : *entries) {
    CHECK(entry.problem.empty() == (entry.identity.id == "js110-000456"));
    if (entry.problem.empty()) CHECK(entry.firmware == "1.3.0");
    else CHECK(entry.problem.find("udev rule") != std::string::npos);
  }
  const auto version = device::driver_version(StandinWorld::library());
  REQUIRE(version.ok());
  CHECK(*version == "2.3.4");
  CHECK(!device::driver_version("/nowhere/libjsdrv.so").ok());
}
