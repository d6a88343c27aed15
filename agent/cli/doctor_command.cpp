#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/version.h"
#include "agent/cli/device_flags.h"
#include "agent/cli/driver_call.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

using app::Finding;
using app::Findings;
using app::Verdict;

app::AgentFacts look_at_agent(const std::string& spool_directory, Clock& clock) {
  app::AgentFacts facts;
  const auto status = ask_status(spool_directory, clock);
  const auto readings = status ? readings_of(*status) : Result<std::vector<DeviceReading>>(status.error());
  if (!readings) {
    facts.answers = readings.error();
    return facts;
  }
  facts.software = status->value("software", "");
  facts.spool_error = status->value("spool", nlohmann::json::object()).value("error", "");
  for (const DeviceReading& reading : *readings)
    if (!reading.is_absent()) facts.devices.push_back({reading.identity.id, reading.state, reading.detail, reading.samples_lost});
  return facts;
}

Finding judge_settings(const config::Settings& settings, const std::string& file) {
  const std::string found = file.empty() ? "no file: defaults, environment and flags" : file;
  const size_t devices = settings.devices.size();
  if (devices > 0) return {"settings", Verdict::ok, found + ", " + std::to_string(devices) + " x [[device]]", ""};
  return {"settings", Verdict::warning, found + ", no device",
          "add [[device]] with source = \"joulescope\" to the file (docs/joulescope.md), named by --config or JOULESPOOL_CONFIG"};
}

// The driver comes first: it is asked in a child process, which wants a process without threads.
Findings examine(const config::Settings& settings, const DeviceFlags& flags, const Surroundings& surroundings) {
  const bool is_needed = app::needs_driver(settings);
  Findings all = {judge_settings(settings, flags.settings_file(surroundings))};
  const auto add = [&all](Findings more) { all.insert(all.end(), more.begin(), more.end()); };
  add(app::judge(
      app::DriverFacts{is_needed, settings.driver_library, ask_driver_version(settings.driver_library, surroundings.clock)}));
  const app::UsbFacts usb = app::look_at_usb(flags.roots, is_needed);
  add(app::judge(usb));
  add(app::judge_sharing(usb.seats));
  add(app::judge(app::look_at_clock(surroundings.clock)));
  add(app::judge(app::look_at_disk(settings.spool.directory, settings.spool.budget_bytes)));
  add(app::judge(app::look_at_broker(settings, surroundings.clock)));
  add(app::judge(look_at_agent(settings.spool.directory, surroundings.clock), version()));
  return all;
}

int64_t count(const Findings& findings, Verdict verdict) {
  return std::count_if(findings.begin(), findings.end(), [&](const Finding& finding) { return finding.verdict == verdict; });
}

void print(const Findings& findings, std::ostream& out) {
  TextTable table({"verdict", "check", "found"});
  for (const Finding& finding : findings) {
    table.add({std::string(to_string(finding.verdict)), finding.check, printable(finding.found)});
    if (!finding.advice.empty()) table.add({"", "", "-> " + printable(finding.advice)});
  }
  table.print(out);
  out << "problems: " << count(findings, Verdict::problem) << ", warnings: " << count(findings, Verdict::warning) << '\n';
}

nlohmann::json to_json(const Findings& findings) {
  nlohmann::json all = nlohmann::json::array();
  for (const Finding& finding : findings)
    all.push_back({{"check", finding.check},
                   {"verdict", to_string(finding.verdict)},
                   {"found", finding.found},
                   {"advice", finding.advice}});
  return {{"version", json_version},
          {"problems", count(findings, Verdict::problem)},
          {"warnings", count(findings, Verdict::warning)},
          {"findings", all}};
}

Result<ExitCode> doctor(const DeviceFlags& flags, const Surroundings& surroundings) {
  const auto loaded = flags.load(surroundings);
  if (!loaded) return loaded.error();
  const Findings findings = examine(loaded->settings, flags, surroundings);
  if (flags.json) surroundings.out << to_json(findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else print(findings, surroundings.out);
  return count(findings, Verdict::problem) > 0 ? exit_no : exit_ok;
}

}  // namespace

Action add_doctor(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = DeviceFlags::add(app);
  return [flags, &surroundings] { return doctor(*flags, surroundings); };
}

}  // namespace joulespool::cli
