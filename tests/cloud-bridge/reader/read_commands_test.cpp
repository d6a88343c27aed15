#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cloud-bridge/cli/check_command.h"
#include "cloud-bridge/cli/export_command.h"
#include "cloud-bridge/cli/tail_command.h"
#include "tests/support/fake_kinesis.h"
#include "tests/support/frame_factory.h"

namespace joulespool::bridge_cli {
namespace {

using test::FrameFactory;

// Time jumps to what is waited for; `on_wait` happens meanwhile.
class JumpingClock final : public Clock {
 public:
  int64_t realtime_ns() override { return manual_.realtime_ns(); }
  int64_t monotonic_ns() override { return manual_.monotonic_ns(); }
  bool wait_until(int64_t deadline_ns, std::stop_token stop) override {
    if (on_wait) on_wait();
    if (deadline_ns > manual_.monotonic_ns()) manual_.advance(deadline_ns - manual_.monotonic_ns());
    return !stop.stop_requested();
  }
  std::function<void()> on_wait;

 private:
  ManualClock manual_{1'767'225'600 * ns_per_s + 10 * ns_per_ms};  // 10 ms after the factory's sample_id 0
};

// Refuses the first reads.
class WeakSource final : public sink::RecordSource {
 public:
  WeakSource(std::unique_ptr<sink::RecordSource> behind, int refusals, Errc code)
      : behind_(std::move(behind)), refusals_(refusals), code_(code) {}
  Result<std::vector<std::string>> shards() override { return behind_->shards(); }
  Status open(const std::string& shard, sink::StartAt start) override { return behind_->open(shard, start); }
  Result<sink::RecordBatch> read(const std::string& shard) override {
    if (refusals_-- > 0) return Error{code_, "no answer"};
    return behind_->read(shard);
  }

 private:
  std::unique_ptr<sink::RecordSource> behind_;
  int refusals_;
  Errc code_;
};

// A record is stored when the stream is read for the second time.
class LateRecord final : public sink::RecordSource {
 public:
  LateRecord(std::unique_ptr<sink::RecordSource> behind, std::function<void()> store)
      : behind_(std::move(behind)), store_(std::move(store)) {}
  Result<std::vector<std::string>> shards() override {
    if (++times_ == 2) store_();
    return behind_->shards();
  }
  Status open(const std::string& shard, sink::StartAt start) override { return behind_->open(shard, start); }
  Result<sink::RecordBatch> read(const std::string& shard) override { return behind_->read(shard); }

 private:
  std::unique_ptr<sink::RecordSource> behind_;
  std::function<void()> store_;
  int times_ = 0;
};

struct Bench {
  Bench() { kinesis.create_stream("s", 2); }
  void put(const wire::Bytes& frame) {
    const auto checked = std::get<wire::Frame>(wire::read_frame(frame));
    const sink::Record record{checked.header.device.id, frame};
    REQUIRE(kinesis.make_sink("s")->put({&record, 1}).ok());
  }
  int check(const CheckOptions& options, std::unique_ptr<sink::RecordSource> source = nullptr) {
    if (!source) source = kinesis.make_source("s");
    return code(run_check(options, *source, surroundings));
  }
  int export_csv(const ExportOptions& options) { return code(run_export(options, *kinesis.make_source("s"), surroundings)); }
  int tail(const TailOptions& options, std::stop_token stop = {}) {
    return code(run_tail(options, *kinesis.make_source("s"), surroundings, stop));
  }
  // As the command line makes it of the result.
  int code(const Result<ExitCode>& result) {
    if (!result) err << result.error().message;
    return result ? *result : exit_code(result.error());
  }
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    std::istringstream in(out.str());
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

