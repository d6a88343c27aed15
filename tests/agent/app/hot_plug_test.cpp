// Devices that appear while the writer runs.
#include <doctest/doctest.h>

#include <thread>

#include "agent/app/writer.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/agent/app/frame_account.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;
using Kind = device::SourceEvent::Kind;

struct Told {
  std::string device;
  wire::Event event;
};

// A real spool and a writer that knows no device, or those of an earlier run.
struct Bench {
  TemporaryDirectory directory;
  SystemClock clock;
  app::SampleRing ring{{}, [](const std::string&) { return size_t{100'000}; }};
  std::unique_ptr<spool::SpoolWriter> spool;
  std::vector<Told> told;  // on the writer's thread

  Bench() {
    auto opened = spool::open_spool_writer({directory.path(), "host-1", 1ULL << 30});
    REQUIRE(opened.ok());
    spool = std::move(*opened);
  }

  app::NextSeqs seqs(const std::string& device) const {
    app::NextSeqs next{};
    for (const wire::Lane lane : wire::lanes)
      next[static_cast<size_t>(lane) - 1] = spool->next_seq({device, spool->epoch(), lane});
    return next;
  }
  std::unique_ptr<app::DevicePipeline> pipeline(const wire::DeviceIdentity& device, const std::string& source,
                                                const std::optional<spool::DevicePosition>& stored) const {
    app::PipelineSettings made = settings(app::WaveMode::upload);
    made.device = device;
    made.source = source;
    made.epoch = spool->epoch();
    return std::make_unique<app::DevicePipeline>(made, stored, seqs(device.id));
  }

  // Runs a writer until everything in the ring is stored.
  app::WriterStatus run() {
    std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
    const auto positions = spool->positions();
    REQUIRE(positions.ok());
    for (const auto& stored : *positions) pipelines.push_back(pipeline(stored.device, app::source_absent, stored));
    app::Writer::Listener listener{[] {},
                                   [this](const std::string& device, const wire::Event& event) {
                                     told.push_back({device, event});
                                   }};
    app::Writer writer(
        app::WriterSettings{10}, clock, ring, *spool, std::move(pipelines), std::move(listener),
        [this](const wire::DeviceIdentity& device) { return pipeline(device, app::source_joulescope, std::nullopt); });
    std::jthread thread([&](const std::stop_token& stop) { writer.run(stop); });
    thread.request_stop();
    thread.join();
    return writer.status();
  }

  void feed(const std::string& device, uint64_t tick, size_t count, uint64_t life = 5) {
    const app::OwnedBlock owned = block(tick, count, life);
    signal::SampleBlock view;
    view.sample_id = owned.sample_id;
    view.axis = owned.axis;
    view.utc = owned.utc;
    view.i = owned.i;
    view.v = owned.v;
    ring.on_samples(device, view);
  }
  void say(const std::string& device, Kind kind, const std::string& text, const wire::DeviceIdentity& identity = {}) {
    device::SourceEvent event;
    event.kind = kind;
    event.text = text;
    event.identity = identity;
    ring.on_event(device, event);
  }

  Account account(const std::string& device) const {
    Account found;
    auto reader = spool::open_spool_reader(directory.path());
    REQUIRE(reader.ok());
    for (const wire::Lane lane : wire::lanes) {
      const auto frames = (*reader)->read({device, spool->epoch(), lane}, 0, std::nullopt, 10'000, 1 << 28);
      REQUIRE(frames.ok());
      for (const auto& frame : *frames) add_frame(frame.bytes, found);
    }
    return found;
  }
};

const app::DeviceStatus& status_of(const app::WriterStatus& status, const std::string& device) {
  for (const app::DeviceStatus& one : status.devices)
    if (one.device.id == device) return one;
  FAIL("no status of " << device);
  return status.devices.front();
}

}  // namespace

TEST_CASE("hot plug: a device that nobody announced is stored from its first item on") {
  Bench bench;
  bench.say("js320-x2vj", Kind::attached, "", {"js320-x2vj", "js320", "X2VJ"});
  bench.say("js320-x2vj", Kind::found, "");
  bench.feed("js320-x2vj", 0, 20'000);
  bench.feed("js220-001122", 100, 10'000);  // says nothing of itself
  const auto status = bench.run();
  REQUIRE(status.devices.size() == 2);
  CHECK(status_of(status, "js320-x2vj").device == wire::DeviceIdentity{"js320-x2vj", "js320", "X2VJ"});
  CHECK(status_of(status, "js220-001122").device == wire::DeviceIdentity{"js220-001122", "js220", "001122"});
  CHECK(status_of(status, "js220-001122").source == "joulescope");
  CHECK(bench.account("js320-x2vj").stat.samples == 20'000);
  CHECK(bench.account("js220-001122").stat.samples == 10'000);
}

TEST_CASE("hot plug: a device known from an earlier run goes on with its numbers, its axis and its source") {
  Bench bench;
  bench.feed("js220-1", 0, 20'000);
  bench.run();
  const auto absent = bench.run();
  CHECK(status_of(absent, "js220-1").source == "absent");
  CHECK(status_of(absent, "js220-1").state == "waiting");
  bench.say("js220-1", Kind::found, "");
  bench.feed("js220-1", 50'000, 10'000);
  const auto status = bench.run();
  CHECK(status_of(status, "js220-1").source == "joulescope");
  const Account account = bench.account("js220-1");
  CHECK(account.stat.samples == 30'000);
  CHECK(account.starts == 2);
  REQUIRE(account.gap_list.size() == 1);
  CHECK(account.gap_list[0].reason == wire::GapReason::restart);
  CHECK(account.lost == 5'000);
}

TEST_CASE("hot plug: trouble of a device that never delivered is told people at once, and once") {
  Bench bench;
  bench.say("js220-1", Kind::trouble, "no permission: install the udev rule", {"js220-1", "js220", "1"});
  bench.say("js220-1", Kind::trouble, "no permission: install the udev rule", {"js220-1", "js220", "1"});
  const auto status = bench.run();
  CHECK(status_of(status, "js220-1").state == "trouble");
  CHECK(status_of(status, "js220-1").detail == "no permission: install the udev rule");
  REQUIRE(bench.told.size() == 1);
  CHECK(bench.told[0].device == "js220-1");
  CHECK(std::get<wire::DeviceNote>(bench.told[0].event).kind == "trouble");

  bench.told.clear();
  bench.say("js220-1", Kind::trouble, "busy", {"js220-1", "js220", "1"});
  bench.feed("js220-1", 0, 1000);  // now it has an axis: what waited is stored, and not told again
  bench.run();
  size_t troubles = 0;
  for (const Told& one : bench.told)
    if (const auto* note = std::get_if<wire::DeviceNote>(&one.event)) troubles += note->kind == "trouble" ? 1U : 0U;
  CHECK(troubles == 1);
}

TEST_CASE("hot plug: what cannot be a device's name costs the others nothing") {
  Bench bench;
  for (const char* name : {"", "JS220-1", "js220 1", "../x"}) {
    bench.say(name, Kind::trouble, "the driver's process died");
    bench.feed(name, 0, 1000);
  }
  bench.feed("js220-1", 0, 20'000);
  const auto status = bench.run();
  CHECK(status.devices.size() == 1);
  CHECK(status.commits_failed == 0);
  CHECK(bench.account("js220-1").stat.samples == 20'000);
}

TEST_CASE("hot plug: samples that the ring lost before anybody knew the device are one gap with the exact count") {
  Bench bench;
  for (uint64_t at = 0; at < 100; ++at) bench.feed("js110-1", at * 20'000, 10'000);  // room for 10 of them
  bench.feed("js220-1", 0, 10'000);                                                  // has room of its own
  bench.run();
  bench.feed("js110-1", 100 * 20'000, 10'000);
  bench.run();
  const Account account = bench.account("js110-1");
  CHECK(account.stat.samples == 110'000);
  CHECK(account.lost == 900'000);
  uint64_t overrun = 0;
  for (const wire::Gap& gap : account.gap_list) overrun += gap.reason == wire::GapReason::overrun ? gap.samples_lost : 0;
  CHECK(overrun == 900'000);
  CHECK(bench.account("js220-1").stat.samples == 10'000);
}
