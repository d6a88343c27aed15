// What the agent can be told: ONE table of settings and one for each device; everything else (file, environment, flags, help,
// reference) follows from them.
#pragma once

#include <optional>

#include "agent/base/log.h"
#include "agent/base/option_table.h"
#include "agent/wire/types.h"

namespace joulespool::config {

enum class WaveMode { off, keep, upload };
enum class SourceKind { simulated, replay, joulescope };

// How much of the spool's budget a lane may take while others need it, and how long its frames stay.
struct LaneRetention {
  unsigned share_percent = 0;
  int64_t age_max_h = 0;  // 0: no limit
};

// One device, as given by [[device]] or --device; with source joulescope, all instruments that `devices` selects.
struct DeviceSettings {
  std::string origin;  // where it was given, for messages: "joulespool.toml:14"
  SourceKind source = SourceKind::simulated;
  wire::DeviceIdentity identity;         // id = model-serial; empty for joulescope
  uint32_t rate_hz = 0;                  // samples per second; 0: the model's full rate
  std::optional<int64_t> origin_utc_ns;  // UTC of sample_id 0; none: the moment of the first start
  double duration_s = 0;                 // ends after that much of the device's time; 0: never
  bool unpaced = false;                  // as fast as it is taken instead of in real time
  std::vector<std::string> packed;       // signals beside i and v: range, gpi0, ... (not replay)
  // Joulescope.
  std::vector<std::string> devices;          // patterns of device ids
  std::string current_range, voltage_range;  // empty: not written
  bool power_safe = false;
  // Simulated.
  uint64_t seed = 0;
  std::string load;
  std::string faults;  // what to do wrong, and when (device/fault_plan.h); empty: nothing
  // Replay.
  std::string current_file, voltage_file, power_file;  // float32 columns; voltage and power may be empty
  double voltage_v = 0;                                // where there is no voltage_file
  bool loop = false;
};

struct Settings {
  std::string host;
  struct {
    std::string directory;
    uint64_t budget_bytes = 0;
    uint64_t segment_bytes = 0;         // 0: by the budget
    uint64_t card_endurance_bytes = 0;  // 0: not known
    int64_t commit_window_ms = 0;
    int64_t check_interval_h = 0;  // 0: never
    uint64_t check_bytes_per_s = 0;
    LaneRetention stat, wave;
  } spool;
  size_t frame_size_max_bytes = 0;
  int64_t stat_window_us = 0;
  WaveMode wave_mode = WaveMode::off;
  uint32_t wave_rate_hz = 0;             // 0: the full rate
  uint64_t wave_budget_bytes_per_s = 0;  // of each device; 0: none
  int64_t capture_ring_ms = 0;           // between a source and the writer
  int64_t capture_clock_tolerance_us = 0;
  double capture_cross_check_ppm = 0;  // 0: off
  struct {
    std::string uri, client_id, username, password;
    int keep_alive_s = 0;
  } mqtt;
  struct {
    uint64_t window_bytes = 0;
    size_t window_frames = 0;
    int64_t ack_timeout_ms = 0;
    int64_t state_interval_ms = 0;
  } uplink;
  std::string driver_library;  // path of libjsdrv.so; empty: the loader's default
  std::vector<wire::Label> labels;
  LogLevel log_level = LogLevel::info;
  std::vector<DeviceSettings> devices;
};

const OptionTable& agent_options();
const OptionTable& device_options();

constexpr std::string_view environment_prefix = "JOULESPOOL_";
constexpr std::string_view config_file_variable = "JOULESPOOL_CONFIG";  // path of the file, where no --config is given
constexpr std::string_view config_file_default = "/etc/joulespool/joulespool.toml";  // used if it is there

struct SettingsSources {
  std::string file;  // path; empty: none
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, std::string>> flags;  // key and text; "device" may come several times
  std::string hostname = system_hostname();                // what `host` is by default

  static std::string system_hostname();
};

// What is in force, and where each value came from.
struct LoadedSettings {
  Settings settings;
  Options options;               // of agent_options(), defaults that depend on others filled in
  std::vector<Options> devices;  // of device_options()
};

// The one way from the sources to settings. Errors: usage, all problems at once, one a line, with file and line.
Result<LoadedSettings> load_settings(const SettingsSources& sources);

}  // namespace joulespool::config
