#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/spool/sqlite_spool.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/frame_factory.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using nlohmann::json;

namespace {

constexpr const char* device = "js220-1";

// A spool with frames of one device, as an agent leaves it.
class FilledSpool {
 public:
  explicit FilledSpool(const std::string& directory) : directory_(directory) {
    auto opened = spool::open_spool_writer({directory, "bench", 1024ULL * 1024 * 1024});
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().message));
    writer_ = std::move(opened).value();
    factory_.header.epoch = writer_->epoch();
  }

  FrameFactory& factory() { return factory_; }
  spool::SpoolWriter& writer() { return *writer_; }
  void add(wire::Bytes bytes, spool::FrameState state = spool::FrameState::queued) {
    const auto read = wire::read_frame(bytes);
    REQUIRE(std::holds_alternative<wire::Frame>(read));
    const wire::FrameHeader& header = std::get<wire::Frame>(read).header;
    spool::Commit commit;
    spool::FrameInfo info{header.id(),
                          state,
                          header.axis.life,
                          header.sample_id_first,
                          header.sample_id_end,
                          header.utc.utc_ns_at(header.sample_id_first),
                          header.utc.utc_ns_at(header.sample_id_end),
                          header.samples,
                          0};
    commit.frames.push_back({info, std::move(bytes)});
    commit.positions.push_back({header.device, header.axis, header.sample_id_end, header.utc, {5000, 4990, 1, 2, 10}});
    const Status status = writer_->commit(commit);
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().message));
  }
  void acked(wire::Lane lane, uint64_t first, uint64_t last) {
    spool::Commit commit;
    commit.stored.push_back({{device, writer_->epoch(), lane}, {first, last}});
    REQUIRE(writer_->commit(commit).ok());
  }
  void dropped(wire::Lane lane, uint64_t seq) {
    spool::Commit commit;
    commit.dropped.push_back({{device, writer_->epoch(), lane}, seq});
    REQUIRE(writer_->commit(commit).ok());
  }
  // One frame with windows of `window_ticks` takes the place of those, as when the disk fills up.
  wire::Bytes merge(const std::vector<wire::Bytes>& frames, uint64_t window_ticks) {
    wire::Bytes merged = factory_.merged(frames, window_ticks);
    add(merged);
    for (const wire::Bytes& bytes : frames) {
      const auto read = wire::read_frame(bytes);
      dropped(wire::Lane::stat, std::get<wire::Frame>(read).header.seq);
    }
    return merged;
  }
  // One event, two stat, two wave frames (the second kept).
  void fill() {
    factory_.header.labels = {{"run", "7"}};
    add(factory_.started(0));
    add(factory_.flat_stat(0, 10000));
    add(factory_.flat_stat(10000, 20000));
    add(factory_.flat_wave(0, 100));
    factory_.header.labels = {{"run", "8"}};
    const std::vector<float> i = {0.1F, NAN, -1e-9F, INFINITY};
    const std::vector<float> v = {3.3F, 3.3F, 3.3F, 3.3F};
    add(factory_.wave(200, i, v), spool::FrameState::kept);
  }

 private:
  std::string directory_;
  FrameFactory factory_{device};
  std::unique_ptr<spool::SpoolWriter> writer_;
};

CliResult spool_command(const std::string& directory, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "spool");
  arguments.insert(arguments.end(), {"--spool", directory});
  return run_in_process(arguments);
}

json spool_json(const std::string& directory, std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const CliResult result = spool_command(directory, arguments);
  REQUIRE_MESSAGE(!result.out.empty(), result.err);
  const json document = json::parse(result.out);
  CHECK(document.at("version") == 1);
  return document;
}

