#include "agent/device/joulescope_prefix.h"

#include <algorithm>

namespace joulespool::device {

std::optional<wire::DeviceIdentity> identity_of(std::string_view prefix) {
  const size_t first = prefix.find('/'), second = prefix.rfind('/');
  if (first == std::string_view::npos || second == first) return std::nullopt;
  const std::string_view model = prefix.substr(first + 1, second - first - 1);
  wire::DeviceIdentity identity = wire::device_identity(model, prefix.substr(second + 1));
  if (model.empty() || model.front() == '&' || !wire::is_valid_id(identity.id)) return std::nullopt;
  return identity;
}

std::vector<InstrumentPrefix> instruments_of(std::string_view list) {
  std::vector<InstrumentPrefix> found;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view prefix = list.substr(0, comma);
    if (auto identity = identity_of(prefix)) found.push_back({std::string(prefix), std::move(*identity)});
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return found;
}

}  // namespace joulespool::device
