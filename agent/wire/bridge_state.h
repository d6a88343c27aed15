// The retained state of a bridge: tells agents whether the far end is up. JSON on joulespool/v1/bridge/<id>/state.
#pragma once

#include <map>
#include <utility>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::wire {

struct BridgeState {
  bool online = false;     // false in the Will
  bool accepting = false;  // false: Kinesis cannot be reached or memory is full; agents wait
  std::string instance;    // random per start: another one means that frames in flight are forgotten
  std::string version;
  std::string reason;                                // why not accepting
  std::vector<std::pair<unsigned, unsigned>> parts;  // inclusive ranges
  uint64_t held_bytes = 0;
  int64_t lag_ms = 0;  // age of the oldest frame held
  uint64_t frames_stored = 0;
  uint64_t throttled = 0;
  std::map<std::string, uint64_t> rejected;  // by reason

  [[nodiscard]] bool serves(unsigned part) const;
  bool operator==(const BridgeState&) const = default;
};

std::string write_bridge_state(const BridgeState& state);
Result<BridgeState> read_bridge_state(std::string_view json);

}  // namespace joulespool::wire
