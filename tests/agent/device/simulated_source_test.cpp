#include "agent/device/simulated_source.h"

#include <doctest/doctest.h>

#include <limits>

#include "agent/device/waveform.h"
#include "tests/contract/sample_source_contract.h"

using namespace joulespool;
using device::SimulatedDevice;
using device::SimulatedSource;
using device::SourceEvent;
using test::CollectingSink;
using test::KeptBlock;

namespace {

constexpr int64_t now_ns = 1'700'000'000 * ns_per_s;

SimulatedDevice slow(const std::string& model, const std::string& serial) {
  SimulatedDevice settings;
  settings.model = model;
  settings.serial = serial;
  settings.sample_rate_hz = 10'000;
  settings.load = "cpu";
  settings.block_ms = 10;
  return settings;
}

void check_values(const SimulatedDevice& settings, const std::vector<KeptBlock>& blocks) {
  for (const KeptBlock& block : blocks) {
    std::vector<float> i(block.i.size());
    std::vector<float> v(block.i.size());
    device::simulated_samples(settings, block.sample_id, i, v);
    CHECK(std::memcmp(i.data(), block.i.data(), i.size() * sizeof(float)) == 0);
    CHECK(std::memcmp(v.data(), block.v.data(), v.size() * sizeof(float)) == 0);
    CHECK(block.p.empty());
  }
}

// What an unpaced run of one device hands over.
std::unique_ptr<CollectingSink> run_unpaced(SimulatedDevice settings, const joulespool::device::ResumePoints& resume = {}) {
  ManualClock clock;
  settings.unpaced = true;
  SimulatedSource source(clock, {settings});
  auto sink = std::make_unique<CollectingSink>();
  REQUIRE(source.start(*sink, resume).ok());
  REQUIRE(sink->wait_for_event(settings.identity().id, SourceEvent::Kind::ended));
  source.stop();
  return sink;
}

}  // namespace

TEST_CASE("simulated source: keeps the contract") {
  const test::SampleSourceCase source_case{
      [](Clock& clock) {
        return std::make_unique<SimulatedSource>(clock, std::vector{slow("js110", "1"), slow("js220", "2"), slow("js220", "3")});
      },
      [](Clock& clock) {
        std::vector<SimulatedDevice> devices{slow("js110", "1"), slow("js220", "2")};
        for (SimulatedDevice& device : devices) {
          device.unpaced = true;
          device.duration_s = 1.5;
        }
        return std::make_unique<SimulatedSource>(clock, devices);
      },
      true};
  test::check_sample_source_contract(source_case);
}

