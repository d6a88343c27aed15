#include "agent/cli/frame_walk.h"

#include <CLI/CLI.hpp>

#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

// Enough to read from disk in one go, little enough to hold in memory.
constexpr size_t batch_frames_max = 256;
constexpr size_t batch_bytes_max = 8 * 1024 * 1024;
constexpr size_t batch_infos_max = 4096;

}  // namespace

std::shared_ptr<SequenceFilter> SequenceFilter::add(CLI::App& app, bool with_lane) {
  auto filter = std::make_shared<SequenceFilter>();
  app.add_option("--device", filter->device, "Only this device, js220-001122")->type_name("ID");
  if (with_lane) app.add_option("--lane", filter->lane, "Only this lane: event, stat or wave")->type_name("LANE");
  app.add_option("--epoch", filter->epoch, "Only this epoch, 16 hexadecimal digits")->type_name("ID");
  return filter;
}

Result<std::vector<spool::LaneUsage>> SequenceFilter::select(const spool::Usage& usage) const {
  const auto wanted_lane = wire::parse_lane(lane);
  if (!lane.empty() && !wanted_lane) return Error{Errc::usage, "--lane " + printable(lane) + ": must be event, stat or wave"};
  uint64_t wanted_epoch = 0;
  if (!epoch.empty() && !parse_hex_id(epoch, wanted_epoch))
    return Error{Errc::usage, "--epoch " + printable(epoch) + ": must be hexadecimal digits, as spool list shows them"};
  std::vector<spool::LaneUsage> selected;
  for (const spool::LaneUsage& usage_of_lane : usage.lanes) {
    const wire::FrameSequence& sequence = usage_of_lane.sequence;
    if (!device.empty() && sequence.device != device) continue;
    if (wanted_lane && sequence.lane != *wanted_lane) continue;
    if (!epoch.empty() && sequence.epoch != wanted_epoch) continue;
    selected.push_back(usage_of_lane);
  }
  const bool filtered = !device.empty() || !lane.empty() || !epoch.empty();
  if (selected.empty() && filtered) return Error{Errc::not_found, "the spool holds nothing of that device, lane or epoch"};
  return selected;
}

Status walk_frames(spool::SpoolReader& reader, const wire::FrameSequence& sequence, uint64_t after_seq,
                   const FrameVisitor& visit) {
  while (true) {
    const auto batch = reader.read(sequence, after_seq, std::nullopt, batch_frames_max, batch_bytes_max);
    if (!batch) return batch.error();
    if (batch->empty()) return {};
    for (const spool::StoredFrame& frame : *batch) {
      const auto go_on = visit(frame);
      if (!go_on) return go_on.error();
      if (!*go_on) return {};
    }
    after_seq = batch->back().info.id.seq;
  }
}

Status walk_infos(spool::SpoolReader& reader, const wire::FrameSequence& sequence,
                  const std::function<void(const spool::FrameInfo&)>& visit) {
  for (uint64_t after_seq = 0;;) {
    const auto batch = reader.list(sequence, after_seq, batch_infos_max);
    if (!batch) return batch.error();
    if (batch->empty()) return {};
    for (const spool::FrameInfo& frame : *batch) visit(frame);
    after_seq = batch->back().id.seq;
  }
}

}  // namespace joulespool::cli
