// Looks at this machine for doctor.h. Reads; the broker gets a connection, which is closed again.
#pragma once

#include "agent/app/doctor.h"
#include "agent/base/clock.h"
#include "agent/config/settings.h"

namespace joulespool::app {

// Where the machine's trees are; others in tests.
struct MachineRoots {
  std::string sysfs = "/sys";
  std::string dev = "/dev";
  std::string udev;  // before /etc/udev/rules.d and the like
};

constexpr int64_t broker_patience_ms = 5000;

// An instrument is selected by a [[device]].
bool needs_driver(const config::Settings& settings);

UsbFacts look_at_usb(const MachineRoots& roots, bool is_needed);
ClockFacts look_at_clock(Clock& clock);
DiskFacts look_at_disk(const std::string& directory, uint64_t budget_bytes);
// Connects as "<client id>-doctor", so that a running agent keeps its own connection; waits at most broker_patience_ms.
BrokerFacts look_at_broker(const config::Settings& settings, Clock& clock);

}  // namespace joulespool::app