std::string epoch_of(const FrameFactory& factory) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(factory.header.epoch));
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("spool list: devices and lanes with sizes and what waits") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  spool.acked(wire::Lane::stat, 1, 1);
  const json document = spool_json(directory / "s", {"list"});
  CHECK(document.at("host") == "bench");
  CHECK(document.at("devices").at(0).at("id") == device);
  CHECK(document.at("devices").at(0).at("samples") == 5000);
  CHECK(document.at("devices").at(0).at("energy_units") == "2");
  std::map<std::string, json> lanes;
  for (const json& lane : document.at("lanes")) lanes[lane.at("lane")] = lane;
  CHECK(lanes.at("stat").at("queued_frames") == 1);
  CHECK(lanes.at("stat").at("seq_first") == 2);
  CHECK(lanes.at("stat").at("seq_next") == 3);
  CHECK(lanes.at("wave").at("queued_frames") == 1);
  CHECK(lanes.at("wave").at("kept_frames") == 1);
  const CliResult text = spool_command(directory / "s", {"list"});
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("2..2") != std::string::npos);
}

TEST_CASE("spool stat: fill, budget and lanes") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  const json document = spool_json(directory / "s", {"stat"});
  CHECK(document.at("queued_frames") == 4);
  CHECK(document.at("kept_frames") == 1);
  CHECK(document.at("budget_bytes").is_null());  // no settings were read
  CHECK(document.at("disk_bytes").get<uint64_t>() > 0);
  CHECK(spool_command(directory / "s", {"stat"}).out.find("waiting: 4 frames") != std::string::npos);

  std::ofstream(directory / "a.toml") << "host = \"bench\"\n[spool]\nbudget-bytes = \"16MiB\"\ndirectory = \"" << directory / "s"
                                      << "\"\n";
  const CliResult with_budget = run_in_process({"spool", "stat", "--config", directory / "a.toml"});
  CHECK(with_budget.exit_code == 0);
  CHECK(with_budget.out.find("% of the budget of 16.00 MiB") != std::string::npos);
}

TEST_CASE("spool show: a line for each frame, one frame with its sections or events") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  CHECK(spool_json(directory / "s", {"show"}).at("frames").size() == 5);
  CHECK(spool_json(directory / "s", {"show", "--lane", "wave"}).at("frames").size() == 2);
  const json limited = spool_json(directory / "s", {"show", "--frames-max", "2"});
  CHECK(limited.at("frames").size() == 2);
  CHECK(limited.at("more") == true);

  const json wave = spool_json(directory / "s", {"show", "--device", device, "--lane", "wave", "--seq", "2"}).at("frames").at(0);
  CHECK(wave.at("state") == "kept");
  CHECK(wave.at("samples") == 4);
  CHECK(wave.at("valid") == 2);
  CHECK(wave.at("labels") == json::parse(R"([{"key":"run","value":"8"}])"));
  CHECK(wave.at("payload").at(0).at("section") == "current");
  CHECK(wave.at("payload").at(0).at("elements") == 4);
  CHECK(wave.at("payload").at(0).at("bits") == 32);
  const json event = spool_json(directory / "s", {"show", "--lane", "event", "--seq", "1"}).at("frames").at(0);
  CHECK(event.at("payload").at(0).at("kind") == "started");
  CHECK(event.at("payload").at(0).at("window_ticks") == 2000);

  const CliResult text = spool_command(directory / "s", {"show", "--lane", "event", "--seq", "1"});
  CHECK(text.out.find("started version=0.1.0 boot=boot") != std::string::npos);
  CHECK(spool_command(directory / "s", {"show", "--lane", "stat", "--seq", "1"}).out.find("p_sum") != std::string::npos);
  CHECK(lines_of(spool_command(directory / "s", {"show"}).out).size() == 6);
}

TEST_CASE("spool show: what is not there is exit code 1, what cannot be asked is 2") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  CHECK(spool_command(directory / "s", {"show", "--lane", "stat", "--seq", "99"}).exit_code == 1);
  CHECK(spool_command(directory / "s", {"show", "--device", "js220-9"}).exit_code == 1);
  CHECK(spool_command(directory / "s", {"show", "--lane", "waves"}).exit_code == 2);
  CHECK(spool_command(directory / "s", {"show", "--epoch", "xyz"}).exit_code == 2);
  CHECK(spool_command(directory / "none", {"show"}).exit_code == 3);
}

