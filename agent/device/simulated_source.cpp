#include "agent/device/simulated_source.h"

#include <algorithm>

#include "agent/device/waveform.h"

namespace joulespool::device {
namespace {

uint64_t round_up(uint64_t tick, uint32_t decimation) {
  const uint64_t rest = tick % decimation;
  return rest == 0 || tick > endless - decimation ? tick : tick + (decimation - rest);
}

Faults absences_of(Faults faults) {
  std::erase_if(faults, [](const Fault& fault) { return fault.kind == Fault::Kind::nan; });
  return faults;
}

class SimulatedTrack final : public DeliveryTrack {
 public:
  explicit SimulatedTrack(const SimulatedDevice& settings)
      : plan_{settings.identity(),       time_axis(settings), settings.seed,   settings.origin_utc_ns,
              sample_id_limit(settings), settings.block_ms,   settings.unpaced},
        waveform_(settings),
        absences_(absences_of(settings.faults)),
        packed_signals_(device::packed_signals(settings)),
        packed_decimation_(device::packed_decimation(settings)) {}

  [[nodiscard]] const DeliveryPlan& plan() const override { return plan_; }

  void begin(uint64_t sample_id, const RunMarks& marks, SampleSink& sink) override {
    marks_ = marks;
    absent_ = is_hit(absences_, Fault::Kind::lose, sample_id);
    if (!absent_) say(sink, plan_.identity.id, SourceEvent::Kind::found, "simulated " + plan_.identity.model);
  }

  void deliver(uint64_t first, uint64_t end, BlockBuffer& buffer, SampleSink& sink) override {
    while (first < end) {
      const uint64_t change = round_up(next_change(absences_, first), plan_.axis.decimation);
      const uint64_t span_end = std::min(change, end);
      show_presence(!is_hit(absences_, Fault::Kind::lose, first), sink);
      if (!absent_ && !is_hit(absences_, Fault::Kind::drop, first)) hand_over(first, span_end, buffer, sink);
      first = span_end;
    }
  }

 private:
  void show_presence(bool present, SampleSink& sink) {
    if (present != absent_) return;
    absent_ = !present;
    if (present) say(sink, plan_.identity.id, SourceEvent::Kind::found, "simulated " + plan_.identity.model + " is back");
    else say(sink, plan_.identity.id, SourceEvent::Kind::lost, "simulated loss of the device");
  }

  void hand_over(uint64_t first, uint64_t end, BlockBuffer& buffer, SampleSink& sink) {
    const auto count = static_cast<size_t>((end - first) / plan_.axis.decimation);
    buffer.i.resize(count);
    buffer.v.resize(count);
    waveform_.samples(first, buffer.i, buffer.v);
    fill_packed(first, end, buffer);
    sink.on_samples(plan_.identity.id, {first, marks_.axis, marks_.utc, buffer.i, buffer.v, {}, packed_});
    buffer.spoil();
  }

  void fill_packed(uint64_t first, uint64_t end, BlockBuffer& buffer) {
    const uint64_t count = (end - first) / packed_decimation_;
    buffer.packed.resize(std::max(buffer.packed.size(), packed_signals_.size()));
    packed_.clear();
    for (size_t n = 0; n < packed_signals_.size(); ++n) {
      const signal::SignalId signal = packed_signals_[n];
      buffer.packed[n].resize(packed_bytes(signal, count));
      waveform_.packed(signal, first, count, buffer.packed[n]);
      packed_.push_back({signal, packed_bits(signal), first, packed_decimation_, count, buffer.packed[n]});
    }
  }

  const DeliveryPlan plan_;
  const Waveform waveform_;
  const Faults absences_;  // drop and lose
  const std::vector<signal::SignalId> packed_signals_;
  const uint32_t packed_decimation_;
  std::vector<signal::PackedRun> packed_;
  RunMarks marks_;
  bool absent_ = false;  // lost, and said so
};

}  // namespace

SimulatedSource::SimulatedSource(Clock& clock, std::vector<SimulatedDevice> settings)
    : settings_(std::move(settings)), delivery_(clock, tracks_) {}

SimulatedSource::~SimulatedSource() = default;

std::vector<wire::DeviceIdentity> SimulatedSource::devices() const {
  std::vector<wire::DeviceIdentity> identities;
  for (const SimulatedDevice& device : settings_) identities.push_back(device.identity());
  return identities;
}

Status SimulatedSource::start(SampleSink& sink, const ResumePoints& resume) {
  if (settings_.empty()) return Error{Errc::usage, "a simulated source needs at least one device"};
  for (const SimulatedDevice& device : settings_)
    if (Status status = validate(device); !status) return status;
  if (tracks_.empty())
    for (const SimulatedDevice& device : settings_) tracks_.push_back(std::make_unique<SimulatedTrack>(device));
  return delivery_.start(sink, resume);
}

void simulated_samples(const SimulatedDevice& settings, uint64_t sample_id_first, std::span<float> i, std::span<float> v) {
  Waveform(settings).samples(sample_id_first, i, v);
}

}  // namespace joulespool::device
