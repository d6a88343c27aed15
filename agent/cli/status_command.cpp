#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/control_client.h"
#include "agent/cli/spool_summary.h"
#include "agent/cli/status_text.h"

namespace joulespool::cli {
namespace {

struct StatusFlags {
  std::shared_ptr<SpoolFlags> spool;
  int64_t timeout_ms = 5000;
};

// Nobody answers: say why, and what waits in the spool if there is one.
ExitCode tell_not_running(const SpoolFlags& flags, const SpoolFlags::Place& place, const Error& why,
                          const Surroundings& surroundings) {
  const auto summary = summarise_spool(place, surroundings.clock);
  if (flags.json) {
    nlohmann::json document = {{"version", json_version}, {"running", false}, {"reason", why.message}};
    if (summary) document["spool"] = to_json(*summary);
    else document["spool_error"] = summary.error().message;
    surroundings.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  }
  surroundings.err << "joulespool: no agent answers: " << why.message << "\n"
                   << "joulespool: start one with 'joulespool run', or name its spool with --spool or --config\n";
  if (!summary) surroundings.err << "joulespool: " << summary.error().message << '\n';
  else if (!flags.json) print(*summary, surroundings.out);
  return exit_unreachable;
}

Result<ExitCode> status(const StatusFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto answer = ask_agent(place->directory, "status", flags.timeout_ms, surroundings.clock);
  if (!answer && answer.error().code == Errc::unreachable)
    return tell_not_running(*flags.spool, *place, answer.error(), surroundings);
  if (!answer) return answer.error();
  const auto document = nlohmann::json::parse(*answer, nullptr, false);
  if (flags.spool->json && document.is_object()) {
    surroundings.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return exit_ok;
  }
  const auto text = status_text(document);
  if (!text) return text.error();
  surroundings.out << *text;
  return exit_ok;
}

}  // namespace

Action add_status(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<StatusFlags>();
  flags->spool = SpoolFlags::add(app);
  app.add_option("--timeout-ms", flags->timeout_ms, "How long to wait for the agent's answer (default 5000)")
      ->type_name("ms")
      ->check(CLI::Range(1, 600000));
  return [flags, &surroundings] { return status(*flags, surroundings); };
}

}  // namespace joulespool::cli