TEST_CASE("spool verify: a spool as an agent leaves it is well, also beside the agent and as a copy") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
  spool.acked(wire::Lane::stat, 1, 1);
  spool.acked(wire::Lane::event, 1, 1);
  const json document = spool_json(directory / "s", {"verify"});
  CHECK(document.at("well") == true);
  CHECK(document.at("frames") == 3);
  CHECK(document.at("holes").empty());
  std::filesystem::copy(directory / "s", directory / "copy", std::filesystem::copy_options::recursive);
  const CliResult copied = spool_command(directory / "copy", {"verify"});
  CHECK_MESSAGE(copied.exit_code == 0, copied.out << copied.err);
}

TEST_CASE("spool verify: frames whose sums are wrong are damage, exit code 1") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  wire::Bytes bytes = spool.factory().flat_stat(20000, 30000);
  const auto read = wire::read_frame(bytes);
  wire::FrameHeader header = std::get<wire::Frame>(read).header;
  header.p_sum += 1;
  spool.add(wire::write_frame(header, std::get<wire::Frame>(read).payload));
  const json document = spool_json(directory / "s", {"verify"});
  CHECK(document.at("well") == false);
  REQUIRE(document.at("damaged").size() == 1);
  CHECK(document.at("damaged").at(0).at("lane") == "stat");
  CHECK(document.at("damaged").at(0).at("seq") == 3);
  const CliResult text = spool_command(directory / "s", {"verify"});
  CHECK(text.exit_code == 1);
  CHECK(text.out.find("seq 3: DAMAGED: header says p_sum = ") != std::string::npos);
}

TEST_CASE("spool verify: a hole is explained by a gap record, and unexplained without one") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  spool.add(spool.factory().flat_stat(20000, 30000));
  spool.dropped(wire::Lane::stat, 2);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 1);
  const json unexplained = spool_json(directory / "s", {"verify"}).at("holes").at(0);
  CHECK(unexplained.at("cause") == "unexplained");
  CHECK(unexplained.at("seq_first") == 2);
  CHECK(unexplained.at("seq_last") == 2);

  wire::Gap gap;
  gap.reason = wire::GapReason::corrupt;
  gap.lane = wire::Lane::stat;
  gap.frames = wire::SeqRange{2, 2};
  spool.add(spool.factory().event({gap}, 30000));
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
  CHECK(spool_json(directory / "s", {"verify"}).at("holes").at(0).at("cause") == "recorded");

  spool.acked(wire::Lane::event, 1, 2);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
  CHECK(spool_json(directory / "s", {"verify"}).at("holes").at(0).at("cause") == "undecided");
}

TEST_CASE("spool verify: numbers of merged frames are explained by the frame that stands for them, then by its gap record") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  FrameFactory& factory = spool.factory();
  spool.add(factory.started(0));
  std::vector<wire::Bytes> frames;
  for (uint64_t at = 0; at < 50000; at += 10000) frames.push_back(factory.flat_stat(at, at + 10000));
  for (const wire::Bytes& frame : frames) spool.add(frame);
  const wire::Bytes first = spool.merge({frames[1], frames[2]}, 20000);  // 6 stands for 2 and 3
  const json once = spool_json(directory / "s", {"verify"});
  CHECK(once.at("well") == true);
  CHECK(once.at("holes") == json::parse(R"([{"device":"js220-1","epoch":")" + epoch_of(factory) +
                                        R"(","lane":"stat","seq_first":2,"seq_last":3,"cause":"replaced"}])"));
  spool.merge({frames[3], first}, 200000);  // 7 stands for 4 and 6, so for 2 and 3, too
  const json holes = spool_json(directory / "s", {"verify"}).at("holes");
  REQUIRE(holes.size() == 2);
  CHECK(holes[0].at("seq_last") == 4);
  CHECK(holes[1].at("seq_first") == 6);
  CHECK(holes[1].at("cause") == "replaced");
  CHECK(spool_command(directory / "s", {"verify"}).out.find("seq 2..4: not there; a frame with longer windows stands for them") !=
        std::string::npos);

  spool.add(factory.flat_stat(50000, 60000));
  spool.dropped(wire::Lane::stat, 7);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 1);
  wire::Gap gap;
  gap.reason = wire::GapReason::evicted;
  gap.lane = wire::Lane::stat;
  gap.frames = wire::SeqRange{7, 7};
  gap.replaced = {{factory.header.epoch, {2, 4}}, {factory.header.epoch, {6, 6}}};
  wire::Gap elsewhere = gap;
  elsewhere.epoch = factory.header.epoch + 1;
  elsewhere.replaced = {{elsewhere.epoch, {2, 6}}};
  spool.add(factory.event({elsewhere}, 60000));
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 1);
  spool.add(factory.event({gap}, 60000));
  const json recorded = spool_json(directory / "s", {"verify"});
  CHECK(recorded.at("well") == true);
  CHECK(recorded.at("holes").at(0).at("cause") == "recorded");
  const json shown =
      spool_json(directory / "s", {"show", "--lane", "event", "--seq", "3"}).at("frames").at(0).at("payload").at(0);
  CHECK(shown.at("frames") == "7..7");
  CHECK(shown.at("replaced").at(0) == json({{"epoch", epoch_of(factory)}, {"frames", "2..4"}}));
}

