#include "agent/config/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "agent/base/config_file.h"
#include "agent/base/units.h"
#include "agent/config/option_rules.h"

namespace joulespool::config {
namespace {

constexpr std::string_view device_table = "device";

// Adds the problems of one step to those of the others, so that all are told at once.
class Problems {
 public:
  template <class T>
  void add(const Result<T>& result) {
    if (!result) add(result.error().message);
  }
  void add(const std::string& message) {
    std::istringstream lines(message);
    for (std::string line; std::getline(lines, line);)
      if (std::find(lines_.begin(), lines_.end(), line) == lines_.end()) lines_.push_back(line);
  }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] Error error() const {
    std::string text;
    for (const std::string& line : lines_) (text += text.empty() ? "" : "\n") += line;
    return {Errc::usage, text};
  }

 private:
  std::vector<std::string> lines_;  // each once: a file's syntax error is found by every step that reads it
};

Error device_error(const Options& options, const std::string& what) { return {Errc::usage, options.origin() + ": " + what}; }

// A key that only other sources know would be ignored: say so.
Status check_keys_fit(const Options& options, std::string_view source) {
  struct Owned {
    std::string_view key, owners;
  };
  constexpr std::array<Owned, 18> keys = {{{"seed", "simulated"},
                                           {"load", "simulated"},
                                           {"faults", "simulated"},
                                           {"current-file", "replay"},
                                           {"voltage-file", "replay"},
                                           {"voltage-v", "replay"},
                                           {"power-file", "replay"},
                                           {"loop", "replay"},
                                           {"devices", "joulescope"},
                                           {"current-range", "joulescope"},
                                           {"voltage-range", "joulescope"},
                                           {"power-safe", "joulescope"},
                                           {"packed", "simulated or joulescope"},
                                           {"model", "simulated or replay"},
                                           {"serial", "simulated or replay"},
                                           {"origin", "simulated or replay"},
                                           {"duration-s", "simulated or replay"},
                                           {"unpaced", "simulated or replay"}}};
  for (const auto& [key, owners] : keys)
    if (owners.find(source) == std::string_view::npos && options.at(key).origin != "default")
      return Error{Errc::usage, options.at(key).origin + ": " + std::string(key) + " is for source " + std::string(owners) +
                                    ", but source is " + std::string(source) +
                                    (key == "model" || key == "serial" ? ": say devices = [\"js220-001122\"]" : "")};
  return {};
}

Status check_replay(const Options& options) {
  if (options.text("current-file").empty()) return device_error(options, "source replay needs current-file");
  const bool has_file = !options.text("voltage-file").empty();
  const bool has_constant = options.at("voltage-v").origin != "default";
  if (has_file == has_constant) return device_error(options, "source replay needs either voltage-file or voltage-v");
  return {};
}

SourceKind to_source(const std::string& text) {
  return text == "replay" ? SourceKind::replay : text == "joulescope" ? SourceKind::joulescope : SourceKind::simulated;
}

Result<DeviceSettings> to_device(const Options& options) {
  const std::string& source = options.text("source");
  if (const Status status = check_keys_fit(options, source); !status) return status.error();
  DeviceSettings device;
  device.origin = options.origin();
  device.source = to_source(source);
  device.devices = options.list("devices");
  device.current_range = options.text("current-range");
  device.voltage_range = options.text("voltage-range");
  device.power_safe = options.boolean("power-safe");
  if (device.source != SourceKind::joulescope)
    device.identity = wire::device_identity(options.text("model"), options.text("serial"));
  if (device.source != SourceKind::joulescope &&
      (!wire::is_valid_id(device.identity.id) || device.identity.id != device.identity.model + "-" + device.identity.serial))
    return Error{Errc::usage, options.at("serial").origin + ": serial = \"" + device.identity.serial +
                                  "\": must be a-z, 0-9 and '-', at most 57"};
  if (device.source == SourceKind::replay)
    if (const Status status = check_replay(options); !status) return status.error();
  device.rate_hz = static_cast<uint32_t>(options.integer("rate-hz"));
  if (!options.text("origin").empty()) device.origin_utc_ns = *parse_utc(options.text("origin"));
  device.duration_s = options.number("duration-s");
  device.packed = options.list("packed");
  device.unpaced = options.boolean("unpaced");
  device.seed = static_cast<uint64_t>(options.integer("seed"));
  device.load = options.text("load");
  device.faults = options.text("faults");
  device.current_file = options.text("current-file");
  device.voltage_file = options.text("voltage-file");
  device.voltage_v = options.number("voltage-v");
  device.power_file = options.text("power-file");
  device.loop = options.boolean("loop");
  return device;
}

std::vector<DeviceSettings> to_devices(const std::vector<Options>& given, Problems& problems) {
  std::vector<DeviceSettings> devices;
  std::map<std::string, std::string> origins;
  for (const Options& options : given) {
    auto device = to_device(options);
    problems.add(device);
    if (!device) continue;
    const bool selects = device->source == SourceKind::joulescope;  // the first one that matches a device counts
    const auto [other, fresh] = selects ? std::pair{origins.end(), true} : origins.emplace(device->identity.id, device->origin);
    if (!fresh)
      problems.add(device->origin + ": device " + device->identity.id + " is there already (" + other->second +
                   "): set another serial");
    devices.push_back(std::move(*device));
  }
  return devices;
}

WaveMode to_wave_mode(const std::string& text) {
  return text == "upload" ? WaveMode::upload : text == "keep" ? WaveMode::keep : WaveMode::off;
}

LaneRetention to_retention(const Options& options, const std::string& lane) {
  return {static_cast<unsigned>(options.integer("spool." + lane + "-share-percent")),
          options.integer("spool." + lane + "-age-max-h")};
}

Settings to_settings(const Options& options) {
  Settings settings;
  settings.host = options.text("host");
  settings.spool.directory = options.text("spool.directory");
  settings.spool.budget_bytes = static_cast<uint64_t>(options.integer("spool.budget-bytes"));
  settings.spool.card_endurance_bytes = static_cast<uint64_t>(options.integer("spool.card-endurance-bytes"));
  settings.spool.segment_bytes = static_cast<uint64_t>(options.integer("spool.segment-bytes"));
  settings.spool.commit_window_ms = options.integer("spool.commit-window-ms");
  settings.spool.check_interval_h = options.integer("spool.check-interval-h");
  settings.spool.check_bytes_per_s = static_cast<uint64_t>(options.integer("spool.check-bytes-per-s"));
  settings.spool.stat = to_retention(options, "stat");
  settings.spool.wave = to_retention(options, "wave");
  settings.frame_size_max_bytes = static_cast<size_t>(options.integer("frame.size-max-bytes"));
  settings.stat_window_us = options.integer("stat.window-us");
  settings.wave_mode = to_wave_mode(options.text("wave.mode"));
  settings.wave_rate_hz = static_cast<uint32_t>(options.integer("wave.rate-hz"));
  settings.wave_budget_bytes_per_s = static_cast<uint64_t>(options.integer("wave.budget-bytes-per-s"));
  settings.capture_ring_ms = options.integer("capture.ring-ms");
  settings.capture_clock_tolerance_us = options.integer("capture.clock-tolerance-us");
  settings.capture_cross_check_ppm = static_cast<double>(options.integer("capture.cross-check-ppm"));
  settings.driver_library = options.text("driver.library");
  settings.mqtt.uri = options.text("mqtt.uri");
  settings.mqtt.client_id = options.text("mqtt.client-id");
  settings.mqtt.username = options.text("mqtt.username");
  settings.mqtt.password = options.text("mqtt.password");
  settings.mqtt.keep_alive_s = static_cast<int>(options.integer("mqtt.keep-alive-s"));
  settings.uplink.window_bytes = static_cast<uint64_t>(options.integer("uplink.window-bytes"));
  settings.uplink.window_frames = static_cast<size_t>(options.integer("uplink.window-frames"));
  settings.uplink.ack_timeout_ms = options.integer("uplink.ack-timeout-ms");
  settings.uplink.state_interval_ms = options.integer("uplink.state-interval-ms");
  for (const std::string& label : options.list("labels")) settings.labels.push_back(split_label(label));
  parse_log_level(options.text("log.level"), settings.log_level);
  return settings;
}

// Gap records, and what comes on top of frames, need a part of the budget, too.
Status check_shares(const Settings& settings, const Options& options) {
  constexpr unsigned shares_max_percent = 95;
  const unsigned sum = settings.spool.stat.share_percent + settings.spool.wave.share_percent;
  if (sum <= shares_max_percent) return {};
  const auto given = [&](const std::string& key) {
    return key + " = " + std::to_string(options.integer(key)) + " (" + options.at(key).origin + ")";
  };
  return Error{Errc::usage, given("spool.stat-share-percent") + " and " + given("spool.wave-share-percent") +
                                ": together they are " + std::to_string(sum) + ", but must be at most " +
                                std::to_string(shares_max_percent) + ": lane event and the files' own overhead need the rest"};
}

// A budget of few segments would be spent on what they hold beside frames.
Status check_segment_bytes(const Settings& settings, const std::string& origin) {
  constexpr uint64_t least = 256ULL * 1024, part = 16;
  const uint64_t bytes = settings.spool.segment_bytes, most = settings.spool.budget_bytes / part;
  if (bytes == 0 || (bytes >= least && bytes <= most)) return {};
  return Error{Errc::usage, origin + ": spool.segment-bytes = " + std::to_string(bytes) + ": must be 0 or " +
                                std::to_string(least) + " to " + std::to_string(most) + ", 1/" + std::to_string(part) +
                                " of spool.budget-bytes"};
}

// A budget must leave room for a frame with each commit: for header, labels and one window.
Status check_wave_budget(const Settings& settings, const std::string& origin) {
  if (settings.wave_budget_bytes_per_s == 0) return {};
  uint64_t frame_bytes = 640;
  for (const wire::Label& label : settings.labels) frame_bytes += label.key.size() + label.value.size() + 8;
  const auto commit_ms = static_cast<uint64_t>(settings.spool.commit_window_ms);
  const uint64_t least = (frame_bytes * 1000 + commit_ms - 1) / commit_ms;
  if (settings.wave_budget_bytes_per_s >= least) return {};
  return Error{Errc::usage, origin + ": wave.budget-bytes-per-s = " + std::to_string(settings.wave_budget_bytes_per_s) +
                                ": must be at least " + std::to_string(least) + " with spool.commit-window-ms = " +
                                std::to_string(commit_ms) + ", because each commit makes a frame of up to " +
                                std::to_string(frame_bytes) + " bytes at the coarsest resolution"};
}

// Defaults that depend on the machine or on other settings.
void fill_defaults(Options& options, const std::string& hostname, Problems& problems) {
  if (options.text("host").empty()) {
    std::string host = hostname;
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!wire::is_valid_id(host))
      problems.add("host: the hostname \"" + hostname +
                   "\" cannot be used (1 to 63 of a-z, 0-9 and '-'): set host in the file, "
                   "JOULESPOOL_HOST or --host");
    options.set("host", {host, "default (hostname)"});
  }
  if (options.text("mqtt.client-id").empty()) options.set("mqtt.client-id", {"joulespool-" + options.text("host"), "default"});
}

