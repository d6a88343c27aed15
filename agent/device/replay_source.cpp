#include "agent/device/replay_source.h"

#include <utility>

namespace joulespool::device {
namespace {

class ReplayTrack final : public DeliveryTrack {
 public:
  ReplayTrack(const ReplayDevice& settings, Recording recording)
      : plan_{settings.identity(),
              time_axis(settings),
              recording.fingerprint(),
              settings.origin_utc_ns,
              recording.sample_id_limit(settings),
              settings.block_ms,
              settings.unpaced},
        recording_(std::move(recording)),
        found_text_("recording " + settings.i_path) {}

  [[nodiscard]] const DeliveryPlan& plan() const override { return plan_; }

  void begin(uint64_t, const RunMarks& marks, SampleSink& sink) override {
    marks_ = marks;
    say(sink, plan_.identity.id, SourceEvent::Kind::found, found_text_);
  }

  void deliver(uint64_t first, uint64_t end, BlockBuffer& buffer, SampleSink& sink) override {
    const auto count = static_cast<size_t>((end - first) / plan_.axis.decimation);
    buffer.i.resize(count);
    buffer.v.resize(count);
    buffer.p.resize(recording_.has_power() ? count : 0);
    recording_.samples(first, buffer.i, buffer.v, buffer.p);
    sink.on_samples(plan_.identity.id, {first, marks_.axis, marks_.utc, buffer.i, buffer.v, buffer.p, {}});
    buffer.spoil();
  }

 private:
  const DeliveryPlan plan_;
  const Recording recording_;
  const std::string found_text_;
  RunMarks marks_;
};

}  // namespace

ReplaySource::ReplaySource(Clock& clock, std::vector<ReplayDevice> settings)
    : settings_(std::move(settings)), delivery_(clock, tracks_) {}

ReplaySource::~ReplaySource() = default;

std::vector<wire::DeviceIdentity> ReplaySource::devices() const {
  std::vector<wire::DeviceIdentity> identities;
  for (const ReplayDevice& device : settings_) identities.push_back(device.identity());
  return identities;
}

// All or none.
Status ReplaySource::load() {
  std::vector<std::unique_ptr<DeliveryTrack>> tracks;
  for (const ReplayDevice& device : settings_) {
    Result<Recording> recording = Recording::load(device);
    if (!recording) return recording.error();
    tracks.push_back(std::make_unique<ReplayTrack>(device, std::move(recording).value()));
  }
  tracks_ = std::move(tracks);
  return {};
}

Status ReplaySource::start(SampleSink& sink, const ResumePoints& resume) {
  if (settings_.empty()) return Error{Errc::usage, "a replay source needs at least one device"};
  if (tracks_.empty())
    if (Status status = load(); !status) return status;
  return delivery_.start(sink, resume);
}

}  // namespace joulespool::device
