#include "agent/cli/spool_summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

uint64_t sum(const spool::Usage& usage, uint64_t spool::LaneUsage::*member) {
  uint64_t total = 0;
  for (const spool::LaneUsage& lane : usage.lanes) total += lane.*member;
  return total;
}

double oldest_age_s(const spool::Usage& usage, Clock& clock) {
  int64_t oldest_ns = 0;
  for (const spool::LaneUsage& lane : usage.lanes)
    if (lane.queued_frames > 0 && (oldest_ns == 0 || lane.oldest_queued_utc_ns < oldest_ns))
      oldest_ns = lane.oldest_queued_utc_ns;
  if (oldest_ns == 0) return 0;
  return std::max(0.0, static_cast<double>(clock.realtime_ns() - oldest_ns) / static_cast<double>(ns_per_s));
}

std::string disk_text(const SpoolSummary& summary) {
  std::string text = format_bytes(summary.usage.disk_bytes) + " on disk";
  if (summary.place.budget_bytes == 0) return text;
  const double share = static_cast<double>(summary.usage.disk_bytes) / static_cast<double>(summary.place.budget_bytes);
  return text + ", " + std::to_string(static_cast<int>(share * 100 + 0.5)) + " % of the budget of " +
         format_bytes(summary.place.budget_bytes);
}

}  // namespace

uint64_t SpoolSummary::queued_frames() const { return sum(usage, &spool::LaneUsage::queued_frames); }
uint64_t SpoolSummary::queued_bytes() const { return sum(usage, &spool::LaneUsage::queued_bytes); }
uint64_t SpoolSummary::kept_frames() const { return sum(usage, &spool::LaneUsage::kept_frames); }
uint64_t SpoolSummary::kept_bytes() const { return sum(usage, &spool::LaneUsage::kept_bytes); }

Result<SpoolSummary> summarise_spool(const SpoolFlags::Place& place, spool::SpoolReader& reader, Clock& clock) {
  auto usage = reader.usage();
  if (!usage) return usage.error().in("spool " + place.directory);
  const double age_s = oldest_age_s(*usage, clock);
  return SpoolSummary{place, reader.host(), reader.epoch(), std::move(*usage), age_s};
}

Result<SpoolSummary> summarise_spool(const SpoolFlags::Place& place, Clock& clock) {
  const auto reader = SpoolFlags::open(place);
  if (!reader) return reader.error();
  return summarise_spool(place, *reader.value(), clock);
}

void print(const SpoolSummary& summary, std::ostream& out) {
  out << "spool " << summary.place.directory << " of host " << summary.host << ", epoch " << hex_id(summary.epoch) << '\n';
  out << "  " << disk_text(summary) << '\n';
  out << "  waiting: " << summary.queued_frames() << " frames, " << format_bytes(summary.queued_bytes());
  if (summary.queued_frames() > 0) out << ", the oldest for " << age_text(summary.oldest_queued_age_s);
  out << "\n  kept here: " << summary.kept_frames() << " frames, " << format_bytes(summary.kept_bytes()) << '\n';
  if (summary.usage.quarantined_frames > 0)
    out << "  set aside as damaged or rejected: " << summary.usage.quarantined_frames << " frames\n";
  if (summary.usage.lanes.empty()) return;
  out << '\n';
  TextTable table({"device", "lane", "frames", "bytes", "waiting"});
  for (const spool::LaneUsage& lane : summary.usage.lanes)
    table.add({lane.sequence.device, std::string(to_string(lane.sequence.lane)),
               std::to_string(lane.queued_frames + lane.kept_frames), format_bytes(lane.queued_bytes + lane.kept_bytes),
               std::to_string(lane.queued_frames)});
  table.print(out);
}

nlohmann::json to_json(const SpoolSummary& summary) {
  nlohmann::json json = {{"directory", summary.place.directory},
                         {"host", summary.host},
                         {"epoch", hex_id(summary.epoch)},
                         {"disk_bytes", summary.usage.disk_bytes},
                         {"payload_bytes", summary.usage.payload_bytes},
                         {"queued_frames", summary.queued_frames()},
                         {"queued_bytes", summary.queued_bytes()},
                         {"kept_frames", summary.kept_frames()},
                         {"kept_bytes", summary.kept_bytes()},
                         {"oldest_queued_age_s", summary.oldest_queued_age_s},
                         {"quarantined_frames", summary.usage.quarantined_frames}};
  json["budget_bytes"] = summary.place.budget_bytes == 0 ? nlohmann::json() : nlohmann::json(summary.place.budget_bytes);
  json["lanes"] = nlohmann::json::array();
  for (const spool::LaneUsage& lane : summary.usage.lanes)
    json["lanes"].push_back({{"device", lane.sequence.device},
                             {"epoch", hex_id(lane.sequence.epoch)},
                             {"lane", to_string(lane.sequence.lane)},
                             {"queued_frames", lane.queued_frames},
                             {"queued_bytes", lane.queued_bytes},
                             {"kept_frames", lane.kept_frames},
                             {"kept_bytes", lane.kept_bytes},
                             {"seq_first", lane.seq_first},
                             {"seq_next", lane.seq_next},
                             {"utc_first_ns", lane.utc_first_ns},
                             {"utc_end_ns", lane.utc_end_ns},
                             {"oldest_queued_utc_ns", lane.oldest_queued_utc_ns}});
  return json;
}

}  // namespace joulespool::cli
