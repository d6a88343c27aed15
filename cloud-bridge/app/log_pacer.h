// Keeps a flood of like events from flooding the log.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace joulespool::bridge {

// One line per key and interval. Keys are of a small fixed set: reasons, never text from outside. One thread.
class LogPacer {
 public:
  explicit LogPacer(int64_t interval_ns = 10 * ns_per_s) : interval_ns_(interval_ns) {}

  // How many events of this key came since its last line, this one included; nothing: no line now.
  std::optional<uint64_t> due(std::string_view key, int64_t now_ns) {
    auto at = events_.find(key);
    if (at == events_.end()) at = events_.emplace(key, Events{}).first;
    Events& events = at->second;
    ++events.count;
    if (events.line_at_ns && now_ns - *events.line_at_ns < interval_ns_) return std::nullopt;
    const uint64_t count = events.count;
    events = {0, now_ns};
    return count;
  }

 private:
  struct Events {
    uint64_t count = 0;
    std::optional<int64_t> line_at_ns = {};
  };
  std::map<std::string, Events, std::less<>> events_;
  int64_t interval_ns_;
};

}  // namespace joulespool::bridge