// The devices of the flags, if there are any, else those of the file.
std::vector<Options> resolve_devices(const OptionSources& sources, const std::vector<std::string>& flags, Problems& problems) {
  const auto from_file = resolve_table_array(device_options(), device_table, sources);
  problems.add(from_file);
  if (flags.empty()) return from_file ? *from_file : std::vector<Options>();
  std::vector<Options> devices;
  for (const std::string& text : flags) {
    const auto device = resolve_inline(device_options(), text, "flag --device");
    problems.add(device);
    if (device) devices.push_back(*device);
  }
  return devices;
}

}  // namespace

std::string SettingsSources::system_hostname() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

Result<LoadedSettings> load_settings(const SettingsSources& given) {
  OptionSources sources;
  sources.file_name = given.file;
  if (!given.file.empty()) {
    auto text = read_config_file(given.file);
    if (!text) return text.error();
    sources.file_text = std::move(*text);
  }
  sources.environment = given.environment;
  sources.environment_ignored = {"JOULESPOOL_BRIDGE_*", "JOULESPOOL_JLS_LIBRARY", std::string(config_file_variable)};
  sources.tables_ignored = {std::string(device_table)};
  std::vector<std::string> device_flags;
  for (const auto& flag : given.flags) {
    if (flag.first == device_table) device_flags.push_back(flag.second);
    else sources.flags.push_back(flag);
  }

  Problems problems;
  const auto options = resolve_options(agent_options(), sources);
  problems.add(options);
  LoadedSettings loaded;
  loaded.devices = resolve_devices(sources, device_flags, problems);
  std::vector<DeviceSettings> devices = to_devices(loaded.devices, problems);
  if (options) {
    loaded.options = *options;
    fill_defaults(loaded.options, given.hostname, problems);
    loaded.settings = to_settings(loaded.options);
    if (const Status status = check_wave_budget(loaded.settings, loaded.options.at("wave.budget-bytes-per-s").origin); !status)
      problems.add(status.error().message);
    problems.add(check_segment_bytes(loaded.settings, loaded.options.at("spool.segment-bytes").origin));
    problems.add(check_shares(loaded.settings, loaded.options));
    loaded.settings.devices = std::move(devices);
  }
  if (!problems.empty()) return problems.error();
  return loaded;
}

}  // namespace joulespool::config
