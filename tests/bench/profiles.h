// What instruments send, made up: the sample streams of a JS110 and a JS220 in nine situations, for the codec benchmark.
// Which load, noise and range a profile has is described in profiles.cpp and loads.cpp; all of it is a guess at real devices
// except where a source is named.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace joulespool::bench {

enum class Model { js110, js220 };
enum class Profile { sleep_ble, cpu, const_10ma, const_1a, ramp, idle_motor, ranges, sleep_nan, noise_fs };

inline constexpr std::array models = {Model::js110, Model::js220};
// The realistic ones, over which means are taken. noise_fs, full-scale white noise, is a bound and not among them.
inline constexpr std::array realistic_profiles = {Profile::sleep_ble, Profile::cpu,      Profile::const_10ma,
                                                  Profile::const_1a,  Profile::ramp,     Profile::idle_motor,
                                                  Profile::ranges,    Profile::sleep_nan};

std::string_view name_of(Model model);
std::string_view name_of(Profile profile);
double sample_rate_hz(Model model);  // 2 MS/s, 1 MS/s

// x = (float)((code + offset) * gain), in double.
struct Lattice {
  double offset = 0;
  double gain = 0;
};

constexpr size_t range_count = 7;     // 0: 10 A ... the last: 18 uA
constexpr uint8_t range_missing = 7;  // of a sample that is missing (NaN)

// Equally long columns, one value per sample.
struct Recording {
  std::vector<float> i, v, p;  // A, V, W; NaN where missing
  std::vector<uint8_t> range;  // of the current, 0 to range_missing
  // The integers behind i and v. JS110: 14-bit ADC codes, the predecessor's where i is interpolated. JS220: grid_integers().
  std::vector<int32_t> i_integers, v_integers;
  // JS110 only: the calibration behind the samples.
  std::array<Lattice, range_count> i_lattice{};
  Lattice v_lattice;
  // Bits per sample of the ADC's noise in i and v, given the signal without noise: no codec gets below where the signal itself
  // is not random. Interpolated and missing samples count 0.
  double noise_bits = 0;
};

// Values on a grid of 2^-31 as multiples of the largest power of two that divides them all; NaN as the value before it.
// Empty if they are on no such grid or do not fit 32 bits.
std::vector<int32_t> grid_integers(std::span<const float> values);

// A function of its arguments only (with one standard library: std::normal_distribution differs between them).
Recording make_recording(Model model, Profile profile, uint64_t seed, size_t count);

}  // namespace joulespool::bench
