#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/spool_summary.h"

namespace joulespool::cli {
namespace {

Result<ExitCode> stat(const SpoolFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.place(surroundings);
  if (!place) return place.error();
  const auto summary = summarise_spool(*place, surroundings.clock);
  if (!summary) return summary.error();
  if (flags.json) {
    nlohmann::json document = to_json(*summary);
    document["version"] = json_version;
    surroundings.out << document.dump(2) << '\n';
  } else {
    print(*summary, surroundings.out);
  }
  return exit_ok;
}

}  // namespace

Action add_spool_stat(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = SpoolFlags::add(app);
  return [flags, &surroundings] { return stat(*flags, surroundings); };
}

}  // namespace joulespool::cli
