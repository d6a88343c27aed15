// The driver's answers for the command line, fetched by a child process that the driver may take down.
#pragma once

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/device/joulescope_source.h"

namespace joulespool::cli {

// As device::driver_version() and device::list_instruments(); besides errors internal (the driver crashed) and unreachable (it
// does not return). To be used before this process has made threads.
Result<std::string> ask_driver_version(const std::string& library, Clock& clock);
Result<std::vector<device::InstrumentEntry>> ask_instruments(const std::string& library, Clock& clock);

}  // namespace joulespool::cli
