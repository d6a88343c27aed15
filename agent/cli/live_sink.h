// Sources' samples into readings, without an agent: windows of 100 ms, nothing is kept.
#pragma once

#include <map>
#include <mutex>

#include "agent/app/device_condition.h"
#include "agent/base/clock.h"
#include "agent/cli/live_reading.h"
#include "agent/device/sample_source.h"
#include "agent/signal/window_accumulator.h"

namespace joulespool::cli {

class LiveSink final : public device::SampleSink {
 public:
  explicit LiveSink(Clock& clock) : clock_(clock) {}

  // A device that a source has, before it says anything.
  void expect(const wire::DeviceIdentity& identity, std::string_view source);
  void on_samples(const std::string& device, const signal::SampleBlock& block) override;
  void on_event(const std::string& device, const device::SourceEvent& event) override;
  bool wait_for_room(const std::string&, size_t, std::chrono::milliseconds) override { return true; }

  // What came since the call before, by device id. A device whose last window is younger than a second repeats it: its windows
  // may be longer than the caller's interval.
  std::vector<DeviceReading> take();
  // Every device has ended, and there was one.
  [[nodiscard]] bool is_over();

 private:
  struct Track {
    DeviceReading reading;  // without state and measured values
    app::DeviceCondition condition;
    wire::TimeAxis axis;
    uint64_t sample_id_next = 0;
    std::optional<signal::WindowAccumulator> accumulator;
    std::vector<wire::Window> windows;  // complete, not taken
    wire::Window latest;                // what was taken last
    int64_t latest_ns = 0;
  };
  static void begin(Track& track, const signal::SampleBlock& block);

  Clock& clock_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Track> tracks_;
};

}  // namespace joulespool::cli
