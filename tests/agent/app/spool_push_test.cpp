#include "agent/app/spool_push.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <mutex>

#include "agent/spool/sqlite_spool.h"
#include "agent/wire/event.h"
#include "agent/wire/frame.h"
#include "tests/agent/uplink/test_bridge.h"
#include "tests/support/bus_log.h"
#include "tests/support/fake_bus.h"
#include "tests/support/frame_factory.h"
#include "tests/support/temporary_directory.h"

namespace joulespool::test {
namespace {

using app::PushResult;
using wire::Lane;

constexpr const char* device = "js220-1";
constexpr const char* host = "bench";

mqtt::BusOptions options_of(const std::string& client_id) {
  mqtt::BusOptions options;
  options.client_id = client_id;
  return options;
}

wire::FrameId identify(Lane, const wire::Bytes& payload) {
  const auto read = wire::read_frame(payload);
  const auto* frame = std::get_if<wire::Frame>(&read);
  return frame == nullptr ? wire::FrameId{} : frame->header.id();
}

// A spool as a host left it, a broker and a bridge.
struct Bench {
  TemporaryDirectory directory{Storage::memory};
  SystemClock clock;
  FakeBroker broker;
  BusLog log;
  std::unique_ptr<mqtt::MessageBus> observer;
  TestBridge bridge{factory("bridge"), host, identify};
  uint64_t epoch = 0;

  uplink::BusFactory factory(const std::string& client_id) {
    return [this, client_id](mqtt::BusListener listener) -> Result<std::unique_ptr<mqtt::MessageBus>> {
      return broker.make_bus(options_of(client_id), std::move(listener));
    };
  }
  [[nodiscard]] std::string spool() const { return directory / "spool"; }

  // One frame of lane event, `stats` of lane stat, and two of lane wave that are kept.
  void fill(size_t stats) {
    auto opened = spool::open_spool_writer({.directory = spool(), .host = host});
    REQUIRE(opened.ok());
    FrameFactory factory(device);
    factory.header.epoch = epoch = (*opened)->epoch();
    add(**opened, factory.started(0));
    for (size_t at = 0; at < stats; ++at) add(**opened, factory.flat_stat(at * 10'000, (at + 1) * 10'000));
    for (uint64_t at = 0; at < 2; ++at) add(**opened, factory.flat_wave(at * 200, 100), spool::FrameState::kept);
  }
  static void add(spool::SpoolWriter& writer, wire::Bytes bytes, spool::FrameState state = spool::FrameState::queued) {
    const auto read = wire::read_frame(bytes);
    const wire::FrameHeader& header = std::get<wire::Frame>(read).header;
    spool::NewFrame frame;
    frame.info.id = header.id();
    frame.info.state = state;
    frame.info.axis = header.axis.life;
    frame.info.sample_id_first = header.sample_id_first;
    frame.info.sample_id_end = header.sample_id_end;
    frame.info.utc_first_ns = header.utc.utc_ns_at(header.sample_id_first);
    frame.info.utc_end_ns = header.utc.utc_ns_at(header.sample_id_end);
    frame.info.samples = header.samples;
    frame.bytes = std::move(bytes);
    spool::Commit commit;
    commit.positions.push_back({header.device, header.axis, header.sample_id_end, header.utc, {5000, 4990, 1, 2, 10}});
    commit.frames.push_back(std::move(frame));
    REQUIRE(writer.commit(commit).ok());
  }
  void watch(const std::string& topic) {
    observer = broker.make_bus(options_of("observer"), log.listener());
    REQUIRE(observer->connect().ok());
    REQUIRE(log.wait_for_count<mqtt::Connected>(1));
    REQUIRE(observer->subscribe(topic).ok());
  }
  Result<PushResult> push(const app::PushSettings& settings, const std::stop_token& stop = {},
                          const std::function<void(const app::PushProgress&)>& on_progress = {}) {
    return app::push_spool(settings, clock, stop, on_progress, factory("push"));
  }
  [[nodiscard]] uint64_t queued() const {
    auto reader = spool::open_spool_reader(spool(), spool::ReadMode::snapshot);
    REQUIRE(reader.ok());
    const auto usage = (*reader)->usage();
    REQUIRE(usage.ok());
    uint64_t frames = 0;
    for (const spool::LaneUsage& lane : usage->lanes) frames += lane.queued_frames;
    return frames;
  }
};

app::PushSettings settings_of(const Bench& bench, bool keep = false) {
  app::PushSettings settings;
  settings.directory = bench.spool();
  settings.keep = keep;
  settings.timeout_ns = 20 * ns_per_s;
  return settings;
}

std::vector<uint64_t> numbers(uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t seq = 1; seq <= last; ++seq) all.push_back(seq);
  return all;
}

}  // namespace

