// Joulescopes, each read by a process of its own: the driver's library can take its process down, or hang in it, and then
// costs the samples of one instrument for a moment.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/device/driver_supervisor.h"
#include "agent/device/joulescope_settings.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// One process (the scout) tells what is plugged in. Each instrument that is selected gets one as soon as it is seen, or from the
// beginning if a pattern without '*' names it, and keeps it until stop(): the process waits for its instrument by itself.
// A process that dies, hangs or hands over nonsense is `lost` for its device and started again, with growing pauses and
// with the end of what was delivered as resume point.
class DriverProcesses final : public SampleSource {
 public:
  // `clock` must outlive this. `program` with the argument driver-host calls run_driver_host().
  DriverProcesses(Clock& clock, JoulescopeSettings settings, std::string program = "/proc/self/exe", DriverLimits limits = {});
  ~DriverProcesses() override;

  [[nodiscard]] std::string_view kind() const override { return "joulescope"; }
  // Those that are named, and those that were seen. The serial of one that was only named is in lower case.
  [[nodiscard]] std::vector<wire::DeviceIdentity> devices() const override;
  // Errors: those of the source in the processes, unreachable (the scout's process cannot be started or does not live), usage
  // (running already). Takes up to limits.silence_ns.
  Status start(SampleSink& sink, const ResumePoints& resume) override;
  // Takes up to limits.stop_ns, a little more for a process that has to be killed.
  void stop() override;

 private:
  class Router;
  class Scout;
  void add_device(const wire::DeviceIdentity& identity);
  void remember(const wire::DeviceIdentity& identity);
  void tell_all(const SourceEvent& event);
  DriverTask scout_task();

  Clock& clock_;
  const JoulescopeSettings settings_;
  const std::string program_;
  const DriverLimits limits_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Scout> scout_;
  std::unique_ptr<DriverSupervisor> scout_process_;
  ResumePoints resume_;
  mutable std::mutex mutex_;  // of what follows
  std::map<std::string, wire::DeviceIdentity> known_;
  std::map<std::string, std::unique_ptr<DriverSupervisor>> device_processes_;
  bool is_stopping_ = false;
};

}  // namespace joulespool::device
