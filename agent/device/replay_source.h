// Recordings played as if an instrument measured them now.
#pragma once

#include <memory>
#include <vector>

#include "agent/base/clock.h"
#include "agent/device/delivery.h"
#include "agent/device/recording.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// All devices are served by one thread and from one buffer, which is overwritten after each call. Sample k of the axis is
// recording[k modulo its length], so what should have arrived can be computed (Recording::sample_at).
//
// Paced: sample_id follows the clock (realtime at start(), from then on monotonic), 0 at the origin; a start after the
// origin joins in the middle; `resume` is ignored, as by an instrument. Unpaced: begins at `resume` or 0 and hands a block
// over when the sink has room. Without loop it ends after one pass.
class ReplaySource final : public SampleSource {
 public:
  // `clock` must outlive this. Settings and files are looked at by start().
  ReplaySource(Clock& clock, std::vector<ReplayDevice> settings);
  ~ReplaySource() override;

  [[nodiscard]] std::string_view kind() const override { return "replay"; }
  [[nodiscard]] std::vector<wire::DeviceIdentity> devices() const override;
  // Loads the recordings if that is not done yet. Errors: those of Recording::load(); usage (no device, one name twice,
  // running already).
  Status start(SampleSink& sink, const ResumePoints& resume) override;
  void stop() override { delivery_.stop(); }

 private:
  Status load();

  const std::vector<ReplayDevice> settings_;
  std::vector<std::unique_ptr<DeliveryTrack>> tracks_;
  Delivery delivery_;
};

}  // namespace joulespool::device
