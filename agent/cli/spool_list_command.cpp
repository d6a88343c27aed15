#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/spool_summary.h"
#include "agent/cli/text_output.h"
#include "agent/cli/time_flags.h"

namespace joulespool::cli {
namespace {

struct ListFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<TimeFlags> time;
};

nlohmann::json to_json(const spool::DevicePosition& position) {
  return {{"id", position.device.id},
          {"model", position.device.model},
          {"serial", position.device.serial},
          {"axis", hex_id(position.axis.life)},
          {"sample_rate_hz", position.axis.sample_rate_hz()},
          {"sample_id_end", position.sample_id_end},
          {"samples", position.totals.samples},
          {"samples_lost", position.totals.samples_lost},
          {"charge_units", to_decimal(position.totals.i_sum)},
          {"energy_units", to_decimal(position.totals.p_sum)}};
}

void print_devices(const std::vector<spool::DevicePosition>& positions, std::ostream& out) {
  TextTable table({"device", "rate", "samples", "lost", "charge", "energy", "stored until"});
  for (const spool::DevicePosition& position : positions) {
    const double rate_hz = position.axis.sample_rate_hz();
    const bool has_utc = position.utc.quality != wire::UtcQuality::unknown;
    table.add({position.device.id, format_si(rate_hz, "S/s"), std::to_string(position.totals.samples),
               std::to_string(position.totals.samples_lost), format_si(integral(position.totals.i_sum, rate_hz), "C"),
               format_si(integral(position.totals.p_sum, rate_hz), "J"),
               has_utc ? utc_text(position.utc.utc_ns_at(position.sample_id_end))
                       : "sample " + std::to_string(position.sample_id_end)});
  }
  table.print(out);
}

void print_lanes(const spool::Usage& usage, std::ostream& out) {
  TextTable table({"device", "lane", "epoch", "seq", "frames", "bytes", "waiting", "from", "to"});
  for (const spool::LaneUsage& lane : usage.lanes) {
    const bool empty = lane.seq_first == 0;
    table.add({lane.sequence.device, std::string(to_string(lane.sequence.lane)), hex_id(lane.sequence.epoch),
               empty ? "next " + std::to_string(lane.seq_next)
                     : std::to_string(lane.seq_first) + ".." + std::to_string(lane.seq_next - 1),
               std::to_string(lane.queued_frames + lane.kept_frames), format_bytes(lane.queued_bytes + lane.kept_bytes),
               std::to_string(lane.queued_frames), utc_text(lane.utc_first_ns), utc_text(lane.utc_end_ns)});
  }
  table.print(out);
}

void add(spool::LaneUsage& lane, const spool::FrameInfo& frame) {
  const bool is_queued = frame.state == spool::FrameState::queued;
  ++(is_queued ? lane.queued_frames : lane.kept_frames);
  (is_queued ? lane.queued_bytes : lane.kept_bytes) += frame.size_bytes;
  if (lane.seq_first == 0) lane.seq_first = frame.id.seq;
  lane.seq_next = frame.id.seq + 1;
  lane.utc_first_ns = lane.utc_first_ns == 0 ? frame.utc_first_ns : std::min(lane.utc_first_ns, frame.utc_first_ns);
  lane.utc_end_ns = std::max(lane.utc_end_ns, frame.utc_end_ns);
  if (is_queued && (lane.oldest_queued_utc_ns == 0 || frame.utc_first_ns < lane.oldest_queued_utc_ns))
    lane.oldest_queued_utc_ns = frame.utc_first_ns;
}

// Lanes with their frames of the range only; those without any are left out.
Result<std::vector<spool::LaneUsage>> lanes_in(const TimeRange& range, spool::SpoolReader& reader,
                                               const std::vector<spool::LaneUsage>& lanes) {
  std::vector<spool::LaneUsage> narrowed;
  for (const spool::LaneUsage& lane : lanes) {
    spool::LaneUsage of_range;
    of_range.sequence = lane.sequence;
    JOULESPOOL_TRY(walk_infos(reader, lane.sequence,
                              [&](const spool::FrameInfo& frame) {
                                if (range.may_overlap(frame)) add(of_range, frame);
                              }),
                   "list frames");
    if (of_range.seq_first != 0) narrowed.push_back(std::move(of_range));
  }
  return narrowed;
}

nlohmann::json to_json(const SpoolSummary& summary, const std::vector<spool::DevicePosition>& positions) {
  nlohmann::json document = to_json(summary);
  document["version"] = json_version;
  document["devices"] = nlohmann::json::array();
  for (const spool::DevicePosition& position : positions) document["devices"].push_back(to_json(position));
  return document;
}

Result<ExitCode> list(const ListFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  auto summary = summarise_spool(*place, *reader.value(), surroundings.clock);
  if (!summary) return summary.error();
  const auto range = flags.time->resolve(data_end_utc_ns(summary->usage.lanes));
  if (!range) return range.error();
  if (range->from || range->to) {
    auto lanes = lanes_in(*range, *reader.value(), summary->usage.lanes);
    if (!lanes) return lanes.error();
    summary->usage.lanes = std::move(*lanes);
  }
  const auto positions = reader.value()->positions();
  if (!positions) return positions.error();
  if (flags.spool->json) {
    surroundings.out << to_json(*summary, *positions).dump(2) << '\n';
    return exit_ok;
  }
  surroundings.out << "spool " << place->directory << " of host " << summary->host << ", epoch " << hex_id(summary->epoch)
                   << "\n\n";
  print_devices(*positions, surroundings.out);
  surroundings.out << '\n';
  print_lanes(summary->usage, surroundings.out);
  return exit_ok;
}

}  // namespace

Action add_spool_list(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<ListFlags>();
  flags->spool = SpoolFlags::add(app);
  flags->time = TimeFlags::add(app);
  return [flags, &surroundings] { return list(*flags, surroundings); };
}

}  // namespace joulespool::cli
