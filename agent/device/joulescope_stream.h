// One instrument's messages from the driver into blocks and events for the sink.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/device/joulescope_assembler.h"
#include "agent/device/joulescope_model.h"
#include "agent/device/joulescope_time.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// Lives as long as its device is known, over unplugging and restarts of the driver. Members may be called from any thread;
// calls to the sink come one at a time. on_* are for the driver's callbacks: they copy, hand over and return.
class InstrumentStream {
 public:
  // `clock` and `sink` must outlive this.
  InstrumentStream(Clock& clock, SampleSink& sink, wire::DeviceIdentity identity, const InstrumentModel& model,
                   const InstrumentSelection& selection);
  void resume(const ResumePoint& point);

  // A message of "<topic>/!data" of this stream.
  void on_samples(signal::SignalId signal, const abi::Value& value);
  // A message of s/stats/value.
  void on_statistics(const abi::Value& value);
  // The driver's log says that packets were lost, which sample_id does not show (js110). The hole is put where the newest
  // sample was that was handed over by any signal: the true place is within the message that was on its way.
  void on_packets_lost(uint64_t packets);

  // Streaming was enabled: until then, and after interrupt(), messages are left over from before and dropped.
  void begin(const std::string& firmware);
  // Streaming ended: what waits is forgotten, the counter may begin anew.
  void interrupt();
  void say(SourceEvent::Kind kind, const std::string& text);

  // Monotonic time of the newest block, or of begin().
  [[nodiscard]] int64_t last_block_ns() const { return last_block_ns_; }
  // A block came since begin().
  [[nodiscard]] bool streams() const { return streams_; }
  // What is wrong with the messages themselves (another version of the structures); empty: nothing.
  [[nodiscard]] std::string refusal() const;
  [[nodiscard]] const wire::DeviceIdentity& identity() const { return identity_; }

 private:
  // Where js110 packets were lost: ids of the driver from `driver_id` on are `shift` too small, in all.
  struct Skip {
    uint64_t driver_id = 0;
    uint64_t shift = 0;
  };
  struct Message {
    uint64_t sample_id = 0;
    uint32_t decimation = 1;
    uint32_t counter_rate_hz = 0;
    uint64_t count = 0;
    abi::TimeMap map;
    const uint8_t* data = nullptr;
  };
  void forget();
  bool read(signal::SignalId signal, const abi::Value& value, Message& message);
  bool refuse(const std::string& why);
  void begin_epoch_if_restarted(signal::SignalId signal, const Message& message);
  std::span<const float> floats(const Message& message, uint64_t first, uint64_t end);
  void add(signal::SignalId signal, const Message& message, uint64_t first_element, uint64_t end_element);
  void hand_over(const SampleAssembler::Stretch& stretch);
  [[nodiscard]] uint64_t shift_at(uint64_t driver_id) const;
  [[nodiscard]] wire::UtcMap utc_now(uint64_t sample_id_end);
  void announce_found();
  void announce_holes_before(uint64_t sample_id);

  Clock& clock_;
  SampleSink& sink_;
  const wire::DeviceIdentity identity_;
  const InstrumentModel& model_;
  const bool full_rate_;

  mutable std::mutex mutex_;  // guards what follows, and makes the sink's calls one at a time
  SampleAssembler assembler_;
  CounterLife life_;
  std::string firmware_;
  std::string refusal_;
  bool enabled_ = false;
  bool found_ = false;  // said since begin()
  uint32_t counter_rate_hz_ = 0, decimation_ = 1;
  abi::TimeMap map_;         // the newest
  uint64_t driver_end_ = 0;  // the largest id (of the driver) that came, of any signal
  uint64_t lost_ticks_rest_ = 0;
  std::vector<Skip> skips_;
  std::vector<float> aligned_;    // values of a message that are not aligned
  std::vector<wire::Gap> holes_;  // of skips, not announced yet
  uint64_t statistics_end_ = 0;   // of the last block of statistics, to take differences
  uint64_t statistics_from_ = 0;  // what they are summed up from
  int128 charge_ = 0, energy_ = 0;
  std::atomic<int64_t> last_block_ns_{0};
  std::atomic<bool> streams_{false};
};

}  // namespace joulespool::device