  JumpingClock clock;
  sink::FakeKinesis kinesis{clock};
  std::ostringstream out, err;
  Surroundings surroundings{{}, out, err, clock};
};

void put_complete(Bench& bench, FrameFactory& factory) {
  bench.put(factory.started(0));
  bench.put(factory.flat_stat(0, 6000));
  bench.put(factory.flat_wave(0, 1000));
  bench.put(factory.gap(6000, 6100));
  bench.put(factory.flat_wave(2000, 2000));
  bench.put(factory.stopped(6100));
}

}  // namespace

TEST_CASE("check: a complete device is exit code 0, in text and in JSON") {
  Bench bench;
  FrameFactory factory("js220-1");
  put_complete(bench, factory);
  CHECK(bench.check({"js220-1", {}, false}) == 0);
  CHECK(bench.out.str().starts_with("js220-1: complete\n"));
  CHECK(bench.out.str().find("3000 samples and 50 in gaps, ended") != std::string::npos);
  bench.out.str("");
  CHECK(bench.check({"js220-1", {}, true}) == 0);
  const auto json = nlohmann::json::parse(bench.out.str());
  CHECK(json["version"] == 1);
  CHECK(json["complete"] == true);
  CHECK(json["totals"]["stat"]["samples"] == 3000);
  CHECK(json["totals"]["stat"]["p_sum"] == std::to_string(3000ULL * 2 * 2147483648ULL));
  CHECK(json["totals"]["wave"]["p_sum"] == json["totals"]["stat"]["p_sum"]);
  CHECK(json["gaps"]["usb_drop"]["samples"] == 50);
  CHECK(json["axes"][0]["samples_in_gaps"] == 50);
  CHECK(bench.err.str().empty());
}

TEST_CASE("check: what is missing is named, exit code 1") {
  Bench bench;
  FrameFactory factory("js220-1");
  bench.put(factory.started(0));
  bench.put(factory.flat_stat(0, 6000));
  bench.put(factory.flat_wave(0, 1000));
  factory.next_seq(wire::Lane::wave) += 2;
  bench.put(factory.flat_wave(4000, 1000));
  CHECK(bench.check({"js220-1", {}, false}) == 1);
  CHECK(bench.out.str().find("NOT complete") != std::string::npos);
  CHECK(bench.out.str().find(
            "missing: wave, 1000 samples, sample_id 2000 to 4000, 2026-01-01T00:00:00.001000Z to 2026-01-01T00:00:00.002000Z") !=
        std::string::npos);
  CHECK(bench.out.str().find("missing: wave frames 2 to 3 of epoch 00000000000000e1") != std::string::npos);
  bench.out.str("");
  CHECK(bench.check({"js220-1", {}, true}) == 1);
  const auto json = nlohmann::json::parse(bench.out.str());
  CHECK(json["missing_samples"][0]["sample_id_first"] == 2000);
  CHECK(json["missing_frames"][0]["seq_last"] == 3);
  bench.out.str("");
  const int64_t at_2000 = factory.header.utc.utc_ns_at(2000);
  CHECK(bench.check({"js220-1", {{}, at_2000}, false}) == 0);
}

TEST_CASE("check: second copies and another device's holes do not matter") {
  Bench bench;
  FrameFactory factory("js220-1");
  FrameFactory other("js220-2");
  other.next_seq(wire::Lane::stat) = 5;
  bench.put(other.flat_stat(0, 2000));
  put_complete(bench, factory);
  factory.next_seq(wire::Lane::stat) = 1;
  bench.put(factory.flat_stat(0, 6000));
  CHECK(bench.check({"js220-1", {}, true}) == 0);
  CHECK(nlohmann::json::parse(bench.out.str())["duplicates"] == 1);
}

TEST_CASE("check: frames for which a merged one stands are ignored, and said to be") {
  Bench bench;
  FrameFactory factory("js220-1");
  bench.put(factory.started(0, false));
  const std::vector<wire::Bytes> old = {factory.flat_stat(0, 4000), factory.flat_stat(4000, 8000)};
  bench.put(old[1]);
  bench.put(factory.merged(old, 20000));
  bench.put(factory.stopped(8000));
  CHECK(bench.check({"js220-1", {}, true}) == 0);
  const auto answer = nlohmann::json::parse(bench.out.str());
  CHECK(answer["complete"] == true);
  CHECK(answer["replaced_frames"] == 1);
  CHECK(answer["totals"]["stat"]["samples"] == 4000);
  CHECK(answer["totals"]["stat"]["p_sum"] == std::to_string(4000 * (int64_t{2} << 31)));
  CHECK(bench.check({"js220-1", {}, false}) == 0);
  CHECK(bench.out.str().find("ignored: 1 frames for which merged ones stand") != std::string::npos);
}

TEST_CASE("check: a device that is not in the stream is exit code 1") {
  Bench bench;
  CHECK(bench.check({"js220-9", {}, true}) == 1);
  CHECK(nlohmann::json::parse(bench.out.str())["known"] == false);
  CHECK(bench.err.str().find("js220-9 is not in the stream") != std::string::npos);
}

TEST_CASE("check: Kinesis away for a moment is waited out; away for good is exit code 3; refused is 2") {
  Bench bench;
  FrameFactory factory("js220-1");
  put_complete(bench, factory);
  const auto weak = [&](int refusals, Errc code) {
    return std::make_unique<WeakSource>(bench.kinesis.make_source("s"), refusals, code);
  };
  CHECK(bench.check({"js220-1", {}, false}, weak(5, Errc::unreachable)) == 0);
  CHECK(bench.check({"js220-1", {}, false}, weak(6, Errc::unreachable)) == 3);
  CHECK(bench.err.str().find("no answer") != std::string::npos);
  CHECK(bench.check({"js220-1", {}, false}, weak(1, Errc::usage)) == 2);
  CHECK(bench.check({"js220-1", {}, false}, bench.kinesis.make_source("no-such-stream")) == 2);
}

TEST_CASE("export: samples of a device in order, once, within a range") {
  Bench bench;
  FrameFactory factory("js220-1");
  const wire::Bytes first = factory.flat_wave(0, 3);
  const wire::Bytes second = factory.flat_wave(6, 2);
  for (const wire::Bytes& frame : {second, first, second}) bench.put(frame);
  ExportOptions options{ExportOptions::What::samples, {.device = "js220-1", .sample_from = 2}};
  CHECK(bench.export_csv(options) == 0);
  CHECK(bench.lines() == std::vector<std::string>{
                             "utc,device,sample_id,i_a,v_v,p_w", "2026-01-01T00:00:00.000001000Z,js220-1,2,1,2,2",
                             "2026-01-01T00:00:00.000002000Z,js220-1,4,1,2,2", "2026-01-01T00:00:00.000003000Z,js220-1,6,1,2,2",
                             "2026-01-01T00:00:00.000004000Z,js220-1,8,1,2,2"});
}

TEST_CASE("export: windows by label") {
  Bench bench;
  FrameFactory factory("js220-1");
  bench.put(factory.flat_stat(0, 4000));
  factory.header.labels = {{"run", "7"}};
  bench.put(factory.flat_stat(4000, 6000));
  CHECK(bench.export_csv({ExportOptions::What::windows, {.device = "js220-1", .labels = {{"run", "7"}}}}) == 0);
  REQUIRE(bench.lines().size() == 2);
  CHECK(bench.lines()[1].find(",js220-1,4000,6000,1000,1000,1,1,1,2,2,2,2,2,2,2147483648000,") != std::string::npos);
}

TEST_CASE("export: of merged windows and those they were merged from only the merged ones are written") {
  Bench bench;
  FrameFactory factory("js220-1");
  const std::vector<wire::Bytes> old = {factory.flat_stat(0, 4000), factory.flat_stat(4000, 8000)};
  bench.put(old[0]);
  bench.put(factory.flat_stat(8000, 10000));
  bench.put(factory.merged(old, 20000));
  bench.put(old[1]);
  CHECK(bench.export_csv({ExportOptions::What::windows, {.device = "js220-1"}}) == 0);
  REQUIRE(bench.lines().size() == 3);
  CHECK(bench.lines()[1].find(",js220-1,8000,10000,1000,") != std::string::npos);
  CHECK(bench.lines()[2].find(",js220-1,0,8000,4000,4000,") != std::string::npos);
}

TEST_CASE("export: a merged frame that comes while the stream is read is left out, what it replaces has been written") {
  Bench bench;
  FrameFactory factory("js220-1");
  const std::vector<wire::Bytes> old = {factory.flat_stat(0, 4000), factory.flat_stat(4000, 8000)};
  for (const wire::Bytes& frame : old) bench.put(frame);
  auto source = std::make_unique<LateRecord>(bench.kinesis.make_source("s"), [&] { bench.put(factory.merged(old, 20000)); });
  CHECK(bench.code(run_export({ExportOptions::What::windows, {.device = "js220-1"}}, *source, bench.surroundings)) == 0);
  REQUIRE(bench.lines().size() == 5);
  CHECK(bench.lines()[4].find(",js220-1,6000,8000,1000,") != std::string::npos);
}

TEST_CASE("export: nothing in the range is well, an unknown device is not") {
  Bench bench;
  FrameFactory factory("js220-1");
  bench.put(factory.flat_stat(0, 4000));
  CHECK(bench.export_csv({ExportOptions::What::windows, {.device = "js220-1", .sample_from = 4000}}) == 0);
  CHECK(bench.lines().size() == 1);
  CHECK(bench.export_csv({ExportOptions::What::windows, {.device = "js220-2"}}) == 1);
  CHECK(bench.err.str().find("js220-2 is not in the stream") != std::string::npos);
}

TEST_CASE("export: a frame that cannot be decoded is told, the others are written") {
  Bench bench;
  FrameFactory factory("js220-1");
  factory.codec = 9;
  bench.put(factory.flat_wave(0, 3));
  factory.codec = 0;
  bench.put(factory.flat_wave(6, 1));
  CHECK(bench.export_csv({ExportOptions::What::samples, {.device = "js220-1"}}) == 1);
  CHECK(bench.lines().size() == 2);
  CHECK(bench.err.str().find("codec 9") != std::string::npos);
}

TEST_CASE("tail: a line per device and second says rate, lag, power, gaps and second copies") {
  Bench bench;
  FrameFactory factory("js220-1");
  FrameFactory other("js110-2");
  bench.put(factory.flat_stat(0, 2000));  // before tail began
  bool put = false;
  bench.clock.on_wait = [&] {
    if (std::exchange(put, true)) return;
    bench.put(factory.flat_stat(2000, 12000));
    bench.put(factory.gap(12000, 12100));
    factory.next_seq(wire::Lane::stat) -= 1;
    bench.put(factory.flat_stat(2000, 12000));
    bench.put(other.flat_wave(0, 10));
  };
  CHECK(bench.tail({.json = true, .rounds_max = 2}) == 0);
  REQUIRE(bench.lines().size() == 4);
  const auto line = nlohmann::json::parse(bench.lines()[1]);
  CHECK(line["device"] == "js220-1");
  CHECK(line["samples_per_s"] == doctest::Approx(5000));
  CHECK(line["lag_ms"] == 4);  // stored 10 ms after sample_id 0; the last sample is 6 ms after it
  CHECK(line["power_w"] == 2.0);
  CHECK(line["current_a"] == 1.0);
  CHECK(line["voltage_v"] == 2.0);
  CHECK(line["energy_j"] == doctest::Approx(0.01));
  CHECK(line["gaps"] == 1);
  CHECK(line["samples_lost"] == 50);
  CHECK(line["duplicates"] == 1);
  CHECK(nlohmann::json::parse(bench.lines()[0])["device"] == "js110-2");
  const auto quiet = nlohmann::json::parse(bench.lines()[3]);
  CHECK(quiet["samples_per_s"] == 0.0);
  CHECK(quiet["power_w"].is_null());
  CHECK(quiet["energy_j"] == doctest::Approx(0.01));
}

TEST_CASE("tail: text is readable, and one device can be chosen") {
  Bench bench;
  FrameFactory factory("js220-1");
  FrameFactory other("js110-2");
  bench.put(factory.flat_stat(0, 10000));
  bench.put(other.flat_stat(0, 10000));
  CHECK(bench.tail({.device = "js220-1", .rounds_max = 1, .start = sink::StartAt::oldest}) == 0);
  REQUIRE(bench.lines().size() == 1);
  const std::string line = bench.lines()[0];
  CHECK(line.starts_with("2026-01-01T00:00:01Z js220-1"));
  for (const char* part :
       {"5.000 kS/s", "lag      5 ms", "2.000 W", "1.000 A", "2.000 V", "energy   10.00 mJ", "gaps 0", "duplicates 0"})
    CHECK_MESSAGE(line.find(part) != std::string::npos, line, " has no ", part);
}

TEST_CASE("tail: the energy takes back what a merged frame replaces, whichever came first") {
  Bench bench;
  FrameFactory factory("js220-1");
  const std::vector<wire::Bytes> old = {factory.flat_stat(0, 4000), factory.flat_stat(4000, 8000)};
  const wire::Bytes once = factory.merged(old, 20000);
  const std::vector<wire::Bytes> merged = {once};
  std::vector<wire::Bytes> order;
  SUBCASE("replaced ones first") { order = {old[0], once, old[1]}; }
  SUBCASE("the merged one first") { order = {once, old[1], old[0]}; }
  SUBCASE("merged twice") { order = {old[1], once, factory.merged(merged, 200000), old[0]}; }
  SUBCASE("merged twice, the other way round") { order = {factory.merged(merged, 200000), once, old[0]}; }
  size_t put = 0;
  bench.clock.on_wait = [&] {
    if (put < order.size()) bench.put(order[put++]);
  };
  CHECK(bench.tail({.json = true, .interval_ms = 250, .rounds_max = 6}) == 0);
  std::optional<double> energy_j;
  double samples = 0;
  for (const std::string& text : bench.lines()) {
    const auto line = nlohmann::json::parse(text);
    energy_j = line["energy_j"].get<double>();
    samples += line["samples_per_s"].get<double>() * 0.25;
  }
  CHECK(energy_j.value_or(0) == doctest::Approx(0.008));
  CHECK(samples >= 2000);
  CHECK(samples <= 4001);  // no sample is in two lines
}

TEST_CASE("tail: goes on with the shards that follow one that was split") {
  Bench bench;
  FrameFactory factory("js220-1");
  bool split = false;
  bench.clock.on_wait = [&] {
    if (std::exchange(split, true)) return;
    bench.put(factory.flat_stat(0, 2000));
    bench.kinesis.split_shard("s", "shardId-000000000000");
    bench.kinesis.split_shard("s", "shardId-000000000001");
    bench.put(factory.flat_stat(2000, 4000));
  };
  CHECK(bench.tail({.json = true, .rounds_max = 1}) == 0);
  REQUIRE(bench.lines().size() == 1);
  CHECK(nlohmann::json::parse(bench.lines()[0])["samples_per_s"] == doctest::Approx(2000));
}

TEST_CASE("tail: ends on request with exit code 0, and with 3 when Kinesis stays away") {
  Bench bench;
  std::stop_source stop;
  bench.clock.on_wait = [&] { stop.request_stop(); };
  CHECK(bench.tail({}, stop.get_token()) == 0);
  bench.clock.on_wait = nullptr;
  WeakSource source(bench.kinesis.make_source("s"), 1000, Errc::unreachable);
  CHECK(bench.code(run_tail({}, source, bench.surroundings, {})) == 3);
  CHECK(bench.err.str().find("no answer") != std::string::npos);
}

}  // namespace joulespool::bridge_cli
