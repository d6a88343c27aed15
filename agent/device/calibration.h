// Ranges, noise and calibration of the simulated instruments; numbers of the formula in load_model.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "agent/device/tick_hash.h"

namespace joulespool::device {

// Full scale of the current ranges, picoampere, most sensitive last; the index is the value of signal current_range.
constexpr std::array<int64_t, 7> js110_full_scale_pa = {10'000'000'000'000, 2'000'000'000'000, 180'000'000'000, 18'000'000'000,
                                                        1'800'000'000,      180'000'000,       18'000'000};
constexpr std::array<int64_t, 6> js220_full_scale_pa = {10'000'000'000'000, 180'000'000'000, 18'000'000'000,
                                                        1'800'000'000,      180'000'000,     18'000'000};

// The most sensitive range that holds peak_pa; 0 if none does.
template <size_t Count>
constexpr size_t range_for(const std::array<int64_t, Count>& full_scale_pa, int64_t peak_pa) {
  for (size_t range = Count - 1; range > 0; --range)
    if (peak_pa <= full_scale_pa[range]) return range;
  return 0;
}

// Noise: what one unit of noise_i or noise_v (standard deviation 147.8 units) adds. JS220: in 2^-39 A, V: 11 nA in the 18 uA
// range as measured on real instruments, 0.11 mV; the other ranges are estimates. JS110: in 2^-16 codes: 6 codes in the
// 18 uA range, 2 in the next, 0.8 elsewhere.
constexpr std::array<int64_t, 6> js220_current_noise = {372'000, 18'600, 1'970, 372, 93, 41};
constexpr int64_t js220_voltage_noise = 416'000;
constexpr std::array<int64_t, 7> js110_current_noise = {354, 354, 354, 354, 354, 886, 2'660};
constexpr int64_t js110_voltage_noise = 354;

// x = (code - zero_milli / 1000) * gain: each JS110 has its own, within 1 % of nominal.
struct Js110Calibration {
  std::array<int64_t, 7> gain_pa{};     // picoampere a code
  std::array<int64_t, 7> zero_milli{};  // code at 0 A, in thousandths
  int64_t voltage_gain_nv = 0;          // nanovolt a code (15 V range)
  int64_t voltage_zero_milli = 0;
};

// gain = nominal * (99000 + h(calibration, r) % 2001) / 100000; zero = 1,000,000 + (h(calibration, r) >> 32) % 600,000;
// voltage is r = 7 with nominal 950,000 nV and zero = 150,000 + (h >> 32) % 200,000.
constexpr Js110Calibration js110_calibration(uint64_t seed) {
  constexpr std::array<int64_t, 7> nominal_pa = {680'000'000, 164'000'000, 14'600'000, 1'490'000, 150'000, 15'000, 1'500};
  const uint64_t key = hash_key(seed, HashUse::calibration);
  Js110Calibration calibration;
  for (size_t range = 0; range < nominal_pa.size(); ++range) {
    const uint64_t hash = hash_at(key, range);
    calibration.gain_pa[range] = nominal_pa[range] * static_cast<int64_t>(99'000 + hash % 2'001) / 100'000;
    calibration.zero_milli[range] = static_cast<int64_t>(1'000'000 + (hash >> 32) % 600'000);
  }
  const uint64_t hash = hash_at(key, nominal_pa.size());
  calibration.voltage_gain_nv = 950'000 * static_cast<int64_t>(99'000 + hash % 2'001) / 100'000;
  calibration.voltage_zero_milli = static_cast<int64_t>(150'000 + (hash >> 32) % 200'000);
  return calibration;
}

}  // namespace joulespool::device
