#include "agent/wire/bridge_state.h"

#include <nlohmann/json.hpp>

namespace joulespool::wire {

bool BridgeState::serves(unsigned part) const {
  for (const auto& [first, last] : parts)
    if (first <= part && part <= last) return true;
  return false;
}

std::string write_bridge_state(const BridgeState& state) {
  nlohmann::json json = {{"version", 1},
                         {"online", state.online},
                         {"accepting", state.accepting},
                         {"instance", state.instance},
                         {"software", state.version},
                         {"reason", state.reason},
                         {"parts", state.parts},
                         {"held_bytes", state.held_bytes},
                         {"lag_ms", state.lag_ms},
                         {"frames_stored", state.frames_stored},
                         {"throttled", state.throttled},
                         {"rejected", state.rejected}};
  return json.dump();
}

Result<BridgeState> read_bridge_state(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("version") || json["version"] != 1)
    return Error{Errc::damaged, "bridge state: not a version 1 object"};
  BridgeState state;
  try {
    state.online = json.at("online");
    state.accepting = json.at("accepting");
    state.instance = json.at("instance");
    state.version = json.at("software");
    state.reason = json.at("reason");
    state.parts = json.at("parts").get<std::vector<std::pair<unsigned, unsigned>>>();
    state.held_bytes = json.at("held_bytes");
    state.lag_ms = json.at("lag_ms");
    state.frames_stored = json.at("frames_stored");
    state.throttled = json.at("throttled");
    state.rejected = json.at("rejected").get<std::map<std::string, uint64_t>>();
  } catch (const nlohmann::json::exception& exception) {
    return Error{Errc::damaged, std::string("bridge state: ") + exception.what()};
  }
  return state;
}

}  // namespace joulespool::wire
