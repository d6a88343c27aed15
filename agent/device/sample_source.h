// The contract between a source of samples (a driver, a simulation, a recording) and the agent.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/int128.h"
#include "agent/base/result.h"
#include "agent/signal/sample_block.h"
#include "agent/wire/event.h"
#include "agent/wire/types.h"

namespace joulespool::device {

// What an instrument measured by itself over a span of its samples: a cross-check of our own integrals.
struct InstrumentStatistics {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  int128 charge = 0;  // 2^-31 C over the span
  int128 energy = 0;  // 2^-31 J over the span
};

// What a source tells about a device beside its samples.
struct SourceEvent {
  enum class Kind {
    attached,  // the device is there, nothing is known beyond that
    found,     // streaming begins or begins again; the next block says where
    lost,      // the device is gone, or went silent; the source goes on trying
    trouble,   // the device is there (or should be), but cannot be used: text says why and what to do; the source goes on trying
    gap,       // the samples of `gap` are missing because of gap.reason: sample_id jumps over them, in this or a later block
    statistics,  // `statistics`: comes after the last sample of its span, or a little before it
    ended,       // the source has nothing more for this device (end of a recording, of a simulated run); no call follows
    note,        // something for people: text
  };
  Kind kind = Kind::note;
  std::string text;               // found, lost, trouble, ended, note: what, why, what to do
  wire::DeviceIdentity identity;  // attached, found, trouble: of a device that devices() may not have listed
  std::string firmware;           // found: version, if the source knows it
  wire::Gap gap;                  // kind gap: reason, axis, sample_id_first, sample_id_end, detail
  InstrumentStatistics statistics;
};

// Where an earlier run of the agent ended: the first sample that is not stored, and how its axis lay in time.
struct ResumePoint {
  wire::TimeAxis axis;
  uint64_t sample_id_end = 0;
  wire::UtcMap utc;
};
using ResumePoints = std::map<std::string, ResumePoint>;  // by device id

// Where a source delivers. Calls come on threads of the source, any number of them, but never two at a time for the same
// device. An implementation copies what it needs and returns at once; it never blocks except in wait_for_room().
class SampleSink {
 public:
  virtual ~SampleSink() = default;
  // The block's memory is the source's again after return. What the sink has no room for is lost, and the sink counts it
  // as an overrun gap: a source that can wait (a recording) calls wait_for_room() first.
  virtual void on_samples(const std::string& device, const signal::SampleBlock& block) = 0;
  virtual void on_event(const std::string& device, const SourceEvent& event) = 0;
  // Waits until `samples` more would not be lost, at most `timeout`; true if there is room. Not for drivers' callbacks.
  virtual bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) = 0;
};

// One source serves one or several devices.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  [[nodiscard]] virtual std::string_view kind() const = 0;  // "simulated", "replay", "joulescope"
  // Known devices. A source with hot plug may list more later; it says `attached`, `found` or `trouble` for each.
  [[nodiscard]] virtual std::vector<wire::DeviceIdentity> devices() const = 0;
  // Begins to deliver to `sink`, which must live until stop() has returned. `resume`: a source that can go
  // back there (a recording) does; an instrument cannot, but tells by it whether its counter went on meanwhile (the same life).
  // Errors: unreachable (no driver, no file), usage (bad setting, found only now).
  virtual Status start(SampleSink& sink, const ResumePoints& resume) = 0;
  // Ends delivery; when it returns, no call to the sink is running or will come. Idempotent; not from a sink's call.
  virtual void stop() = 0;
};

}  // namespace joulespool::device
