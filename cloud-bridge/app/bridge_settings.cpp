#include "cloud-bridge/app/bridge_settings.h"

#include <algorithm>
#include <charconv>

#include "agent/base/config_file.h"
#include "agent/base/option_rows.h"

namespace joulespool::bridge {
namespace {

constexpr double kibi = 1024;
constexpr double mebi = kibi * kibi;
constexpr double gibi = kibi * mebi;

using rows::boolean, rows::choice, rows::integer, rows::list, rows::secret, rows::text;

Status check_id(const OptionValue& value) {
  if (wire::is_valid_id(std::get<std::string>(value))) return {};
  return Error{Errc::usage, "must be 1 to 63 of a-z, 0-9 and '-', not beginning with '-'"};
}

Status check_parts(const OptionValue& value) {
  const auto& all = std::get<std::vector<std::string>>(value);
  if (all.empty()) return Error{Errc::usage, "must name at least one part, as 0-63"};
  for (const std::string& one : all)
    if (const auto parsed = parse_parts(one); !parsed) return parsed.error();
  return {};
}

Status check_stream(const OptionValue& value) {
  const auto& name = std::get<std::string>(value);
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  if (name.size() <= 128 && std::all_of(name.begin(), name.end(), allowed)) return {};
  return Error{Errc::usage, "must be 1 to 128 of a-z, A-Z, 0-9, '_', '.' and '-'"};
}

OptionTable make_table() {
  return {
      text("mqtt.uri", "tcp://127.0.0.1:1883", "The broker: tcp://host:port.", rows::check_tcp_uri),
      text("mqtt.client-id", "", "Name at the broker. Empty: joulespool-<bridge.id>."),
      text("mqtt.username", "", "User at the broker. Empty: none."),
      secret(text("mqtt.password", "", "Password at the broker; rather in the environment than in a file others can read.")),
      integer("mqtt.keep-alive-s", "s", 20, 5, 3600,
              "Longest silence on the connection; a dead one is noticed after 1.5 times that."),
      text("bridge.id", "bridge-1", "Name of this bridge in its state topic. Two bridges at one broker need two names.",
           check_id),
      list("bridge.parts", {"0-63"},
           "Which parts of the hosts this bridge serves, each as 0-31 or 5. Several bridges at one broker need disjoint parts.",
           check_parts),
      integer("bridge.memory-max-bytes", "bytes", 128 * 1024 * 1024, 8 * mebi, 256 * gibi,
              "Bytes of frames that are held until Kinesis has stored them. Beyond it frames are refused, and agents keep them."),
      integer("bridge.workers", "", 3, 1, 64, "Requests to Kinesis at a time. One device is never in two of them."),
      text("kinesis.region", "", "AWS region. Empty: AWS_REGION, AWS_DEFAULT_REGION or the profile's."),
      text("kinesis.endpoint", "", "URL of the Kinesis API. Empty: that of the region."),
      text("kinesis.stream", "", "The stream. Must be set.", check_stream),
      boolean("kinesis.create-stream", false, "Create the stream if it does not exist; for local use."),
      integer("kinesis.shards", "", 1, 1, 10'000, "Shards of a stream that is created. One takes 1 MB/s."),
      integer("kinesis.timeout-ms", "ms", 10'000, 100, 300'000, "Longest time for one request to Kinesis."),
      text("dead-letter.directory", "/var/lib/joulespool-bridge/dead-letters",
           "Where messages are kept that are no frames. Empty: they are only counted."),
      integer("dead-letter.max-bytes", "bytes", 256 * 1024 * 1024, 0, 64 * gibi, "Bytes of dead letters; the oldest go first."),
      integer("dead-letter.max-files", "", 10'000, 0, 1e6, "Number of dead letters; the oldest go first."),
      choice("log.level", "info", {"debug", "info", "warning", "error"}, "Least important log lines on stderr."),
  };
}

BridgeSettings to_settings(const Options& options) {
  BridgeSettings settings;
  settings.id = options.text("bridge.id");
  settings.bus.uri = options.text("mqtt.uri");
  settings.bus.client_id = options.text("mqtt.client-id");
  if (settings.bus.client_id.empty()) settings.bus.client_id = "joulespool-" + settings.id;
  settings.bus.username = options.text("mqtt.username");
  settings.bus.password = options.text("mqtt.password");
  settings.bus.keep_alive_s = static_cast<int>(options.integer("mqtt.keep-alive-s"));
  for (const std::string& range : options.list("bridge.parts")) {
    const auto [first, last] = *parse_parts(range);
    for (unsigned part = first; part <= last; ++part) settings.parts.set(part);
  }
  settings.memory_max_bytes = static_cast<size_t>(options.integer("bridge.memory-max-bytes"));
  settings.workers = static_cast<size_t>(options.integer("bridge.workers"));
  settings.kinesis.region = options.text("kinesis.region");
  settings.kinesis.endpoint = options.text("kinesis.endpoint");
  settings.kinesis.stream = options.text("kinesis.stream");
  settings.kinesis.request_timeout_ms = static_cast<int>(options.integer("kinesis.timeout-ms"));
  settings.kinesis.connect_timeout_ms = std::min(settings.kinesis.connect_timeout_ms, settings.kinesis.request_timeout_ms);
  settings.create_stream = options.boolean("kinesis.create-stream");
  settings.shards = static_cast<int>(options.integer("kinesis.shards"));
  settings.dead_letter_folder = options.text("dead-letter.directory");
  settings.dead_letters.bytes = static_cast<uint64_t>(options.integer("dead-letter.max-bytes"));
  settings.dead_letters.files = static_cast<size_t>(options.integer("dead-letter.max-files"));
  parse_log_level(options.text("log.level"), settings.log_level);
  return settings;
}

}  // namespace

const OptionTable& bridge_options() {
  static const OptionTable table = make_table();
  return table;
}

Result<std::pair<unsigned, unsigned>> parse_parts(const std::string& text) {
  unsigned first = 0;
  unsigned last = 0;
  const char* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, first);
  last = first;
  if (error == std::errc() && at != end && *at == '-') {
    const auto second = std::from_chars(at + 1, end, last);
    at = second.ptr;
    error = second.ec;
  }
  if (error == std::errc() && at == end && first <= last && last < wire::part_count) return std::pair{first, last};
  return Error{Errc::usage, "must be parts of 0 to 63, as 0-31 or 5"};
}

Result<BridgeSettings> load_bridge_settings(const BridgeSettingsSources& given) {
  OptionSources sources;
  sources.file_name = find_config_file(given.config_file, given.environment, config_file_variable, config_file_default);
  if (!sources.file_name.empty()) {
    auto file = read_config_file(sources.file_name);
    if (!file) return file.error();
    sources.file_text = std::move(*file);
  }
  sources.environment = given.environment;
  sources.environment_prefix = environment_prefix;
  sources.environment_ignored = {std::string(config_file_variable)};
  sources.flags = given.flags;
  const auto options = resolve_options(bridge_options(), sources);
  if (!options) return options.error();
  if (options->text("kinesis.stream").empty())
    return Error{Errc::usage, "kinesis.stream is not set: name the stream with --kinesis.stream, " +
                                  environment_name(environment_prefix, "kinesis.stream") + " or in the file of --config"};
  return to_settings(*options);
}

}  // namespace joulespool::bridge
