#include "agent/uplink/far_end.h"

namespace joulespool::uplink {

bool FarEnd::update(const std::string& bridge, const wire::BridgeState& state) {
  if (!state.online || !state.serves(part_)) bridges_.erase(bridge);
  else if (bridges_.contains(bridge) || bridges_.size() < bridges_max)
    bridges_[bridge] = {state.accepting, state.instance, state.reason};
  if (!ready()) {
    was_ready_ = false;
    return false;
  }
  const std::string now_serving = serving();
  const bool is_new = !was_ready_ || now_serving != was_serving_;
  was_ready_ = true;
  was_serving_ = now_serving;
  return is_new;
}

void FarEnd::remove(const std::string& bridge) {
  bridges_.erase(bridge);
  was_ready_ = was_ready_ && ready();
}

void FarEnd::clear() {
  bridges_.clear();
  was_ready_ = false;
}

bool FarEnd::online() const { return !bridges_.empty(); }

bool FarEnd::ready() const {
  for (const auto& [id, bridge] : bridges_)
    if (bridge.accepting) return true;
  return false;
}

std::string FarEnd::reason() const {
  if (ready()) return "";
  if (bridges_.empty()) return "no bridge serves this host";
  const auto& [id, bridge] = *bridges_.begin();
  return "bridge " + id + ": " + (bridge.reason.empty() ? "not accepting" : bridge.reason);
}

std::string FarEnd::serving() const {
  std::string text;
  for (const auto& [id, bridge] : bridges_) text += id + "/" + bridge.instance + " ";
  return text;
}

}  // namespace joulespool::uplink
