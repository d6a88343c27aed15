// Settings into sources of samples.
#pragma once

#include <memory>
#include <vector>

#include "agent/base/clock.h"
#include "agent/config/settings.h"
#include "agent/device/joulescope_settings.h"
#include "agent/device/replay_source.h"
#include "agent/device/simulated_source.h"

namespace joulespool::app {

// One device's settings as its source takes them. Errors: usage (which device, which setting, what is allowed).
Result<device::SimulatedDevice> simulated_device(const config::DeviceSettings& settings);
Result<device::ReplayDevice> replay_device(const config::DeviceSettings& settings);
// Every [[device]] with source joulescope. Errors: usage.
Result<device::JoulescopeSettings> joulescope_settings(const config::Settings& settings);

// Could make_sources() do it, as far as the settings alone can tell? Errors: usage, all devices' problems, one a line.
Status check_sources(const config::Settings& settings);

// Errors: usage (which device, which setting, what is allowed), unreachable (a recording that cannot be read).
Result<std::vector<std::unique_ptr<device::SampleSource>>> make_sources(const config::Settings& settings, Clock& clock);

// How many samples the ring keeps for a device: device.ring-ms of its rate, and at least two blocks.
size_t ring_samples(const config::Settings& settings, const config::DeviceSettings& device);

}  // namespace joulespool::app
