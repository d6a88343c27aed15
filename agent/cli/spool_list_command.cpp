#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/spool_summary.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

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

Result<ExitCode> list(const SpoolFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  const auto summary = summarise_spool(*place, *reader.value(), surroundings.clock);
  if (!summary) return summary.error();
  const auto positions = reader.value()->positions();
  if (!positions) return positions.error();
  if (flags.json) {
    nlohmann::json document = to_json(*summary);
    document["version"] = json_version;
    document["devices"] = nlohmann::json::array();
    for (const spool::DevicePosition& position : *positions) document["devices"].push_back(to_json(position));
    surroundings.out << document.dump(2) << '\n';
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
  const auto flags = SpoolFlags::add(app);
  return [flags, &surroundings] { return list(*flags, surroundings); };
}

}  // namespace joulespool::cli