TEST_CASE("push: every frame that waits arrives in order and leaves the spool, the host's state is left alone") {
  Bench bench;
  bench.fill(50);
  bench.watch(wire::state_topic(host));
  app::PushProgress last;
  const auto result = bench.push(settings_of(bench), {}, [&](const app::PushProgress& now) { last = now; });
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().message));
  CHECK(result->end == PushResult::End::all_settled);
  CHECK(result->host == host);
  CHECK(result->frames == 51);
  CHECK(result->delivered == 51);
  CHECK(result->kept_frames == 2);
  CHECK(result->removes);
  CHECK(result->rejected + result->damaged == 0);
  CHECK(last.frames == 51);
  CHECK(bench.bridge.stored(Lane::event) == numbers(1));
  CHECK(bench.bridge.stored(Lane::stat) == numbers(50));
  CHECK(bench.bridge.stored(Lane::wave).empty());
  CHECK(bench.queued() == 0);
  CHECK(bench.log.payloads(wire::state_topic(host)).empty());
}

TEST_CASE("push: with keep nothing leaves, and a second push sends it again") {
  Bench bench;
  bench.fill(10);
  for (int round = 0; round < 2; ++round) {
    const auto result = bench.push(settings_of(bench, true));
    REQUIRE(result.ok());
    CHECK(result->delivered == 11);
    CHECK(!result->removes);
    CHECK(result->removes_not == "they are to be kept");
    CHECK(bench.queued() == 11);
  }
}

TEST_CASE("push: a rejected frame is set aside, and its gap record is sent") {
  Bench bench;
  bench.fill(10);
  bench.bridge.set_rejected(4);  // of lane stat: the other lane has no such number
  const auto result = bench.push(settings_of(bench));
  REQUIRE(result.ok());
  CHECK(result->end == PushResult::End::all_settled);
  CHECK(result->delivered == 10);
  CHECK(result->rejected == 1);
  CHECK(result->set_aside == 1);
  REQUIRE(result->unsent.size() == 1);
  CHECK(result->unsent[0].id == wire::FrameId{{device, bench.epoch, Lane::stat}, 4});
  CHECK(result->unsent[0].reason == "no good");
  CHECK(bench.queued() == 0);
  CHECK(bench.bridge.stored(Lane::event).size() == 2);  // `started`, and the record
  auto reader = spool::open_spool_reader(bench.spool(), spool::ReadMode::snapshot);
  REQUIRE(reader.ok());
  CHECK((*reader)->usage()->quarantined_frames == 1);
}

TEST_CASE("push: without a right to write, a rejected frame is only told of") {
  Bench bench;
  bench.fill(10);
  bench.bridge.set_rejected(4);
  const auto result = bench.push(settings_of(bench, true));
  REQUIRE(result.ok());
  CHECK(result->delivered == 10);
  CHECK(result->rejected == 1);
  CHECK(result->set_aside == 0);
  CHECK(bench.queued() == 11);
}

TEST_CASE("push: it waits for a bridge that accepts, says why, and gives up when it is told to") {
  Bench bench;
  bench.fill(5);
  bench.bridge.set_accepting(false);
  std::string waiting_for;
  app::PushSettings settings = settings_of(bench);
  settings.timeout_ns = 500 * ns_per_ms;
  const auto result = bench.push(settings, {}, [&](const app::PushProgress& now) { waiting_for = now.waiting_for; });
  REQUIRE(result.ok());
  CHECK(result->end == PushResult::End::gave_up);
  CHECK(result->reason == "bridge one: not accepting");
  CHECK(waiting_for == result->reason);
  CHECK(bench.queued() == 6);
  bench.broker.stop();
  const auto away = bench.push(settings);
  REQUIRE(away.ok());
  CHECK(away->end == PushResult::End::gave_up);
  CHECK(away->reason.starts_with("the broker cannot be reached"));
}

TEST_CASE("push: a stop ends it orderly, and the next one goes on") {
  Bench bench;
  bench.fill(5);
  bench.bridge.set_accepting(false);
  std::stop_source stop;
  const auto stopped = bench.push(settings_of(bench), stop.get_token(), [&](const app::PushProgress& now) {
    if (now.waiting_for == "bridge one: not accepting") stop.request_stop();
  });
  REQUIRE(stopped.ok());
  CHECK(stopped->end == PushResult::End::stopped);
  CHECK(stopped->delivered == 0);
  bench.bridge.set_accepting(true);
  const auto result = bench.push(settings_of(bench));
  REQUIRE(result.ok());
  CHECK(result->delivered == 6);
}

TEST_CASE("push: a spool that somebody uses is refused, with or without keep") {
  Bench bench;
  bench.fill(5);
  const auto agent = spool::open_spool_writer({.directory = bench.spool(), .host = host});
  REQUIRE(agent.ok());
  for (const bool keep : {false, true}) {
    const auto refused = bench.push(settings_of(bench, keep));
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == Errc::busy);
    CHECK(refused.error().message.find("is used by process " + std::to_string(getpid())) != std::string::npos);
  }
}

TEST_CASE("push: what is no spool is refused, and nothing is made there") {
  Bench bench;
  std::filesystem::create_directory(bench.spool());
  const auto refused = bench.push(settings_of(bench));
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Errc::not_found);
  CHECK(std::filesystem::is_empty(bench.spool()));
}

TEST_CASE("push: a spool in which nothing waits is done at once") {
  Bench bench;
  bench.fill(5);
  REQUIRE(bench.push(settings_of(bench)).ok());
  bench.broker.stop();
  const auto result = bench.push(settings_of(bench));
  REQUIRE(result.ok());
  CHECK(result->end == PushResult::End::all_settled);
  CHECK(result->frames == 0);
}

}  // namespace joulespool::test
