// One device as people are shown it.
#pragma once

#include <map>
#include <string>

#include "agent/signal/cross_check.h"
#include "agent/wire/event.h"
#include "agent/wire/types.h"
#include "agent/wire/window.h"

namespace joulespool::app {

// Gap records of one reason.
struct GapCount {
  uint64_t records = 0;
  uint64_t samples = 0;  // open-ended ones have none
};

struct ClockStatus {
  wire::UtcQuality quality = wire::UtcQuality::unknown;
  uint64_t corrections = 0;
  int64_t last_correction_ns = 0;  // after minus before; 0: none
};

struct DeviceStatus {
  wire::DeviceIdentity device;
  std::string source;    // simulated, replay, joulescope; absent: known from earlier runs only
  std::string state;     // waiting, attached, streaming, lost, trouble, ended
  std::string detail;    // why, and what to do; may be empty
  std::string firmware;  // empty: not known
  wire::TimeAxis axis;
  uint64_t sample_id_end = 0;
  wire::Totals totals;
  double power_w = 0;                        // mean over the last cut that had samples
  wire::Window live;                         // all samples of that cut; count 0: none yet
  std::map<wire::GapReason, GapCount> gaps;  // stored in this run
  ClockStatus clock;
  signal::CrossCheckCounts cross_check;
};

}  // namespace joulespool::app
