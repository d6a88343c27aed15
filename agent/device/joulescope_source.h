// Joulescope instruments through the vendor's driver library (libjsdrv), which is loaded at run time. The only code that
// knows the driver is in the files joulescope_*. docs/joulescope.md: installation, first run with hardware.
#pragma once

#include <memory>

#include "agent/base/clock.h"
#include "agent/device/joulescope_settings.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// Follows hot plug: selected instruments are opened, set and streamed whenever they are there. One thread a device keeps
// watch: one that goes silent is closed and opened again, then, if no other device is doing well, the driver is restarted;
// with growing pauses, each step an event. Samples come on the driver's one callback thread.
// A device that a pattern without '*' names and that is not there is in trouble from the beginning.
class JoulescopeSource final : public SampleSource {
 public:
  // `clock` must outlive this. Without any selection it only tells what is there: attached, lost.
  JoulescopeSource(Clock& clock, JoulescopeSettings settings, const InstrumentLimits& limits = {});
  ~JoulescopeSource() override;

  [[nodiscard]] std::string_view kind() const override { return "joulescope"; }
  // Those that are there now, and those seen since start().
  [[nodiscard]] std::vector<wire::DeviceIdentity> devices() const override;
  // Errors: unreachable (no driver library, not a driver, its version; what to install), usage (validate(), running already).
  Status start(SampleSink& sink, const ResumePoints& resume) override;
  void stop() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The environment has no say here: `library` is a path or empty. The driver's version as text ("2.3.4"), or why it cannot be
// used and what to do.
Result<std::string> driver_version(const std::string& library);

// One instrument as it was found by looking.
struct InstrumentEntry {
  wire::DeviceIdentity identity;
  std::string firmware;  // "1.3.0"; empty: not known
  std::string problem;   // empty: it can be used; else why not, and what to do
};
// Opens each instrument that is there for a moment, without touching the state it is in. Takes up to 5 s a device. Not while
// something streams from them: an instrument belongs to one process at a time. Errors: as start().
Result<std::vector<InstrumentEntry>> list_instruments(const std::string& library);

}  // namespace joulespool::device
