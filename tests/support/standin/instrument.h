// One instrument that is plugged in: its settings, what it answers, and what it sends. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "tests/support/standin/frontend.h"
#include "tests/support/standin/instrument_clock.h"
#include "tests/support/standin/sample_pieces.h"
#include "tests/support/standin/signal_stream.h"
#include "tests/support/standin/statistics_blocks.h"
#include "tests/support/standin/world.h"

namespace joulespool::standin {

// How the models differ at full rate.
struct ModelTraits {
  uint32_t counter_rate_hz;
  uint32_t full_rate_hz;       // of i, v, p
  uint32_t packed_decimation;  // of range and inputs; js110: as i and v
  uint32_t message_samples;    // of i, v, p
  uint32_t message_packed;     // of range and inputs
  uint32_t ticks_per_measure;  // of the simulation
};
ModelTraits traits_of(const std::string& model);

class Instrument final : public MessageSink {
 public:
  Instrument(DevicePlan plan, const World& world, Frontend& frontend, Clock& clock);
  ~Instrument() override;  // unplugged: what was not sent yet is gone
  Instrument(const Instrument&) = delete;
  Instrument& operator=(const Instrument&) = delete;

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  [[nodiscard]] bool is_running() const { return running_; }
  // Other faults; the rest of the plan stays as it is.
  void change(DevicePlan plan);
  // The answer; nothing: there will never be one.
  std::optional<int32_t> apply(const std::string& topic, const TopicValue& value);
  // Sends what is due. False: there is more, call again at once.
  bool advance();

  void send(const SignalShape& shape, uint64_t sample_id, std::vector<std::byte> message) override;

 private:
  struct Channel {
    SignalStream stream;
    signal::SignalId signal;   // packed ones
    uint32_t leading_nan = 0;  // still to come
  };
  // Which producers are needed now.
  struct Needs {
    bool full = false, slow = false, packed = false;
    [[nodiscard]] bool any() const { return full || slow || packed; }
  };

  [[nodiscard]] HostTime host_time() const { return {clock_.monotonic_ns(), clock_.realtime_ns()}; }
  [[nodiscard]] uint32_t setting(const std::string& topic, uint32_t otherwise) const;
  [[nodiscard]] uint32_t rate_hz() const;
  [[nodiscard]] uint32_t full_decimation() const { return traits_.counter_rate_hz / traits_.full_rate_hz; }
  [[nodiscard]] uint32_t packed_decimation() const;
  [[nodiscard]] bool is_float_on() const;
  [[nodiscard]] Needs needs() const;
  [[nodiscard]] uint64_t position() const { return tick_ - slide_; }
  [[nodiscard]] uint32_t first_nan(const Channel& channel) const;

  void publish(const std::string& topic, uint32_t value);
  int32_t open();
  void close();
  int32_t set(const std::string& topic, uint32_t value);
  void switch_channel(const std::string& topic, bool on);
  void rebuild_pieces();
  void restart_streams();
  void begin_running();
  void follow_needs(const Needs& before);

  void drop_to(uint64_t tick);
  void step(uint64_t limit);
  void skip(const TickSpan& span);
  void produce(uint64_t id_end, bool exact);
  void produce_packed(uint64_t id_end, bool exact, const Measure& measure);
  void take(uint32_t decimation, uint64_t first, std::span<const float> i, std::span<const float> v);
  std::span<const float> values_of(const Channel& channel, std::span<const float> i, std::span<const float> v);
  void append(Channel& channel, uint32_t decimation, uint64_t first, std::span<const float> values);
  void append_nan(Channel& channel, uint64_t first, size_t count);
  [[nodiscard]] std::optional<TickSpan> next_loss(abi::Field field, uint64_t id) const;
  void send_statistics(abi::Statistics& block);

  DevicePlan plan_;
  const std::string prefix_;
  const ModelTraits traits_;
  const World& world_;
  Frontend& frontend_;
  Clock& clock_;
  InstrumentClock counter_;

  Claim claim_;
  bool open_ = false;
  bool running_ = false;
  std::map<std::string, uint32_t> settings_;
  std::vector<Channel> channels_;

  uint64_t tick_ = 0;          // up to where everything is made
  uint64_t slide_ = 0;         // js110: ticks that were skipped so far; sample_id = tick - slide
  uint64_t started_tick_ = 0;  // where the stream began
  std::vector<std::string> pending_log_;
  std::unique_ptr<SamplePieces> full_, slow_;
  std::unique_ptr<PackedPieces> packed_;
  StatisticsBlocks statistics_;
  std::vector<float> scratch_;
};

}  // namespace joulespool::standin
