// Flags that the commands share that read a stream back, and the stream itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/wire/types.h"
#include "cloud-bridge/cli/settings_flags.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::bridge_cli {

// --from and --to: UTC, half open. The values are there while the app and its action live.
void add_time_range(CLI::App& app, std::optional<int64_t>& from_ns, std::optional<int64_t>& to_ns);
// --label key=value, any number of times.
void add_labels(CLI::App& app, std::vector<wire::Label>& labels);

// The stream of the settings. Errors: usage.
Result<std::unique_ptr<sink::RecordSource>> open_stream(const SettingsFlags& flags, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
