#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/app/spool_forecast.h"
#include "agent/base/units.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/spool_summary.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

struct LevelUse {
  uint64_t frames = 0, bytes = 0;
};
using LevelUses = std::array<LevelUse, spool::level_max + 1>;

// Everything that `spool stat` says beside the summary.
struct Details {
  std::optional<app::FrameRate> rate;
  std::optional<double> outage_left_s;
  std::optional<app::CardForecast> card;
  std::optional<app::CardLife> card_says;
  uint64_t damaged_folders = 0;
  LevelUses levels;  // of the waiting frames of lane stat
};

uint64_t damaged_folders(const std::string& directory) {
  uint64_t count = 0;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed))
    if (entry.path().filename().string().starts_with("damaged-")) ++count;
  return count;
}

Result<LevelUses> level_uses(spool::SpoolReader& reader, const spool::Usage& usage) {
  LevelUses levels{};
  for (const spool::LaneUsage& lane : usage.lanes) {
    if (lane.sequence.lane != wire::Lane::stat || lane.queued_frames == 0) continue;
    JOULESPOOL_TRY(walk_infos(reader, lane.sequence,
                              [&](const spool::FrameInfo& frame) {
                                LevelUse& level = levels[std::min(frame.level, spool::level_max)];
                                ++level.frames;
                                level.bytes += frame.size_bytes;
                              }),
                   "list frames");
  }
  return levels;
}

Result<Details> details_of(const SpoolSummary& summary, spool::SpoolReader& reader) {
  const auto positions = reader.positions();
  if (!positions) return positions.error();
  const int64_t until_ns = app::newest_utc_ns(summary.usage, *positions);
  auto rate = app::frame_rate(reader, summary.usage, until_ns);
  if (!rate) return rate.error();
  auto levels = level_uses(reader, summary.usage);
  if (!levels) return levels.error();
  Details details;
  details.rate = *rate;
  details.outage_left_s = app::outage_left_s(summary.usage, summary.place.budget_bytes, *rate);
  details.card = app::card_forecast(summary.usage.wear, summary.place.card_endurance_bytes, until_ns);
  details.card_says = app::read_card_life(summary.place.directory);
  details.damaged_folders = damaged_folders(summary.place.directory);
  details.levels = *levels;
  return details;
}

std::string rate_text(const app::FrameRate& rate) {
  return format_si(rate.bytes_per_s, "B/s") + (rate.is_of_all_time ? " (mean of all the time, " : " (mean of the last ") +
         age_text(rate.over_s) + ")";
}

std::string years_text(double seconds) {
  const double days = seconds / 86400;
  if (days < 730) return std::to_string(static_cast<uint64_t>(days)) + " days";
  return std::to_string(static_cast<uint64_t>(days / 365.25)) + " years";
}

std::string outage_text(const SpoolSummary& summary, const Details& details) {
  if (!details.rate) return "outage: too few frames yet to tell how fast they come";
  const std::string rate = "frames come at " + rate_text(*details.rate);
  if (!details.outage_left_s)
    return rate + "; how long an outage may last depends on the budget, which is not known here (--config)";
  if (summary.usage.disk_bytes >= summary.place.budget_bytes)
    return rate + "; the budget is used up: windows get longer, and the oldest frames make room";
  return rate + "; without a broker the budget is full in " + age_text(*details.outage_left_s) +
         "; then windows get longer, and the oldest frames make room";
}

void print_card(const SpoolSummary& summary, const Details& details, std::ostream& out) {
  const spool::Wear& wear = summary.usage.wear;
  if (details.card) {
    std::array<char, 32> amplification{};
    std::snprintf(amplification.data(), amplification.size(), "%.2f", details.card->write_amplification);
    out << "  written since " << utc_text(wear.since_utc_ns) << ": " << format_bytes(wear.written_bytes) << " for "
        << format_bytes(wear.appended_bytes) << " of frames, " << amplification.data() << " times as much\n";
    out << "  card: ";
    if (!details.card->endurance_left_bytes) out << "its endurance is not known (spool.card-endurance-bytes)";
    else out << format_bytes(*details.card->endurance_left_bytes) << " may still be written";
    if (details.card->life_left_s)
      out << ", enough for " << years_text(*details.card->life_left_s) << " at "
          << format_si(details.card->written_bytes_per_s, "B/s");
    out << '\n';
  }
  if (details.card_says)
    out << "  " << details.card_says->device << " says of itself: memory A " << app::card_life_text(details.card_says->used[0])
        << ", memory B " << app::card_life_text(details.card_says->used[1]) << '\n';
}

void print(const SpoolSummary& summary, const Details& details, std::ostream& out) {
  print(summary, out);
  out << "\n  " << outage_text(summary, details) << '\n';
  print_card(summary, details, out);
  out << "  damage: " << summary.usage.quarantined_frames << " frames set aside, " << details.damaged_folders
      << " damaged-* folders; spool verify reads everything\n";
  for (size_t level = 1; level < details.levels.size(); ++level) {
    const LevelUse& use = details.levels[level];
    if (use.frames == 0) continue;
    uint64_t factor = 1;
    for (size_t step = 0; step < level; ++step) factor *= spool::level_factor;
    out << "  windows " << factor << " times as long: " << use.frames << " frames, " << format_bytes(use.bytes) << '\n';
  }
}

template <class T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json card_json(const SpoolSummary& summary, const Details& details) {
  const spool::Wear& wear = summary.usage.wear;
  nlohmann::json json = {{"appended_bytes", wear.appended_bytes},
                         {"written_bytes", wear.written_bytes},
                         {"since_utc_ns", wear.since_utc_ns},
                         {"write_amplification", nullptr},
                         {"endurance_left_bytes", nullptr},
                         {"life_left_s", nullptr},
                         {"life_used", nullptr}};
  if (details.card) {
    json["write_amplification"] = details.card->write_amplification;
    json["written_bytes_per_s"] = details.card->written_bytes_per_s;
    json["endurance_left_bytes"] = or_null(details.card->endurance_left_bytes);
    json["life_left_s"] = or_null(details.card->life_left_s);
  }
  if (details.card_says)
    json["life_used"] = {
        {"device", details.card_says->device}, {"a", details.card_says->used[0]}, {"b", details.card_says->used[1]}};
  return json;
}

nlohmann::json to_json(const SpoolSummary& summary, const Details& details) {
  nlohmann::json json = to_json(summary);
  json["version"] = json_version;
  json["rate"] = nullptr;
  if (details.rate)
    json["rate"] = {{"bytes_per_s", details.rate->bytes_per_s},
                    {"over_s", details.rate->over_s},
                    {"of_all_time", details.rate->is_of_all_time}};
  json["outage_left_s"] = or_null(details.outage_left_s);
  json["card"] = card_json(summary, details);
  json["damaged_folders"] = details.damaged_folders;
  json["stat_levels"] = nlohmann::json::array();
  for (const LevelUse& use : details.levels) json["stat_levels"].push_back({{"frames", use.frames}, {"bytes", use.bytes}});
  return json;
}

Result<ExitCode> stat(const SpoolFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  const auto summary = summarise_spool(*place, *reader.value(), surroundings.clock);
  if (!summary) return summary.error();
  const auto details = details_of(*summary, *reader.value());
  if (!details) return details.error();
  if (flags.json) surroundings.out << to_json(*summary, *details).dump(2) << '\n';
  else print(*summary, *details, surroundings.out);
  return exit_ok;
}

}  // namespace

Action add_spool_stat(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = SpoolFlags::add(app);
  return [flags, &surroundings] { return stat(*flags, surroundings); };
}

}  // namespace joulespool::cli