TEST_CASE("spool show: a merged frame says how long its windows are and for which frames it stands") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  FrameFactory& factory = spool.factory();
  std::vector<wire::Bytes> frames = {factory.flat_stat(0, 10000), factory.flat_stat(10000, 20000)};
  for (const wire::Bytes& frame : frames) spool.add(frame);
  FrameFactory earlier(device, 0xE0);
  earlier.next_seq(wire::Lane::stat) = 41;
  frames.push_back(earlier.flat_stat(20000, 30000));
  spool.add(factory.merged(frames, 20000));
  const json shown = spool_json(directory / "s", {"show", "--lane", "stat", "--seq", "3"}).at("frames").at(0);
  CHECK(shown.at("kept").at("window_ticks") == 20000);
  CHECK(shown.at("samples") == 15000);
  CHECK(shown.at("replaces").size() == 2);
  CHECK(shown.at("replaces").at(0) == json({{"epoch", "00000000000000e0"}, {"seq_first", 41}, {"seq_last", 41}}));
  const CliResult text = spool_command(directory / "s", {"show", "--lane", "stat", "--seq", "3"});
  CHECK(text.out.find("merged into ones of 20000 ticks") != std::string::npos);
  CHECK(text.out.find("seq 41..41 of epoch 00000000000000e0, seq 1..2\n") != std::string::npos);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
}

TEST_CASE("spool export: windows by range, with header and exact sums") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  const auto rows = lines_of(spool_command(directory / "s", {"export"}).out);
  REQUIRE(rows.size() == 11);
  CHECK(rows[0].starts_with("utc,device,sample_id,sample_id_end,samples,valid,i_mean_a,"));
  CHECK(rows[1].starts_with(
      "2026-01-01T00:00:00.000000000Z,js220-1,0,2000,1000,1000,1,1,1,2,2,2,2,2,2,2147483648000,4294967296000,4294967296000,"));
  CHECK(rows[2].starts_with("2026-01-01T00:00:00.001000000Z,js220-1,2000,4000,"));
  CHECK(lines_of(spool_command(directory / "s", {"export", "--from", "4000", "--to", "8000"}).out).size() == 3);
  CHECK(lines_of(spool_command(directory / "s", {"export", "--from", "2026-01-01T00:00:00.008Z"}).out).size() == 3);
  CHECK(lines_of(spool_command(directory / "s", {"export", "--label", "run=7"}).out).size() == 11);
  CHECK(lines_of(spool_command(directory / "s", {"export", "--label", "run=8"}).out).size() == 1);
}

