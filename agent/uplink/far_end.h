// Whether there is a bridge that takes the frames of our part, by what the bridges' retained states say. Pure.
#pragma once

#include <map>
#include <string>

#include "agent/wire/bridge_state.h"

namespace joulespool::uplink {

class FarEnd {
 public:
  // `part`: of our host.
  explicit FarEnd(unsigned part) : part_(part) {}

  // True: frames that were on the way may have gone to nobody, or to a bridge that forgot them: send them again. So it is
  // when a bridge became ready, and when another one (or another instance of the same) serves now.
  [[nodiscard]] bool update(const std::string& bridge, const wire::BridgeState& state);
  void remove(const std::string& bridge);
  // The connection is gone, and with it all that is known.
  void clear();

  [[nodiscard]] bool online() const;
  [[nodiscard]] bool ready() const;  // online and accepting
  // Why it is not ready, for people; empty if it is.
  [[nodiscard]] std::string reason() const;

 private:
  struct Bridge {
    bool accepting = false;
    std::string instance;
    std::string reason;
  };
  // Far above any sensible number; what is beyond is not followed.
  static constexpr size_t bridges_max = 256;

  [[nodiscard]] std::string serving() const;

  const unsigned part_;
  std::map<std::string, Bridge> bridges_;  // online and serving our part
  bool was_ready_ = false;
  std::string was_serving_;
};

}  // namespace joulespool::uplink
