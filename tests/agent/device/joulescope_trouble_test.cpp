// What the source makes of instruments and drivers that do not work, on the stand-in driver.
#include "tests/agent/device/instrument_run.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

std::string start_problem(JoulescopeSettings settings) {
  SystemClock clock;
  CollectingSink sink;
  JoulescopeSource source(clock, std::move(settings));
  const Status status = source.start(sink, {});
  return status ? "" : status.error().message;
}

}  // namespace

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
  CHECK(!wrote(world, "u/js220/001122/@/!open"));  // what hangs on it is left alone
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
