// The settings of joulespool-bridge: ONE table for file, environment, flags, help and reference page.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/option_table.h"
#include "agent/mqtt/message_bus.h"
#include "cloud-bridge/ingest/check_message.h"
#include "cloud-bridge/ingest/dead_letters.h"
#include "cloud-bridge/sink/kinesis_client.h"

namespace joulespool::bridge {

struct BridgeSettings {
  mqtt::BusOptions bus;
  std::string id;
  ingest::PartSet parts;
  size_t memory_max_bytes = 0;
  size_t workers = 0;
  sink::KinesisOptions kinesis;  // stream is set
  bool create_stream = false;
  int shards = 0;  // of a stream that is created
  std::string dead_letter_folder;
  ingest::DeadLetterLimits dead_letters;
  LogLevel log_level = LogLevel::info;
};

const OptionTable& bridge_options();

constexpr std::string_view environment_prefix = "JOULESPOOL_BRIDGE_";
constexpr std::string_view config_file_variable = "JOULESPOOL_BRIDGE_CONFIG";    // path of the file, where no --config is given
constexpr std::string_view config_file_default = "/etc/joulespool/bridge.toml";  // used if it is there

struct BridgeSettingsSources {
  std::string config_file;  // of --config; empty: the environment's, else the default place if a file is there, else none
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, std::string>> flags;  // key and text
};

// Errors: usage, all problems at once, one a line, with file and line. A stream that is not named is one.
Result<BridgeSettings> load_bridge_settings(const BridgeSettingsSources& sources);

// "0-31" or "5". Errors: usage, says what is allowed.
Result<std::pair<unsigned, unsigned>> parse_parts(const std::string& text);

}  // namespace joulespool::bridge
