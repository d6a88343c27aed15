// When a device's map from sample_id to UTC has moved so far that a record must say so.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/wire/event.h"

namespace joulespool::signal {

// Every block brings the newest map, which moves a little all the time. Pure: one thread, no clock of its own.
class ClockWatch {
 public:
  explicit ClockWatch(int64_t tolerance_ns) : tolerance_ns_(tolerance_ns) {}

  // An earlier run told this map for this axis.
  void resume(const wire::TimeAxis& axis, const wire::UtcMap& told);
  // The map of a block that begins at sample_id. A record is due when, there, it is further than the tolerance from the map
  // told last, or has another quality; that map is the one told then. So a slow drift is told each time it adds up to the
  // tolerance. The first map of an axis is not news, and a block without a map (quality unknown) takes nothing back.
  std::optional<wire::ClockCorrected> on_block(const wire::TimeAxis& axis, uint64_t sample_id, const wire::UtcMap& map);

  [[nodiscard]] uint64_t corrections() const { return corrections_; }
  // How far the last correction moved UTC (after minus before), ns; 0: none yet, or there was no map before.
  [[nodiscard]] int64_t last_correction_ns() const { return last_correction_ns_; }

 private:
  int64_t tolerance_ns_;
  std::optional<uint64_t> life_;
  wire::UtcMap told_;
  uint64_t corrections_ = 0;
  int64_t last_correction_ns_ = 0;
};

}  // namespace joulespool::signal
