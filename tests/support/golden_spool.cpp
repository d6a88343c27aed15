// Makes a golden spool: a small spool of the schema of today, with all that a spool can hold, and what is in it.
//
//   golden_spool DIRECTORY     new or empty; see tests/data/README.md

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/app/device_pipeline.h"
#include "agent/app/lost_frames.h"
#include "agent/app/merge_frames.h"
#include "agent/base/crc32c.h"
#include "agent/spool/sqlite_schema.h"
#include "agent/spool/sqlite_spool.h"

namespace {

using namespace joulespool;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* host = "bench-1";
constexpr uint32_t decimation = 1000;  // of a counter of 2 MHz
constexpr size_t block_samples = 500;
constexpr uint64_t block_ticks = block_samples * decimation;

template <class T>
T require(Result<T> result, const char* what) {
  if (result) return std::move(*result);
  std::cerr << "golden_spool: " << what << ": " << result.error().message << "\n";
  std::exit(4);
}
void require(const Status& status, const char* what) {
  if (status) return;
  std::cerr << "golden_spool: " << what << ": " << status.error().message << "\n";
  std::exit(4);
}

std::string hexadecimal(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// A start of the agent.
class Run {
 public:
  Run(const std::string& directory, const std::string& boot, app::WaveMode wave) {
    spool::SpoolOptions options{directory, host, 8ULL << 20};
    options.boot = boot;
    spool_ = require(spool::open_spool_writer(options), "open");
    app::PipelineSettings settings;
    settings.host = host;
    settings.device = {"js220-001122", "js220", "001122"};
    settings.source = "simulated";
    settings.boot = boot;
    settings.epoch = spool_->epoch();
    settings.wave = wave;
    settings.labels = {{"run", "golden"}};
    const auto positions = require(spool_->positions(), "positions");
    pipeline_ =
        std::make_unique<app::DevicePipeline>(settings, positions.empty() ? std::nullopt : std::optional(positions.front()),
                                              app::next_seqs(*spool_, settings.device.id));
  }

  void commit_block(uint64_t tick) {
    app::OwnedBlock block;
    block.sample_id = tick;
    block.axis = {0xA1, 2'000'000, decimation};
    block.utc = {0, 1'767'225'600'000'000'000, 2e6, wire::UtcQuality::host};
    for (uint64_t at = tick; at < tick + block_ticks; at += decimation) {
      block.i.push_back(static_cast<float>(at / decimation * 7919 % 2003) * 1e-6F);
      block.v.push_back(3.3F);
    }
    pipeline_->add(block);
    commit({});
  }
  void commit(spool::Commit commit) {
    app::Cut cut = pipeline_->cut(now);
    take(cut, std::move(commit));
  }
  // All windows that wait in `sequence` become longer.
  void merge(const wire::FrameSequence& sequence) {
    const auto waiting = require(spool_->read(sequence, 0, spool::FrameState::queued, SIZE_MAX, SIZE_MAX), "read");
    std::vector<spool::FrameInfo> frames;
    for (const auto& frame : waiting) frames.push_back(frame.info);
    auto merged = require(app::merge_frames(*spool_, frames, pipeline_->coarsening()), "merge");
    spool::Commit commit;
    for (const auto& frame : merged.replaced) commit.dropped.push_back(frame.id);
    app::Cut cut = pipeline_->cut(now);
    pipeline_->add_merged(std::move(merged.frames), 1, now, cut);
    take(cut, std::move(commit));
  }
  void end() {
    pipeline_->end("the agent stops");
    commit({});
  }
  [[nodiscard]] wire::FrameSequence sequence(wire::Lane lane) const { return {"js220-001122", spool_->epoch(), lane}; }

 private:
  void take(app::Cut& cut, spool::Commit commit) {
    commit.frames = std::move(cut.frames);
    if (cut.position) commit.positions.push_back(*cut.position);
    require(spool_->commit(commit), "commit");
    static_cast<void>(pipeline_->committed());
  }

  static constexpr app::HostTime now{1'767'225'700'000'000'000, 100'000'000'000};
  std::unique_ptr<spool::SpoolWriter> spool_;
  std::unique_ptr<app::DevicePipeline> pipeline_;
};

// Three starts: an orderly end, a crash of the machine, and then windows of both epochs, merged ones among them.
void fill(const std::string& directory) {
  wire::FrameSequence first;
  {
    Run run(directory, "one", app::WaveMode::upload);
    for (uint64_t block = 0; block < 4; ++block) run.commit_block(block * block_ticks);
    first = run.sequence(wire::Lane::stat);
    run.end();
  }
  const pid_t child = ::fork();
  if (child == 0) {
    Run run(directory, "one", app::WaveMode::keep);
    for (uint64_t block = 5; block < 8; ++block) run.commit_block(block * block_ticks);
    ::_exit(0);  // without an end
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) require(Error{Errc::internal, "the second start failed"}, "fork");
  Run run(directory, "two", app::WaveMode::upload);
  for (uint64_t block = 9; block < 12; ++block) run.commit_block(block * block_ticks);
  run.merge(first);
  spool::Commit acks;
  acks.stored = {{{first.device, first.epoch, wire::Lane::wave}, {1, 2}}};
  acks.set_aside = {{{first.device, first.epoch, wire::Lane::wave}, 3}};
  run.commit(std::move(acks));
  run.end();
}

json frame_json(const spool::StoredFrame& frame) {
  const spool::FrameInfo& info = frame.info;
  return {{"device", info.id.sequence.device},
          {"lane", wire::to_string(info.id.sequence.lane)},
          {"epoch", hexadecimal(info.id.sequence.epoch)},
          {"seq", info.id.seq},
          {"state", info.state == spool::FrameState::queued ? "queued" : "kept"},
          {"level", info.level},
          {"axis", hexadecimal(info.axis)},
          {"sample_id_first", info.sample_id_first},
          {"sample_id_end", info.sample_id_end},
          {"utc_first_ns", info.utc_first_ns},
          {"utc_end_ns", info.utc_end_ns},
          {"samples", info.samples},
          {"size_bytes", info.size_bytes},
          {"crc32c", crc32c(frame.bytes)}};
}

json contents(const std::string& directory) {
  const auto reader = require(spool::open_spool_reader(directory, spool::ReadMode::snapshot), "read");
  const spool::Usage usage = require(reader->usage(), "usage");
  json all = {{"schema", spool::schema_version},
              {"host", reader->host()},
              {"epoch", hexadecimal(reader->epoch())},
              {"devices", json::array()},
              {"frames", json::array()},
              {"quarantined_frames", usage.quarantined_frames},
              {"wear",
               {{"appended_bytes", usage.wear.appended_bytes},
                {"written_bytes", usage.wear.written_bytes},
                {"since_utc_ns", usage.wear.since_utc_ns}}}};
  for (const auto& position : require(reader->positions(), "positions"))
    all["devices"].push_back({{"id", position.device.id},
                              {"axis", hexadecimal(position.axis.life)},
                              {"sample_id_end", position.sample_id_end},
                              {"samples", position.totals.samples},
                              {"samples_lost", position.totals.samples_lost},
                              {"charge_units", to_decimal(position.totals.i_sum)},
                              {"energy_units", to_decimal(position.totals.p_sum)}});
  for (const spool::LaneUsage& lane : usage.lanes)
    for (const auto& frame : require(reader->read(lane.sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX), "read"))
      all["frames"].push_back(frame_json(frame));
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || (fs::exists(argv[1]) && !fs::is_empty(argv[1]))) {
    std::cerr << "usage: golden_spool DIRECTORY (new or empty)\n";
    return 2;
  }
  const std::string directory = argv[1];
  fill(directory);
  // What is of no use in a copy.
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name == "lock" || name == "reserve" || name.ends_with("-shm")) fs::remove(entry.path());
  }
  const json made = contents(directory);
  std::ofstream(directory + "/contents.json") << made.dump(1) << "\n";
  std::cout << made.at("frames").size() << " frames\n";
  return 0;
}
