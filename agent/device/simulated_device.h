// Settings of one simulated instrument, and what follows from them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/device/fault_plan.h"
#include "agent/signal/sample_block.h"
#include "agent/wire/types.h"

namespace joulespool::device {

struct SimulatedDevice {
  std::string model = "js220";    // js110 or js220
  std::string serial = "000001";  // [a-z0-9-]
  uint64_t seed = 1;
  std::string load = "sleep-ble";  // load_names in load_model.h
  int64_t origin_utc_ns = 0;       // when sample_id was 0; 0: at start()
  double duration_s = 0;           // of the device's time since the origin; after it, `ended`. 0: endless
  uint32_t sample_rate_hz = 0;     // 0: full rate (js110 2 MS/s, js220 1 MS/s); else one of 1, 2, 5, 10, ... up to it
  uint32_t block_ms = 50;          // samples come in blocks of that much time
  bool unpaced = false;            // as fast as the sink has room, instead of in real time
  Faults faults;
  std::vector<std::string> packed = {"range", "gpi0"};  // also gpi1; js220 also gpi2, gpi3

  // id = model-serial
  [[nodiscard]] wire::DeviceIdentity identity() const { return {model + "-" + serial, model, serial}; }
};

// Every setting in its range; else usage, naming the device, the setting and what is allowed.
Status validate(const SimulatedDevice& settings);

// The rest is for valid settings.

// Counter rate and decimation; life is 0 (it depends on the origin in force, see life_of() in tick_hash.h: for a device
// with origin_utc_ns, life_of(seed, origin_utc_ns, id)).
wire::TimeAxis time_axis(const SimulatedDevice& settings);
// Sample ids end before this one (a multiple of the decimation); 2^64-1 for endless.
uint64_t sample_id_limit(const SimulatedDevice& settings);
// The signals of `packed`, and the ticks from element to element of their runs (js220: 1; js110: as i and v).
std::vector<signal::SignalId> packed_signals(const SimulatedDevice& settings);
uint32_t packed_decimation(const SimulatedDevice& settings);

// Shared by simulation and replay.
constexpr double duration_s_max = 1e9;  // 30 years; keeps ticks far from overflow
constexpr uint32_t block_ms_max = 1000;
constexpr uint64_t endless = UINT64_MAX;
Status validate_identity(const std::string& model, const std::string& serial);
// origin_utc_ns, duration_s and block_ms.
Status validate_times(int64_t origin_utc_ns, double duration_s, uint32_t block_ms);
// duration_s in ticks, rounded down to whole samples; endless for 0.
uint64_t duration_ticks(double duration_s, const wire::TimeAxis& axis);

}  // namespace joulespool::device