TEST_CASE("simulated source: a block comes when its last sample is over, not before") {
  ManualClock clock;
  SimulatedDevice settings = slow("js110", "1");
  SimulatedSource source(clock, {settings});
  CollectingSink sink;
  REQUIRE(source.start(sink, {}).ok());
  REQUIRE(sink.wait_for_event("js110-1", SourceEvent::Kind::found));
  clock.advance(9'999'999);
  clock.advance(1);
  REQUIRE(sink.wait_for_samples("js110-1", 100));
  clock.step_realtime(-3600 * ns_per_s);  // no matter, once it runs
  clock.advance(10 * ns_per_ms);
  REQUIRE(sink.wait_for_samples("js110-1", 200));
  clock.advance(9'999'999);
  source.stop();
  const auto blocks = sink.blocks("js110-1");
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0].sample_id == 0);
  CHECK(blocks[1].sample_id == 20'000);
  CHECK(blocks[1].sample_id_end == 40'000);
  CHECK(blocks[0].axis.decimation == 200);
  CHECK(blocks[0].axis.counter_rate_hz == 2'000'000);
  CHECK(blocks[0].utc == wire::UtcMap{0, now_ns, 2e6, wire::UtcQuality::host});
  check_values(settings, blocks);
}

TEST_CASE("simulated source: when late it catches up without a loss") {
  ManualClock clock;
  const std::vector devices{slow("js110", "1"), slow("js220", "2")};
  SimulatedSource source(clock, devices);
  CollectingSink sink;
  REQUIRE(source.start(sink, {}).ok());
  clock.advance(20 * ns_per_s);
  for (const SimulatedDevice& device : devices) REQUIRE(sink.wait_for_samples(device.identity().id, 200'000));
  source.stop();
  for (const SimulatedDevice& device : devices) {
    const auto blocks = sink.blocks(device.identity().id);
    CHECK(blocks.size() == 2000);
    CHECK(blocks.back().sample_id_end == 40'000'000);
    test::check_continuous(sink, device.identity().id);
    check_values(device, blocks);
  }
}

TEST_CASE("simulated source: with an origin, sample_id and life go on over restarts") {
  ManualClock clock;
  SimulatedDevice settings = slow("js220", "7");
  settings.origin_utc_ns = now_ns - 1000 * ns_per_s - 12'345;
  uint64_t life = 0;
  uint64_t next = 0;
  for (int round = 0; round < 3; ++round) {
    SimulatedSource source(clock, {settings});
    CollectingSink sink;
    REQUIRE(source.start(sink, {{"js220-7", {{}, 77, {}}}}).ok());  // an instrument cannot go back
    clock.advance(100 * ns_per_ms);
    REQUIRE(sink.wait_for_samples("js220-7", 900));
    source.stop();
    const auto blocks = sink.blocks("js220-7");
    const int64_t started_ns = clock.realtime_ns() - 100 * ns_per_ms;
    const auto tick = static_cast<uint64_t>((started_ns - settings.origin_utc_ns) / 500);
    CHECK(blocks.front().sample_id >= tick);
    CHECK(blocks.front().sample_id < tick + 200);
    CHECK(blocks.front().sample_id % 200 == 0);
    CHECK(blocks.front().sample_id >= next);
    CHECK(blocks.front().utc.utc_ns_at(0) == settings.origin_utc_ns);
    CHECK(blocks.front().axis.life == device::life_of(settings.seed, settings.origin_utc_ns, "js220-7"));
    CHECK((life == 0 || blocks.front().axis.life == life));
    life = blocks.front().axis.life;
    next = blocks.back().sample_id_end;
    check_values(settings, blocks);
  }
}

TEST_CASE("simulated source: without an origin each start is a new life from 0") {
  ManualClock clock;
  SimulatedSource source(clock, {slow("js220", "7")});
  std::vector<KeptBlock> firsts;
  for (int round = 0; round < 2; ++round) {
    CollectingSink sink;
    REQUIRE(source.start(sink, {}).ok());
    clock.advance(10 * ns_per_ms);
    REQUIRE(sink.wait_for_samples("js220-7", 100));
    source.stop();
    firsts.push_back(sink.blocks("js220-7").front());
  }
  CHECK(firsts[0].sample_id == 0);
  CHECK(firsts[1].sample_id == 0);
  CHECK(firsts[0].axis.life != firsts[1].axis.life);
}

TEST_CASE("simulated source: waits for an origin that is to come") {
  ManualClock clock;
  SimulatedDevice settings = slow("js110", "1");
  settings.origin_utc_ns = now_ns + 5 * ns_per_s;
  settings.duration_s = 0.02;
  SimulatedSource source(clock, {settings});
  CollectingSink sink;
  REQUIRE(source.start(sink, {}).ok());
  clock.advance(5 * ns_per_s - 1);
  CHECK(sink.wait_for([&] { return sink.call_count() == 0; }));  // not even `found`
  clock.advance(1);
  REQUIRE(sink.wait_for_event("js110-1", SourceEvent::Kind::found));
  clock.advance(20 * ns_per_ms);
  REQUIRE(sink.wait_for_event("js110-1", SourceEvent::Kind::ended));
  source.stop();
  CHECK(sink.blocks("js110-1").front().sample_id == 0);
  CHECK(sink.samples("js110-1") == 200);
}

TEST_CASE("simulated source: hands over exactly the samples of its duration") {
  for (const auto& [rate, duration_s, expected] : {std::tuple{0U, 0.0301, 60'200UL}, std::tuple{10'000U, 0.12345, 1'234UL},
                                                   std::tuple{1U, 3.0, 3UL}, std::tuple{1U, 0.5, 0UL}}) {
    SimulatedDevice settings = slow("js110", "1");
    settings.sample_rate_hz = rate;
    settings.duration_s = duration_s;
    const auto sink = run_unpaced(settings);
    CHECK(sink->samples("js110-1") == expected);
    CHECK(device::sample_id_limit(settings) == expected * device::time_axis(settings).decimation);
    CHECK(sink->calls("js110-1").back().event.kind == SourceEvent::Kind::ended);
    test::check_continuous(*sink, "js110-1");
  }
}

TEST_CASE("simulated source: a start after the end says ended and nothing else") {
  ManualClock clock;
  SimulatedDevice settings = slow("js110", "1");
  settings.origin_utc_ns = now_ns - 10 * ns_per_s;
  settings.duration_s = 9;
  SimulatedSource source(clock, {settings});
  CollectingSink sink;
  REQUIRE(source.start(sink, {}).ok());
  REQUIRE(sink.wait_for_event("js110-1", SourceEvent::Kind::ended));
  source.stop();
  CHECK(sink.call_count() == 1);
}

TEST_CASE("simulated source: one that ended while the agent was down says which samples nobody took") {
  SimulatedDevice settings = slow("js110", "1");
  settings.origin_utc_ns = now_ns - 10 * ns_per_s;
  settings.duration_s = 9;
  const uint64_t limit = device::sample_id_limit(settings);
  const uint64_t life = device::life_of(settings.seed, settings.origin_utc_ns, "js110-1");
  struct Case {
    uint64_t life, stored_end;
    size_t gaps;
  };
  for (const auto& [stored_life, stored_end, gaps] : {Case{life, 4'000, 1}, {life, limit, 0}, {life + 1, 4'000, 0}}) {
    ManualClock clock;
    SimulatedSource source(clock, {settings});
    CollectingSink sink;
    wire::TimeAxis axis = device::time_axis(settings);
    axis.life = stored_life;
    REQUIRE(source.start(sink, {{"js110-1", {axis, stored_end, {}}}}).ok());
    REQUIRE(sink.wait_for_event("js110-1", SourceEvent::Kind::ended));
    source.stop();
    const auto& calls = sink.calls("js110-1");
    REQUIRE(calls.size() == gaps + 1);
    CHECK(calls.back().event.kind == SourceEvent::Kind::ended);
    if (gaps == 0) continue;
    const wire::Gap& gap = calls.front().event.gap;
    CHECK(calls.front().event.kind == SourceEvent::Kind::gap);
    CHECK(gap.reason == wire::GapReason::restart);
    CHECK(gap.axis == life);
    CHECK(gap.sample_id_first == stored_end);
    CHECK(gap.sample_id_end == limit);
  }
}

TEST_CASE("simulated source: unpaced goes on at resume, within one life") {
  SimulatedDevice settings = slow("js220", "2");
  settings.duration_s = 0.5;
  const auto whole = run_unpaced(settings);
  const auto rest = run_unpaced(settings, {{"js220-2", {{}, 100'001, {}}}, {"js220-3", {{}, 5, {}}}});
  CHECK(rest->blocks("js220-2").front().sample_id == 100'200);  // the next whole sample
  CHECK(rest->blocks("js220-2").back().sample_id_end == whole->blocks("js220-2").back().sample_id_end);
  CHECK(rest->blocks("js220-2").front().axis == whole->blocks("js220-2").front().axis);
  check_values(settings, rest->blocks("js220-2"));
  CHECK(run_unpaced(settings, {{"js220-2", {{}, 1'000'000, {}}}})->samples("js220-2") == 0);
}

TEST_CASE("simulated source: dropped samples are missing and the rest is as it would have been") {
  for (const char* model : {"js110", "js220"}) {
    SimulatedDevice settings = slow(model, "1");
    settings.sample_rate_hz = 0;
    settings.duration_s = 0.1;
    settings.faults =
        *device::parse_faults("drop:0-100;drop:777-778;drop:20001-60003;drop:every=50000,length=123;nan:199000-199900");
    const auto sink = run_unpaced(settings);
    const auto blocks = sink->blocks(settings.identity().id);
    check_values(settings, blocks);
    const uint32_t decimation = device::time_axis(settings).decimation;
    uint64_t tick = 0;
    for (const KeptBlock& block : blocks) {
      for (; tick < block.sample_id; tick += decimation) REQUIRE(!device::is_present(settings.faults, tick));
      for (; tick < block.sample_id_end; tick += decimation) REQUIRE(device::is_present(settings.faults, tick));
    }
    CHECK(tick == 200'000);
    CHECK(sink->event_kinds(settings.identity().id) == std::vector{SourceEvent::Kind::found, SourceEvent::Kind::ended});
    test::check_blocks(*sink, settings.identity().id);
  }
}

TEST_CASE("simulated source: a lost device says lost, then found, with the samples between missing") {
  SimulatedDevice settings = slow("js110", "1");
  settings.duration_s = 0.1;
  settings.faults = *device::parse_faults("lose:30000-100000;drop:90000-110000");
  const auto sink = run_unpaced(settings);
  std::string story;
  for (const test::KeptCall& call : sink->calls("js110-1")) {
    if (call.is_block) story += std::to_string(call.block.sample_id) + "-" + std::to_string(call.block.sample_id_end) + " ";
    else story += std::to_string(static_cast<int>(call.event.kind)) + " ";
  }
  const auto kind = [](SourceEvent::Kind value) { return std::to_string(static_cast<int>(value)) + " "; };
  CHECK(story == kind(SourceEvent::Kind::found) + "0-20000 20000-30000 " + kind(SourceEvent::Kind::lost) +
                     kind(SourceEvent::Kind::found) + "110000-120000 120000-140000 140000-160000 160000-180000 180000-200000 " +
                     kind(SourceEvent::Kind::ended));
}

TEST_CASE("simulated source: a device that is away at the start is found later") {
  SimulatedDevice settings = slow("js110", "1");
  settings.duration_s = 0.1;
  settings.faults = *device::parse_faults("lose:0-50000");
  const auto sink = run_unpaced(settings);
  CHECK(sink->event_kinds("js110-1") == std::vector{SourceEvent::Kind::found, SourceEvent::Kind::ended});
  CHECK(sink->blocks("js110-1").front().sample_id == 50'000);
}

TEST_CASE("simulated source: packed signals cover the block, at every tick on a JS220") {
  for (const char* model : {"js110", "js220"}) {
    SimulatedDevice settings = slow(model, "1");
    settings.load = "ranges";
    settings.sample_rate_hz = 500'000;
    settings.duration_s = 0.05;
    settings.packed = {"range", "gpi1"};
    const auto sink = run_unpaced(settings);
    test::check_blocks(*sink, settings.identity().id);
    for (const KeptBlock& block : sink->blocks(settings.identity().id)) {
      REQUIRE(block.packed.size() == 2);
      CHECK(block.packed[0].run.signal == signal::SignalId::current_range);
      CHECK(static_cast<int>(block.packed[1].run.signal) == 17);
      for (const test::KeptRun& kept : block.packed) {
        CHECK(kept.run.decimation == (model[2] == '1' ? 4 : 1));
        std::vector<std::byte> expected(kept.data.size());
        device::Waveform(settings).packed(kept.run.signal, kept.run.sample_id, kept.run.count, expected);
        CHECK(kept.data == expected);
      }
    }
    settings.packed.clear();
    for (const KeptBlock& block : run_unpaced(settings)->blocks(settings.identity().id)) CHECK(block.packed.empty());
  }
}

TEST_CASE("simulated source: paced and unpaced devices share a source") {
  SystemClock clock;
  SimulatedDevice fast = slow("js110", "1");
  fast.unpaced = true;
  SimulatedDevice live = slow("js220", "2");
  SimulatedSource source(clock, {fast, live});
  CollectingSink sink(3'000);  // the fast one is full at once
  REQUIRE(source.start(sink, {}).ok());
  CHECK(sink.wait_for_samples("js110-1", 3'000));
  CHECK(sink.wait_for_samples("js220-2", 500));
  source.stop();
  CHECK(sink.samples("js110-1") == 3'000);
}

TEST_CASE("simulated source: wrong settings are refused, with what is allowed") {
  const auto message = [](void (*change)(SimulatedDevice&)) {
    SimulatedDevice settings;
    change(settings);
    const Status status = device::validate(settings);
    REQUIRE(!status.ok());
    CHECK(status.error().code == Errc::usage);
    ManualClock clock;
    CollectingSink sink;
    CHECK(!SimulatedSource(clock, {settings}).start(sink, {}).ok());
    CHECK(sink.call_count() == 0);
    return status.error().message;
  };
  CHECK(device::validate(SimulatedDevice{}).ok());
  CHECK(message([](SimulatedDevice& s) { s.load = "motor"; }) ==
        "simulated device js220-000001: load = \"motor\": must be one of sleep-ble, cpu, constant, ranges");
  CHECK(message([](SimulatedDevice& s) { s.model = "js320"; }).find("js110 or js220") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.model = ""; }).find("a-z") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.serial = ""; }).find("a-z") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.serial = "A/1"; }).find("a-z") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.sample_rate_hz = 2'000'000; }).find("up to 1000000") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.sample_rate_hz = 250'000; }).find("1, 2, 5") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.duration_s = -1; }).find("0 (endless)") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.duration_s = std::numeric_limits<double>::quiet_NaN(); }).find("1e9") !=
        std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.origin_utc_ns = -1; }).find("1970") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.block_ms = 0; }).find("1..1000") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.block_ms = 1001; }).find("1..1000") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.packed = {"gpi4"}; }).find("gpi3") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) { s.packed = {"range", "range"}; }).find("each once") != std::string::npos);
  CHECK(message([](SimulatedDevice& s) {
          s.faults = {{device::Fault::Kind::nan, 2, 1, 0, 0}};
        }).find("from < end") != std::string::npos);
  SimulatedDevice js110 = slow("js110", "1");
  js110.sample_rate_hz = 2'000'000;
  CHECK(device::validate(js110).ok());
  js110.packed = {"gpi2"};
  CHECK(!device::validate(js110).ok());
}

TEST_CASE("simulated source: no device, or two of one name, is refused") {
  ManualClock clock;
  CollectingSink sink;
  CHECK(SimulatedSource(clock, {}).start(sink, {}).error().code == Errc::usage);
  const Status status = SimulatedSource(clock, {slow("js110", "1"), slow("js110", "1")}).start(sink, {});
  REQUIRE(!status.ok());
  CHECK(status.error().message.find("js110-1") != std::string::npos);
}
