// Instruments that do not exist: every sample is a pure function of the settings and the sample_id, so that anyone can
// compute what should have arrived (load_model.h: the formula; docs/simulation.md: how to use it).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "agent/base/clock.h"
#include "agent/device/delivery.h"
#include "agent/device/sample_source.h"
#include "agent/device/simulated_device.h"

namespace joulespool::device {

// All devices are served by one thread, as by a real driver, and from one buffer, which is overwritten after each call.
//
// Paced: sample_id follows the clock (realtime at start(), from then on monotonic), 0 at the origin. A start before the
// origin waits for it; one after it begins at the current tick. A block comes when its last sample is over; when late, the
// source catches up and loses nothing by itself. `resume` is ignored, as by an instrument.
// Unpaced: begins at `resume` or 0 and hands a block over when the sink has room.
class SimulatedSource final : public SampleSource {
 public:
  // `clock` must outlive this. Settings are checked by start().
  SimulatedSource(Clock& clock, std::vector<SimulatedDevice> settings);
  ~SimulatedSource() override;

  [[nodiscard]] std::string_view kind() const override { return "simulated"; }
  [[nodiscard]] std::vector<wire::DeviceIdentity> devices() const override;
  // Errors: usage (validate() of a device, no device, one name twice, running already).
  Status start(SampleSink& sink, const ResumePoints& resume) override;
  void stop() override { delivery_.stop(); }

 private:
  const std::vector<SimulatedDevice> settings_;
  std::vector<std::unique_ptr<DeliveryTrack>> tracks_;
  Delivery delivery_;
};

// What a device with these (valid) settings measures: i[k], v[k] (as many) at sample_id_first + k * decimation. Faults
// `nan` are applied; samples that `drop` and `lose` keep back have values here too (is_present() in fault_plan.h tells).
void simulated_samples(const SimulatedDevice& settings, uint64_t sample_id_first, std::span<float> i, std::span<float> v);

}  // namespace joulespool::device
