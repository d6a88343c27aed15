// Where readings come from.
#pragma once

#include <memory>

#include "agent/base/clock.h"
#include "agent/cli/live_reading.h"
#include "agent/config/settings.h"

namespace joulespool::cli {

class ReadingFeed {
 public:
  virtual ~ReadingFeed() = default;
  // Every device that is known now, and what it measured since the call before. Errors: unreachable, damaged.
  virtual Result<std::vector<DeviceReading>> read() = 0;
  // May this device still come (hot plug)?
  [[nodiscard]] virtual bool may_come(const std::string& device) const = 0;
  // There will be no more readings.
  [[nodiscard]] virtual bool is_over() = 0;
};

// From the agent that runs with this spool.
std::unique_ptr<ReadingFeed> make_agent_feed(std::string spool_directory, Clock& clock);
// From the devices of the settings, opened here. Errors: usage, unreachable.
Result<std::unique_ptr<ReadingFeed>> make_direct_feed(const config::Settings& settings, Clock& clock);

}  // namespace joulespool::cli
