// The driver's names of instruments. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "agent/wire/types.h"

namespace joulespool::device {

struct InstrumentPrefix {
  std::string topic;  // "u/js220/001122"
  wire::DeviceIdentity identity;
};

// "u/js220/001122" in its parts; none: something else, or a bootloader ("u/&js220/001122").
std::optional<wire::DeviceIdentity> identity_of(std::string_view prefix);
// Those of a comma-separated list of prefixes.
std::vector<InstrumentPrefix> instruments_of(std::string_view list);

}  // namespace joulespool::device
