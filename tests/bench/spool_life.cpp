// A spool in its long life: full, killed, opened again, over its budget, in many pieces.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "agent/spool/sqlite_spool.h"
#include "tests/bench/spool_loads.h"

namespace joulespool::bench {
namespace {

constexpr const char* device = "js220-000001";

// As `du` counts: blocks of all files and directories.
uint64_t blocks_bytes(const std::string& folder) {
  const auto of = [](const std::string& path) -> uint64_t {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_blocks) * 512 : 0;
  };
  uint64_t bytes = of(folder);
  std::error_code failed;
  for (std::filesystem::recursive_directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed))
    bytes += of(entry->path().string());
  return bytes;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Milliseconds since the one before.
class Lap {
 public:
  double take() {
    const double now = now_ms();
    return now - std::exchange(last_ms_, now);
  }

 private:
  double last_ms_ = now_ms();
};

// One commit into a spool that keeps its budget: what has to leave does, frames of longer windows stand for those that are
// merged, and a frame of lane event tells of what is lost.
spool::RoomPlan commit_within_budget(spool::SpoolWriter& writer, CommitMaker& maker, const Load& load) {
  auto leaving = require(writer.make_room({load.commit_bytes(), 0, {}}), "make room");
  spool::Commit commit = maker.next(writer);
  uint64_t merged_bytes = 0;
  for (const auto& frame : leaving.drop) commit.dropped.push_back(frame.id);
  for (const auto& frame : leaving.merge) {
    commit.dropped.push_back(frame.id);
    merged_bytes += frame.size_bytes;
  }
  if (!leaving.merge.empty()) maker.add_merged(writer, leaving.merge, merged_bytes / spool::level_factor, commit);
  if (!leaving.drop.empty()) maker.add_frame(writer, wire::Lane::event, 300, spool::FrameState::queued, commit);
  require(writer.commit(commit), "commit");
  return leaving;
}

}  // namespace

nlohmann::json fill(const std::string& folder, uint64_t budget_bytes, uint64_t bytes) {
  const auto writer = open_writer(folder, budget_bytes);
  const Load& load = find_load("mixed");
  CommitMaker maker(load, device);
  maker.set_queued_every(0);  // as by default: waveforms stay
  Lap lap;
  for (uint64_t done = 0; done < bytes; done += load.commit_bytes()) require(writer->commit(maker.next(*writer)), "commit");
  return {{"payload_bytes", require(writer->usage(), "usage").payload_bytes}, {"seconds", lap.take() / 1e3}};
}

void commit_for_ever(const std::string& folder, uint64_t budget_bytes) {
  const auto writer = open_writer(folder, budget_bytes);
  CommitMaker maker(find_load("mixed"), device);
  maker.set_queued_every(0);  // as by default: waveforms stay
  for (uint64_t commits = 1;; ++commits) {
    require(writer->commit(maker.next(*writer)), "commit");
    std::cout << commits << std::endl;
  }
}

nlohmann::json measure_open(const std::string& folder, uint64_t budget_bytes) {
  const Load& load = find_load("default");
  Lap lap;
  const auto writer = open_writer(folder, budget_bytes);
  const double open_ms = lap.take();
  CommitMaker maker(load, device);
  const auto reader = require(spool::open_spool_reader(folder), "open to read");
  const auto frames =
      require(reader->read(maker.sequence(*writer, wire::Lane::stat), 0, spool::FrameState::queued, 1, SIZE_MAX), "read");
  const double first_frame_ms = lap.take();
  require(writer->commit(maker.next(*writer)), "commit");
  return {{"open_ms", open_ms},
          {"first_frame_ms", first_frame_ms},
          {"first_commit_ms", lap.take()},
          {"frames", frames.size()},
          {"intact", !frames.empty() && frames.front().intact},
          {"peak_rss_mib", peak_rss_mib()}};
}

