#include "cloud-bridge/cli/stream_flags.h"

#include <CLI/CLI.hpp>

#include "agent/base/units.h"
#include "cloud-bridge/sink/kinesis_source.h"

namespace joulespool::bridge_cli {
namespace {

void add_time(CLI::App& app, const std::string& name, std::optional<int64_t>& utc_ns, const std::string& doc) {
  app.add_option_function<std::string>(
         name,
         [name, &utc_ns](const std::string& text) {
           const auto parsed = parse_utc(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
           utc_ns = *parsed;
         },
         doc)
      ->type_name("UTC");
}

}  // namespace

void add_time_range(CLI::App& app, std::optional<int64_t>& from_ns, std::optional<int64_t>& to_ns) {
  add_time(app, "--from", from_ns, "From this time on: 2026-01-02T03:04:05.678Z or @<seconds since 1970>");
  add_time(app, "--to", to_ns, "Up to, but not with this time");
}

void add_labels(CLI::App& app, std::vector<wire::Label>& labels) {
  app.add_option_function<std::vector<std::string>>(
         "--label",
         [&labels](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const size_t equals = text.find('=');
             if (equals == 0 || equals == std::string::npos)
               throw CLI::ValidationError("--label", "'" + text + "' is not key=value");
             labels.push_back({text.substr(0, equals), text.substr(equals + 1)});
           }
         },
         "Only what was measured under this label; several: under all of them")
      ->type_name("KEY=VALUE");
}

Result<std::unique_ptr<sink::RecordSource>> open_stream(const SettingsFlags& flags, const Surroundings& surroundings) {
  const auto settings = flags.load(surroundings);
  if (!settings) return settings.error();
  return sink::make_kinesis_source(settings->kinesis, surroundings.clock);
}

}  // namespace joulespool::bridge_cli
