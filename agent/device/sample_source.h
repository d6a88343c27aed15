// The contract between a source of samples (a driver, a simulation, a recording) and the agent.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/signal/sample_block.h"
#include "agent/wire/event.h"
#include "agent/wire/types.h"

namespace joulespool::device {

// What a source tells about a device beside its samples.
struct SourceEvent {
  enum class Kind {
    found,  // streaming begins or begins again; the next block says where
    lost,   // the device is gone; the source goes on looking for it
    gap,    // samples were lost that sample_id alone does not show (JS110 packet skips): `gap` says which
    ended,  // the source has nothing more for this device (end of a recording, of a simulated run); no call follows
    note,   // something for people: text
  };
  Kind kind = Kind::note;
  wire::Gap gap;     // kind gap: reason, sample_id_first, sample_id_end, samples_lost
  std::string text;  // lost, ended, note: why
};

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
  // Known devices. A source with hot plug may list more later; it says `found` for each.
  [[nodiscard]] virtual std::vector<wire::DeviceIdentity> devices() const = 0;
  // Begins to deliver to `sink`, which must live until stop() has returned. `resume`: per device the first sample_id that is
  // not stored yet; a source that can go back to it (a recording) does, an instrument cannot and ignores it.
  // Errors: unreachable (no driver, no file), usage (bad setting, found only now).
  virtual Status start(SampleSink& sink, const std::map<std::string, uint64_t>& resume) = 0;
  // Ends delivery; when it returns, no call to the sink is running or will come. Idempotent; not from a sink's call.
  virtual void stop() = 0;
};

}  // namespace joulespool::device
