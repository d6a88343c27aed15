#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/spool/directory_lock.h"
#include "agent/spool/salvage.h"

namespace joulespool::cli {
namespace {

struct RepairFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::string into;
};

nlohmann::json to_json(const spool::LostFrames& lost) {
  return {{"seq_first", lost.seqs.first},
          {"seq_last", lost.seqs.last},
          {"sample_id_first", lost.sample_id_first},
          {"sample_id_end", lost.sample_id_end},
          {"utc_first_ns", lost.utc_first_ns},
          {"utc_end_ns", lost.utc_end_ns},
          {"where", lost.where}};
}

nlohmann::json to_json(const spool::SalvageReport& report) {
  nlohmann::json json = {{"version", json_version},
                         {"host", report.host},
                         {"epoch", hex_id(report.epoch)},
                         {"exact", report.is_exact},
                         {"frames", report.frames},
                         {"bytes", report.bytes},
                         {"frames_lost", report.frames_lost},
                         {"gap_records", report.gap_records},
                         {"quarantined_files", report.quarantined_files},
                         {"notices", report.notices},
                         {"sequences", nlohmann::json::array()}};
  for (const spool::SalvagedSequence& of : report.sequences) {
    json["sequences"].push_back({{"device", of.sequence.device},
                                 {"lane", to_string(of.sequence.lane)},
                                 {"epoch", hex_id(of.sequence.epoch)},
                                 {"frames", of.frames},
                                 {"bytes", of.bytes},
                                 {"frames_lost", of.frames_lost},
                                 {"bytes_lost", of.bytes_lost},
                                 {"lost", nlohmann::json::array()}});
    for (const spool::LostFrames& lost : of.lost) json["sequences"].back()["lost"].push_back(to_json(lost));
  }
  return json;
}

void print_lost(const spool::SalvagedSequence& of, std::ostream& out) {
  for (const spool::LostFrames& lost : of.lost) {
    out << of.sequence.device << ' ' << to_string(of.sequence.lane) << " epoch " << hex_id(of.sequence.epoch) << " seq "
        << lost.seqs.first << ".." << lost.seqs.last << ": LOST";
    if (lost.utc_first_ns != 0) out << ", " << utc_text(lost.utc_first_ns) << " to " << utc_text(lost.utc_end_ns);
    out << ", samples " << lost.sample_id_first << ".." << lost.sample_id_end << " (" << printable(lost.where) << ")\n";
  }
}

void print(const spool::SalvageReport& report, const std::string& into, std::ostream& out) {
  for (const std::string& notice : report.notices) out << printable(notice) << '\n';
  TextTable table({"device", "lane", "epoch", "frames", "bytes", "lost"});
  for (const spool::SalvagedSequence& of : report.sequences)
    table.add({of.sequence.device, std::string(to_string(of.sequence.lane)), hex_id(of.sequence.epoch), std::to_string(of.frames),
               format_bytes(of.bytes), std::to_string(of.frames_lost)});
  table.print(out);
  for (const spool::SalvagedSequence& of : report.sequences) print_lost(of, out);
  out << into << " is the spool of host " << report.host << " now: " << report.frames << " frames, "
      << format_bytes(report.bytes);
  if (report.quarantined_files > 0) out << ", and " << report.quarantined_files << " that had been set aside";
  out << '\n';
  if (report.frames_lost == 0) out << "nothing was lost";
  else out << report.frames_lost << " FRAMES WERE LOST; " << report.gap_records << " gap records in the new spool say so";
  out << '\n';
  if (!report.is_exact)
    out << "what the spool held at its end cannot be read: frames may be missing that nothing names, and some that count as lost "
           "may have been delivered\n";
}

Result<ExitCode> repair(const RepairFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  JOULESPOOL_TRY(spool::DirectoryLock::check_free(place->directory), "stop the agent first");
  Progress progress(surroundings.clock, surroundings.err, shows_progress(surroundings, flags.spool->json), "repair", 0,
                    Progress::Unit::bytes);
  uint64_t shown = 0;
  spool::SalvageOptions options;
  options.now_utc_ns = surroundings.clock.realtime_ns();
  options.progress = [&](const spool::SalvageProgress& now) {
    progress.advance(now.bytes_done - shown);
    shown = now.bytes_done;
  };
  const auto report = spool::salvage_spool(place->directory, flags.into, options);
  progress.clear();
  if (!report) {
    if (report.error().code == Errc::not_found) return Error{Errc::unreachable, report.error().message};
    return report.error();
  }
  if (flags.spool->json)
    surroundings.out << to_json(*report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else print(*report, flags.into, surroundings.out);
  return report->frames_lost == 0 && report->is_exact ? exit_ok : exit_no;
}

}  // namespace

Action add_spool_repair(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<RepairFlags>();
  flags->spool = SpoolFlags::add(app);
  app.add_option("--into", flags->into, "Directory of the new spool; it is made, or must be empty")->type_name("DIR")->required();
  return [flags, &surroundings] { return repair(*flags, surroundings); };
}

}  // namespace joulespool::cli
