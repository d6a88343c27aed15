// A source on the stand-in driver, and what tests of it ask.
#pragma once

#include "agent/device/joulescope_source.h"
#include "tests/agent/device/instrument_truth.h"

namespace joulespool::test {

using device::InstrumentLimits;
using device::InstrumentSelection;
using device::JoulescopeSettings;
using device::JoulescopeSource;
using device::SourceEvent;
using Kind = SourceEvent::Kind;

inline const Keys js110 = {{"model", "js110"}, {"serial", "000456"}, {"seed", "5"}};
inline const Keys js220 = {{"model", "js220"}, {"serial", "001122"}, {"seed", "7"}, {"load", "cpu"}};

inline Keys with(Keys keys, const std::string& key, const std::string& value) {
  keys[key] = value;
  return keys;
}

inline JoulescopeSettings settings_of(InstrumentSelection selection = {}) {
  return {StandinWorld::library(), {std::move(selection)}};
}

inline InstrumentSelection packed(std::vector<std::string> signals) {
  InstrumentSelection selection;
  selection.packed = std::move(signals);
  return selection;
}

struct Running {
  explicit Running(JoulescopeSettings settings = settings_of(), const InstrumentLimits& limits = {})
      : source(clock, std::move(settings), limits) {
    const Status status = source.start(sink, {});
    REQUIRE_MESSAGE(status.ok(), (status ? "" : status.error().message));
  }
  bool event_says(const std::string& device, Kind kind, const std::string& text) {
    return sink.wait_for([&] {
      for (const SourceEvent& event : events(sink, device, kind))
        if (event.text.find(text) != std::string::npos) return true;
      return false;
    });
  }
  bool more_samples(const std::string& device, uint64_t count) {
    uint64_t before = 0;
    sink.wait_for([&] { return before = sink.samples(device), true; });
    return sink.wait_for_samples(device, before + count);
  }

  SystemClock clock;
  CollectingSink sink{UINT64_MAX, CollectingSink::OldMemory::may_go};
  JoulescopeSource source;
};

inline bool wrote(const StandinWorld& world, const std::string& topic_part) {
  for (const DriverCall& call : world.calls())
    if (call.topic.find(topic_part) != std::string::npos) return true;
  return false;
}

}  // namespace joulespool::test