TEST_CASE("spool export: samples read back as the same floats") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  const CliResult written =
      spool_command(directory / "s", {"export", "--what", "samples", "--label", "run=8", "--output", directory / "x.csv"});
  CHECK(written.exit_code == 0);
  CHECK(written.out.empty());
  std::ifstream file(directory / "x.csv");
  std::ostringstream text;
  text << file.rdbuf();
  const auto rows = lines_of(text.str());
  REQUIRE(rows.size() == 5);
  CHECK(rows[0] == "utc,device,sample_id,i_a,v_v,p_w");
  CHECK(rows[1] == "2026-01-01T00:00:00.000100000Z,js220-1,200,0.1,3.3,0.33");
  CHECK(rows[2] == "2026-01-01T00:00:00.000101000Z,js220-1,202,nan,3.3,nan");
  CHECK(rows[3] == "2026-01-01T00:00:00.000102000Z,js220-1,204,-1e-09,3.3,-3.2999998e-09");
  CHECK(rows[4] == "2026-01-01T00:00:00.000103000Z,js220-1,206,inf,3.3,inf");
  CHECK(lines_of(spool_command(directory / "s", {"export", "--what", "samples"}).out).size() == 105);
}

TEST_CASE("spool: frames at a lower rate export their samples, say what was kept, and verify") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  std::vector<float> i(500), v(500, 2.0F);
  for (size_t k = 0; k < i.size(); ++k) i[k] = static_cast<float>(k);
  spool.add(spool.factory().started(1002));
  spool.factory().header.kept = wire::Resolution{200, 2000, 50'000, true};
  spool.add(spool.factory().wave(1002, i, v));  // kept: 1200, 1400, 1600, 1800, 2000
  spool.factory().header.kept = wire::Resolution{0, 10'000, 50'000, false};
  spool.add(spool.factory().wave(2002, i, v));
  const auto rows = lines_of(spool_command(directory / "s", {"export", "--what", "samples", "--from", "1300"}).out);
  REQUIRE(rows.size() == 5);
  CHECK(rows[1].find(",1400,") != std::string::npos);
  CHECK(rows[1].find(",199,2,398") != std::string::npos);
  const json kept = spool_json(directory / "s", {"show", "--lane", "wave", "--seq", "1"}).at("frames").at(0).at("kept");
  CHECK(kept == json::parse(R"({"decimation":200,"window_ticks":2000,"budget_bytes_per_s":50000,"without_packed":true})"));
  const CliResult first = spool_command(directory / "s", {"show", "--lane", "wave", "--seq", "1"});
  CHECK(first.out.find("10.00 kS/s: a sample every 200 ticks, windows of 2000 ticks, no packed signals; within 50000 bytes/s") !=
        std::string::npos);
  const CliResult second = spool_command(directory / "s", {"show", "--lane", "wave", "--seq", "2"});
  CHECK(second.out.find("no waveform, windows of 10000 ticks; within 50000 bytes/s") != std::string::npos);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
}

TEST_CASE("spool export: wrong bounds are wrong usage, an output that cannot be written is exit code 3") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  CHECK(spool_command(directory / "s", {"export", "--from", "yesterday"}).exit_code == 2);
  CHECK(spool_command(directory / "s", {"export", "--output", "/nonexistent/x.csv"}).exit_code == 3);
  const CliResult full = spool_command(directory / "s", {"export", "--output", "/dev/full"});
  CHECK(full.exit_code == 3);
  CHECK(full.err.find("/dev/full: cannot be written to its end") != std::string::npos);
}

TEST_CASE("status: without an agent, what its spool holds is told with exit code 3") {
  const TemporaryDirectory directory(Storage::memory);
  FilledSpool spool(directory / "s");
  spool.fill();
  const CliResult text = run_in_process({"status", "--spool", directory / "s"});
  CHECK(text.exit_code == 3);
  CHECK(text.out.find("waiting: 4 frames") != std::string::npos);
  const json document = json::parse(run_in_process({"status", "--json", "--spool", directory / "s"}).out);
  CHECK(document.at("running") == false);
  CHECK(document.at("spool").at("queued_frames") == 4);
}
