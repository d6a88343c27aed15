// What the simulated instruments measure, and the formula of every simulated sample.
//
// A sample is a pure function of (model, seed, load, tick); tick = sample_id, 2,000,000 a second. All steps are integers
// (64 bit, / rounds down, >> is arithmetic) except the last one, which is one or two correctly rounded IEEE operations:
// C++, numpy and ARM agree to the last bit. tests/support/simulated.py is the twin.
//
//   key(use)  = mix64(seed + use * G)            uses and mix64: tick_hash.h; G = 0x9E3779B97F4A7C15
//   h(use, n) = mix64(key(use) + n * G)
//   noise     : z = h(noise, tick); noise_i = sum of the 4 low bytes of z - 510, noise_v = sum of the 4 high bytes of z - 510
//   load      : a segment (below) with first, level_pa, slope_pa, active; k = tick - first
//   source    : 3.3 V behind 0.2 ohm: level_uv = 3,300,000 - level_pa / 5,000,000, constant within a segment
//   range     : the most sensitive one whose full scale is >= the segment's larger end (calibration.h)
//
// JS220, range r:
//   i = float32(((level_pa * 2^19 / 5^12) * 2^8 + k * (slope_pa * 2^27 / 5^12) + noise_i * current_noise[r]) >> 8) * 2^-31
//   v = float32(((level_uv * 2^31 / 10^6) * 2^8                               + noise_v * voltage_noise) >> 8) * 2^-31
// JS110, range r, codes clamped to 0..16383, zero and gain by device (calibration.h):
//   code_i = (zero_milli[r] * 65536 / 1000 + level_pa * 65536 / gain_pa[r] + k * (slope_pa * 65536 / gain_pa[r])
//             + noise_i * current_noise[r]) >> 16
//   code_v = (zero_milli_v * 65536 / 1000 + level_uv * 65536000 / gain_nv + noise_v * voltage_noise) >> 16
//   x = float32((code - zero_milli / 1000.0) * (gain / 10^12 for i, / 10^9 for v))                       in float64
//   Where the segment before had another range, the first 6 samples of i (k = 0..5) are what the real driver puts there, a
//   straight line: a = x at first - 1, b = x at first + 6: float32(a + (b - a) * (k + 1) / 7.0)           in float64
//
// Segments (times in ticks of 0.5 us; per mille: level * f / 1000):
//   constant  : 10 mA for ever, active.
//   sleep-ble : 1.07 uA; in each 100 ms (n = tick / 200,000) one advertising event, which begins 20,000 + h(load, n) % 20,000
//               ticks into it and has the phases of the table in load_model.cpp, scaled by 980 + (h(load, n) >> 32) % 41 per
//               mille.
//   cpu       : slots of 1 ms (n = tick / 2,000), w = h(load, n) % 8. w < 3: idle, 12 mA, not active; w = 7: flash write, 85 mA;
//               else computing: every 20 us (m = tick / 40) another 30 mA + 150 uA * (h(load_detail, m) % 256).
//   ranges    : slots of 5 ms (n = tick / 10,000), h = h(load, n): full = {15u, 150u, 1.5m, 15m, 150m, 1.5, 9} A [(h >> 32) % 7],
//               a ramp from full * (200 + h % 512) per mille to full * (200 + (h >> 9) % 512) per mille (slope = difference /
//               10,000); active = h >> 20 & 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace joulespool::device {

constexpr uint32_t simulated_counter_rate_hz = 2'000'000;

enum class Load : uint8_t { sleep_ble, cpu, constant, ranges };
constexpr std::string_view load_names = "sleep-ble, cpu, constant, ranges";
std::optional<Load> parse_load(std::string_view name);

// The load's current from tick `first` to before `end`: level_pa + (tick - first) * slope_pa picoampere, never negative.
struct LoadSegment {
  uint64_t first = 0;
  uint64_t end = 0;
  int64_t level_pa = 0;
  int64_t slope_pa = 0;  // a tick
  bool active = false;   // the device under test says so on GPI 0

  [[nodiscard]] int64_t peak_pa() const;  // the larger end
  bool operator==(const LoadSegment&) const = default;
};

// The segment that holds `tick`. Pure. No segment is shorter than 10 ticks.
LoadSegment load_segment_at(Load load, uint64_t seed, uint64_t tick);

// Microvolt at the load's terminals.
constexpr int64_t supply_uv(int64_t level_pa) { return 3'300'000 - level_pa / 5'000'000; }

}  // namespace joulespool::device