nlohmann::json measure_look(const std::string& folder) {
  Lap lap;
  const auto reader = require(spool::open_spool_reader(folder, spool::ReadMode::snapshot), "open to read");
  const double open_ms = lap.take();
  const auto usage = require(reader->usage(), "usage");
  const double usage_ms = lap.take();
  size_t frames = 0;
  for (const auto& lane : usage.lanes) {
    if (lane.queued_frames == 0 || frames != 0) continue;
    frames = require(reader->read(lane.sequence, 0, spool::FrameState::queued, 1, SIZE_MAX), "read").size();
  }
  return {{"open_ms", open_ms},
          {"usage_ms", usage_ms},
          {"first_frame_ms", lap.take()},
          {"frames", frames},
          {"payload_bytes", usage.payload_bytes},
          {"peak_rss_mib", peak_rss_mib()}};
}

nlohmann::json measure_budget(const std::string& folder, uint64_t budget_bytes, uint64_t bytes) {
  const auto writer = open_writer(folder, budget_bytes);
  uint64_t most = 0, evicted = 0, merged = 0, commits = 0;
  std::vector<std::unique_ptr<CommitMaker>> makers;
  const std::vector<const Load*> turns = {&find_load("default"), &find_load("120-kib-x-8"), &find_load("64-kib-x-1"),
                                          &find_load("20-kib-x-50")};
  for (size_t i = 0; i < turns.size(); ++i) {
    makers.push_back(std::make_unique<CommitMaker>(*turns[i], "js220-00000" + std::to_string(i)));
    makers.back()->set_queued_every(2);
  }
  for (uint64_t done = 0; done < bytes; ++commits) {
    const size_t turn = commits % turns.size();
    const spool::RoomPlan left = commit_within_budget(*writer, *makers[turn], *turns[turn]);
    evicted += left.drop.size();
    merged += left.merge.size();
    done += turns[turn]->commit_bytes();
    most = std::max(most, blocks_bytes(folder));
  }
  const auto usage = require(writer->usage(), "usage");
  return {{"budget_bytes", budget_bytes}, {"most_bytes", most},        {"payload_bytes", usage.payload_bytes},
          {"commits", commits},           {"evicted_frames", evicted}, {"merged_frames", merged},
          {"appended_bytes", bytes}};
}

nlohmann::json measure_runs(const std::string& folder, uint64_t runs) {
  const auto writer = open_writer(folder, uint64_t{4} << 30);
  const Load& tiny = find_load("tiny");
  CommitMaker pieces(tiny, device), maker(find_load("default"), device);
  pieces.set_queued_every(2);  // each frame is a run of its own
  const uint64_t before = writer->next_seq(pieces.sequence(*writer, wire::Lane::wave));
  for (uint64_t done = 0; done < runs; done += tiny.frames.size()) require(writer->commit(pieces.next(*writer)), "commit");
  std::vector<double> append_ms, ack_ms, cpu_ms;
  constexpr uint64_t turns = 40;
  for (uint64_t turn = 0; turn < turns; ++turn) {
    const double cpu = process_cpu_ms();
    Lap lap;
    require(writer->commit(maker.next(*writer)), "commit");
    append_ms.push_back(lap.take());
    cpu_ms.push_back(process_cpu_ms() - cpu);
    spool::Commit ack;
    const uint64_t seq = before + 2 * turn;
    ack.stored.push_back({pieces.sequence(*writer, wire::Lane::wave), {seq, seq}});
    require(writer->commit(ack), "ack");
    ack_ms.push_back(lap.take());
  }
  return {{"runs", runs},
          {"append_ms", median(append_ms)},
          {"append_max_ms", *std::max_element(append_ms.begin(), append_ms.end())},
          {"append_cpu_ms", median(cpu_ms)},
          {"ack_ms", median(ack_ms)},
          {"peak_rss_mib", peak_rss_mib()}};
}

}  // namespace joulespool::bench
