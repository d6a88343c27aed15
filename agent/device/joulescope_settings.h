// How instruments are chosen and set. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/signal/sample_block.h"
#include "agent/wire/types.h"

namespace joulespool::device {

// Which instruments, and how they are opened.
struct InstrumentSelection {
  std::string origin;                        // where it was given, for messages
  std::vector<std::string> devices = {"*"};  // patterns of device ids: "js220-001122", "js220-*", "*"
  uint32_t rate_hz = 0;                      // samples per second; 0: the model's full rate
  std::string current_range;                 // "auto", "10A", ...; empty: never written, the instrument keeps its own
  std::string voltage_range;                 // "15V", ...; empty: never written
  std::vector<std::string> packed;           // signals beside i and v: range, gpi0, gpi1, gpi2, gpi3, trigger
  bool power_safe = false;                   // open without touching the state the instrument is in (a powered device under test)
};

struct JoulescopeSettings {
  std::string library;                          // path of libjsdrv.so; empty: the loader's default
  std::vector<InstrumentSelection> selections;  // the first one that matches a device counts
};

// How long an instrument may take before something is done about it.
struct InstrumentLimits {
  uint32_t open_timeout_ms = 5000;  // a js320 waits for its sensor
  uint32_t call_timeout_ms = 1000;
  int64_t silence_ns = 2 * ns_per_s;         // without samples while streaming is on
  int64_t first_silence_ns = 5 * ns_per_s;   // the same from enabling on: a js220 needs its time map first
  int64_t restart_pause_ns = 30 * ns_per_s;  // between two restarts of the driver; grows with their number, up to ten times
};

// Does "js220-*" match "js220-001122"? '*' stands for any text, everything else for itself.
bool matches(std::string_view pattern, std::string_view device_id);
// Null: this device is not selected.
const InstrumentSelection* find_selection(const JoulescopeSettings& settings, std::string_view device_id);

// Everything that can be said without the instrument: patterns, names of ranges and signals, rates; of the model, where the
// patterns fix it. Errors: usage, with what is allowed.
Status validate(const InstrumentSelection& selection);

}  // namespace joulespool::device
