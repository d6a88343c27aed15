#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/app/spool_purge.h"
#include "agent/base/units.h"
#include "agent/cli/confirmation.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/spool/directory_lock.h"
#include "agent/spool/sqlite_spool.h"

namespace joulespool::cli {
namespace {

// Where the budget is not known nothing shall go for its sake.
constexpr uint64_t budget_bytes_unknown = 64ULL << 40;

struct PurgeFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<SequenceFilter> filter;
  std::string before;
  bool all = false;
  bool yes = false;

  [[nodiscard]] bool says_which() const {
    return all || !before.empty() || !filter->device.empty() || !filter->lane.empty() || !filter->epoch.empty();
  }
};

Result<std::optional<int64_t>> parse_before(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  const auto utc_ns = parse_utc(text);
  if (!utc_ns) return Error{Errc::usage, "--before: " + printable(utc_ns.error().message)};
  return std::optional(*utc_ns);
}

Result<app::PurgePlan> plan(const PurgeFlags& flags, const std::optional<int64_t>& before, spool::SpoolReader& reader) {
  const auto usage = reader.usage();
  if (!usage) return usage.error();
  const auto lanes = flags.filter->select(*usage);
  if (!lanes) return lanes.error();
  std::vector<wire::FrameSequence> sequences;
  for (const spool::LaneUsage& lane : *lanes) sequences.push_back(lane.sequence);
  return app::plan_purge(reader, sequences, before);
}

uint64_t frames_in(const app::PurgePlan& plan) {
  uint64_t frames = 0;
  for (const app::PurgePart& part : plan.parts) frames += part.frames();
  return frames;
}

uint64_t unsent_in(const app::PurgePlan& plan) {
  uint64_t frames = 0;
  for (const app::PurgePart& part : plan.parts) frames += part.unsent_frames;
  return frames;
}

void print(const app::PurgePlan& plan, std::ostream& out) {
  TextTable table({"device", "lane", "epoch", "frames", "bytes", "unsent", "from", "to"});
  for (const app::PurgePart& part : plan.parts)
    table.add({part.sequence.device, std::string(to_string(part.sequence.lane)), hex_id(part.sequence.epoch),
               std::to_string(part.frames()), format_bytes(part.bytes), std::to_string(part.unsent_frames),
               utc_text(part.utc_first_ns), utc_text(part.utc_end_ns)});
  if (!plan.parts.empty()) table.print(out);
  if (plan.frames_without_time > 0) out << plan.frames_without_time << " frames have no time, and stay\n";
}

nlohmann::json to_json(const app::PurgePlan& plan, const app::PurgeCounts& counts) {
  nlohmann::json json = {{"version", json_version},
                         {"frames", counts.frames},
                         {"bytes", counts.bytes},
                         {"unsent_frames", counts.unsent_frames},
                         {"frames_without_time", plan.frames_without_time},
                         {"sequences", nlohmann::json::array()}};
  for (const app::PurgePart& part : plan.parts)
    json["sequences"].push_back({{"device", part.sequence.device},
                                 {"lane", to_string(part.sequence.lane)},
                                 {"epoch", hex_id(part.sequence.epoch)},
                                 {"frames", part.frames()},
                                 {"bytes", part.bytes},
                                 {"unsent_frames", part.unsent_frames},
                                 {"utc_first_ns", part.utc_first_ns},
                                 {"utc_end_ns", part.utc_end_ns}});
  return json;
}

// Who it was, for the gap record: with sudo the person before it.
std::string purged_by(const Surroundings& surroundings) {
  for (const char* variable : {"SUDO_USER", "USER", "LOGNAME"}) {
    const auto found = surroundings.environment.find(variable);
    if (found != surroundings.environment.end() && !found->second.empty()) return "purged by " + printable(found->second);
  }
  return "purged by user " + std::to_string(getuid());
}

Result<app::PurgeCounts> drop(const SpoolFlags::Place& place, const std::string& host, const app::PurgePlan& plan, bool json,
                              const Surroundings& surroundings) {
  const uint64_t budget_bytes = place.budget_bytes == 0 ? budget_bytes_unknown : place.budget_bytes;
  const auto writer = spool::open_spool_writer({.directory = place.directory, .host = host, .budget_bytes = budget_bytes});
  if (!writer) return writer.error();
  for (const std::string& notice : writer.value()->take_notices()) surroundings.err << "joulespool: " << notice << '\n';
  const auto reader = spool::open_spool_reader(place.directory);
  if (!reader) return reader.error();
  Progress progress(surroundings.clock, surroundings.err, shows_progress(surroundings, json), "purge", frames_in(plan),
                    Progress::Unit::frames);
  uint64_t shown = 0;
  return app::purge_frames(*writer.value(), *reader.value(), plan, purged_by(surroundings), surroundings.clock,
                           [&](const app::PurgeCounts& counts) {
                             progress.advance(counts.frames - shown);
                             shown = counts.frames;
                           });
}

// Is it meant? The answer may come late: what is new in the spool by then stays.
Result<bool> is_meant(const PurgeFlags& flags, const app::PurgePlan& plan, const Surroundings& surroundings) {
  if (flags.yes) return true;
  print(plan, surroundings.err);
  const uint64_t unsent = unsent_in(plan);
  const std::string loss = unsent == 0 ? "" : " " + std::to_string(unsent) + " of them were never sent and will be lost.";
  return confirm(std::to_string(frames_in(plan)) + " frames will be dropped." + loss,
                 "--yes says that they are to be dropped without asking", surroundings);
}

Result<ExitCode> purge(const PurgeFlags& flags, const Surroundings& surroundings) {
  if (!flags.says_which())
    return Error{Errc::usage, "say which frames: --device, --lane, --epoch, --before, or --all for every one of them"};
  const auto before = parse_before(flags.before);
  if (!before) return before.error();
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  JOULESPOOL_TRY(spool::DirectoryLock::check_free(place->directory), "stop the agent first");
  const auto planned = plan(flags, *before, *reader.value());
  if (!planned) return planned.error();
  app::PurgeCounts counts;
  if (!planned->parts.empty()) {
    const auto meant = is_meant(flags, *planned, surroundings);
    if (!meant) return meant.error();
    if (!*meant) {
      surroundings.err << "joulespool: nothing was dropped\n";
      return exit_no;
    }
    const auto dropped = drop(*place, reader.value()->host(), *planned, flags.spool->json, surroundings);
    if (!dropped) return dropped.error();
    counts = *dropped;
  }
  if (flags.spool->json) {
    surroundings.out << to_json(*planned, counts).dump(2) << '\n';
    return exit_ok;
  }
  if (flags.yes) print(*planned, surroundings.out);
  surroundings.out << counts.frames << " frames dropped, " << format_bytes(counts.bytes) << "; gap records tell of the "
                   << counts.unsent_frames << " that were not sent\n";
  return exit_ok;
}

}  // namespace

Action add_spool_purge(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<PurgeFlags>();
  flags->spool = SpoolFlags::add(app);
  flags->filter = SequenceFilter::add(app, true);
  app.add_option("--before", flags->before, "Only frames that end at this UTC time or earlier: 2026-01-02T03:04:05Z")
      ->type_name("TIME");
  app.add_flag("--all", flags->all, "Every frame, if nothing else says which");
  app.add_flag("--yes", flags->yes, "Do not ask");
  return [flags, &surroundings] { return purge(*flags, surroundings); };
}

}  // namespace joulespool::cli
