#include "agent/app/sources.h"

#include <algorithm>
#include <cmath>

#include "agent/app/resolution.h"
#include "agent/device/driver_processes.h"

namespace joulespool::app {
namespace {

constexpr double full_rate_js110_hz = 2e6;
constexpr double full_rate_js220_hz = 1e6;
constexpr double blocks_at_least = 4;  // of 50 ms

double rate_hz(const config::DeviceSettings& device) {
  if (device.rate_hz > 0) return device.rate_hz;
  return device.identity.model == "js110" ? full_rate_js110_hz : full_rate_js220_hz;
}

}  // namespace

Result<device::SimulatedDevice> simulated_device(const config::DeviceSettings& settings) {
  device::SimulatedDevice device;
  device.model = settings.identity.model;
  device.serial = settings.identity.serial;
  device.seed = settings.seed;
  device.load = settings.load;
  device.origin_utc_ns = settings.origin_utc_ns.value_or(0);
  device.duration_s = settings.duration_s;
  device.sample_rate_hz = settings.rate_hz;
  device.unpaced = settings.unpaced;
  device.packed = settings.packed;
  auto faults = device::parse_faults(settings.faults);
  if (!faults) return faults.error().in(settings.origin);
  device.faults = std::move(*faults);
  if (const auto status = device::validate(device); !status) return status.error().in(settings.origin);
  return device;
}

Result<device::ReplayDevice> replay_device(const config::DeviceSettings& settings) {
  device::ReplayDevice device;
  device.model = settings.identity.model;
  device.serial = settings.identity.serial;
  device.i_path = settings.current_file;
  device.v_path = settings.voltage_file;
  device.p_path = settings.power_file;
  device.v_constant = settings.voltage_v;
  device.sample_rate_hz = static_cast<uint32_t>(rate_hz(settings));
  device.loop = settings.loop;
  device.unpaced = settings.unpaced;
  device.origin_utc_ns = settings.origin_utc_ns.value_or(0);
  device.duration_s = settings.duration_s;
  if (const auto status = device::validate(device); !status) return status.error().in(settings.origin);
  return device;
}

namespace {

device::InstrumentSelection selection_of(const config::DeviceSettings& given) {
  return {given.origin, given.devices, given.rate_hz, given.current_range, given.voltage_range, given.packed, given.power_safe};
}

// An instrument's full rate has all rates of the list below it.
Status check_wave_rate(const config::Settings& settings, const config::DeviceSettings& device) {
  const auto factor = kept_factor(rate_hz(device), settings.wave_rate_hz);
  if (!factor) return factor.error().in(device.origin + ": wave.rate-hz = " + std::to_string(settings.wave_rate_hz));
  return {};
}

}  // namespace

Result<device::JoulescopeSettings> joulescope_settings(const config::Settings& settings) {
  device::JoulescopeSettings made;
  made.library = settings.driver_library;
  for (const config::DeviceSettings& given : settings.devices) {
    if (given.source != config::SourceKind::joulescope) continue;
    const device::InstrumentSelection selection = selection_of(given);
    if (const auto status = device::validate(selection); !status) return status.error().in(given.origin);
    made.selections.push_back(selection);
  }
  return made;
}

Status check_sources(const config::Settings& settings) {
  std::string problems;
  const auto note = [&problems](const auto& made) {
    if (!made) problems += (problems.empty() ? "" : "\n") + made.error().message;
  };
  for (const config::DeviceSettings& device : settings.devices) {
    if (device.source == config::SourceKind::simulated) note(simulated_device(device));
    if (device.source == config::SourceKind::replay) note(replay_device(device));
    if (device.source == config::SourceKind::joulescope)
      if (const Status status = device::validate(selection_of(device)); !status) note(Status(status.error().in(device.origin)));
    note(check_wave_rate(settings, device));
  }
  if (problems.empty()) return {};
  return Error{Errc::usage, problems};
}

size_t ring_samples(const config::Settings& settings, const config::DeviceSettings& device) {
  const double wanted = rate_hz(device) * static_cast<double>(settings.capture_ring_ms) / 1000;
  return static_cast<size_t>(std::max(wanted, blocks_at_least * std::ceil(rate_hz(device) * 0.05)));
}

Result<std::vector<std::unique_ptr<device::SampleSource>>> make_sources(const config::Settings& settings, Clock& clock) {
  std::vector<device::SimulatedDevice> simulations;
  std::vector<device::ReplayDevice> replays;
  for (const config::DeviceSettings& device : settings.devices) {
    if (const Status status = check_wave_rate(settings, device); !status) return status.error();
    if (device.source == config::SourceKind::simulated) {
      auto made = simulated_device(device);
      if (!made) return made.error();
      simulations.push_back(std::move(*made));
    } else if (device.source == config::SourceKind::replay) {
      auto made = replay_device(device);
      if (!made) return made.error();
      replays.push_back(std::move(*made));
    }
  }
  std::vector<std::unique_ptr<device::SampleSource>> sources;
  if (!simulations.empty()) sources.push_back(std::make_unique<device::SimulatedSource>(clock, std::move(simulations)));
  if (!replays.empty()) sources.push_back(std::make_unique<device::ReplaySource>(clock, std::move(replays)));
  auto instruments = joulescope_settings(settings);
  if (!instruments) return instruments.error();
  if (!instruments->selections.empty())
    sources.push_back(std::make_unique<device::DriverProcesses>(clock, std::move(*instruments)));
  return sources;
}

}  // namespace joulespool::app
