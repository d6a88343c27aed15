#include "tests/bench/profiles.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "tests/bench/loads.h"

namespace joulespool::bench {

namespace {

constexpr double supply_v = 3.3;
constexpr double entropy_of_unit_gaussian = 2.0470955851;  // bits: log2(2 pi e) / 2

// Per range of the current, 10 A first.
struct RangeTable {
  std::array<double, range_count> full_scale;  // A; 0: the device has no such range
  std::array<double, range_count> noise;       // A rms
};
// JS110: one step of the ADC is about a 12000th of full scale. JS220: 11 nA in the lowest range is from public recordings.
constexpr RangeTable js110_ranges = {{10, 2, 180e-3, 18e-3, 1.8e-3, 180e-6, 18e-6},
                                     {410e-6, 98e-6, 13.1e-6, 1.63e-6, 250e-9, 42e-9, 9.8e-9}};
constexpr RangeTable js220_ranges = {{10, 0, 180e-3, 18e-3, 1.8e-3, 180e-6, 18e-6},
                                     {287e-6, 0, 11e-6, 1.1e-6, 160e-9, 32e-9, 11e-9}};
constexpr std::array<double, range_count> js110_step = {0.68e-3, 164e-6, 14.6e-6, 1.49e-6, 150e-9, 15e-9, 1.5e-9};
constexpr double js110_v_step = 0.95e-3;   // 15 V range
constexpr double js110_v_noise = 0.80e-3;  // V rms
constexpr double js220_v_noise = 0.815e-3;

struct Noise {
  std::mt19937_64 random;
  std::normal_distribution<double> gaussian;
  double next() { return gaussian(random); }
  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }
};

// The range of each sample: up at once, down when the current has fitted a lower one for `patience` samples.
std::vector<uint8_t> auto_ranges(const RangeTable& table, const std::vector<double>& current, size_t patience) {
  const auto range_for = [&](double amperes) {
    for (size_t range = range_count; range-- > 1;)
      if (table.full_scale[range] > 0 && std::abs(amperes) < 0.98 * table.full_scale[range]) return static_cast<uint8_t>(range);
    return uint8_t{0};
  };
  std::vector<uint8_t> ranges(current.size());
  uint8_t now = current.empty() ? uint8_t{0} : range_for(current[0]);
  size_t fitted = 0;
  for (size_t at = 0; at < current.size(); ++at) {
    const uint8_t best = range_for(current[at]);
    fitted = best > now ? fitted + 1 : 0;
    if (best < now || fitted > patience) {
      now = best;
      fitted = 0;
    }
    ranges[at] = now;
  }
  return ranges;
}

// Bits of round(x + noise), noise Gaussian with `sigma`, averaged over where x lies between two integers.
double quantised_noise_bits(double sigma) {
  constexpr int phases = 16;
  double bits = 0;
  for (int phase = 0; phase < phases; ++phase) {
    const double x = (phase + 0.5) / phases;
    const int reach = static_cast<int>(10 * sigma) + 3;
    for (int k = -reach; k <= reach; ++k) {
      const auto above = [&](double edge) { return 0.5 * std::erfc((edge - x) / (sigma * std::sqrt(2.0))); };
      const double share = above(k - 0.5) - above(k + 0.5);
      if (share > 1e-300) bits -= share * std::log2(share);
    }
  }
  return bits / phases;
}

double arbitrary(Noise& noise, double nominal, double tolerance) { return nominal * (1 + tolerance * (2 * noise.uniform() - 1)); }

// A 14-bit ADC: the code of `value`.
int32_t code_of(double value, double noise, const Lattice& lattice) {
  return static_cast<int32_t>(std::clamp(std::round((value + noise) / lattice.gain - lattice.offset), 0.0, 16383.0));
}
double value_of(int32_t code, const Lattice& lattice) { return (code + lattice.offset) * lattice.gain; }

Recording empty_recording(size_t count) {
  Recording out;
  for (auto* column : {&out.i, &out.v, &out.p}) column->resize(count);
  for (auto* column : {&out.i_integers, &out.v_integers}) column->resize(count);
  return out;
}

// Stretches without sensor data: up to 0.25 ms, some 15 ms apart.
std::vector<bool> missing_samples(Noise& noise, double rate_hz, size_t count) {
  std::vector<bool> missing(count);
  for (size_t at = 0; at < count;) {
    at += static_cast<size_t>(noise.uniform() * 0.03 * rate_hz);
    const size_t end = std::min(count, at + static_cast<size_t>(noise.uniform() * 0.25e-3 * rate_hz));
    for (; at < end; ++at) missing[at] = true;
  }
  return missing;
}

void set_missing(Recording& out, const std::vector<bool>& missing) {
  for (size_t at = 0; at < missing.size(); ++at)
    if (missing[at]) {
      out.i[at] = out.v[at] = out.p[at] = std::numeric_limits<float>::quiet_NaN();
      out.range[at] = range_missing;
    }
}

// After a range change the driver replaces 5 to 8 samples of i by a line between its neighbours; p is then the float product.
// Returns which samples those are.
std::vector<bool> interpolate_changes(Recording& out, Noise& noise) {
  const size_t count = out.i.size();
  std::vector<bool> interpolated(count);
  for (size_t at = 1; at < count; ++at) {
    if (out.range[at] == out.range[at - 1]) continue;
    const size_t width = 5 + noise.random() % 4;
    if (at + width >= count) break;
    const float from = out.i[at - 1], step = (out.i[at + width] - from) / static_cast<float>(width + 1);
    for (size_t k = 0; k < width; ++k) {
      out.i[at + k] = from + step * static_cast<float>(k + 1);
      out.p[at + k] = out.i[at + k] * out.v[at + k];
      out.i_integers[at + k] = out.i_integers[at - 1];
      interpolated[at + k] = true;
    }
    at += width - 1;
  }
  return interpolated;
}

double js110_noise_bits(const Recording& recording, const std::vector<bool>& interpolated) {
  std::array<double, range_count> i_bits{};
  for (size_t range = 0; range < range_count; ++range)
    i_bits[range] = quantised_noise_bits(js110_ranges.noise[range] / recording.i_lattice[range].gain);
  const double v_bits = quantised_noise_bits(js110_v_noise / recording.v_lattice.gain);
  double bits = 0;
  for (size_t at = 0; at < interpolated.size(); ++at)
    if (recording.range[at] != range_missing) bits += v_bits + (interpolated[at] ? 0 : i_bits[recording.range[at]]);
  return bits / static_cast<double>(interpolated.size());
}

Recording js110(Profile profile, Noise& noise, size_t count) {
  Recording out = empty_recording(count);
  for (size_t range = 0; range < range_count; ++range)
    out.i_lattice[range] = {arbitrary(noise, -2000, 0.02), arbitrary(noise, js110_step[range], 0.01)};
  out.v_lattice = {arbitrary(noise, -300, 0.1), arbitrary(noise, js110_v_step, 0.01)};
  const bool white = profile == Profile::noise_fs;
  const double rate_hz = sample_rate_hz(Model::js110);
  const std::vector<double> current =
      white ? std::vector<double>(count, 1.0) : load_current(profile, rate_hz, noise.random, count);
  out.range = auto_ranges(js110_ranges, current, 40);
  const auto any_code = [&] { return static_cast<int32_t>(noise.random() >> 50); };
  for (size_t at = 0; at < count; ++at) {
    const size_t range = out.range[at];
    const Lattice& lattice = out.i_lattice[range];
    out.i_integers[at] = white ? any_code() : code_of(current[at], noise.next() * js110_ranges.noise[range], lattice);
    out.v_integers[at] = white ? any_code() : code_of(supply_v, noise.next() * js110_v_noise, out.v_lattice);
    const double i = value_of(out.i_integers[at], lattice), v = value_of(out.v_integers[at], out.v_lattice);
    out.i[at] = static_cast<float>(i);
    out.v[at] = static_cast<float>(v);
    out.p[at] = static_cast<float>(i * v);
  }
  const std::vector<bool> interpolated = interpolate_changes(out, noise);
  if (profile == Profile::sleep_nan) set_missing(out, missing_samples(noise, rate_hz, count));
  out.noise_bits = white ? 28 : js110_noise_bits(out, interpolated);
  return out;
}

// The instrument's filter, guessed: short, almost white in its noise. Symmetric; adds up to 1.
constexpr std::array<double, 3> filter_taps = {0.03, 0.94, 0.03};
constexpr double filter_innovation = 0.939;  // the leading coefficient of its minimum-phase twin

// A step of the instrument's numbers: Q31, or the float's own where that is coarser.
double grid_step(double value) { return std::ldexp(1.0, std::max(-31, std::ilogb(value) - 23)); }

// Noisy readings at the instrument's input, filtered, as the float on the Q31 grid.
std::vector<float> filtered(const std::vector<double>& input) {
  std::vector<float> out(input.size());
  for (size_t at = 0; at < input.size(); ++at) {
    const double before = input[at > 0 ? at - 1 : 0], after = input[std::min(at + 1, input.size() - 1)];
    const double sum = filter_taps[0] * before + filter_taps[1] * input[at] + filter_taps[2] * after;
    out[at] = static_cast<float>(std::round(sum * 0x1p31) * 0x1p-31);
  }
  return out;
}

// Given the filter and the grid, by the entropy of a Gaussian; good to about 0.05 bit.
double js220_noise_bits(const Recording& recording, const std::vector<double>& current) {
  const auto bits_of = [](double noise, double value) {
    return entropy_of_unit_gaussian + std::log2(filter_innovation * noise / grid_step(value));
  };
  const double v_bits = bits_of(js220_v_noise, supply_v);
  double bits = 0;
  for (size_t at = 0; at < current.size(); ++at)
    if (recording.range[at] != range_missing) bits += v_bits + bits_of(js220_ranges.noise[recording.range[at]], current[at]);
  return bits / static_cast<double>(current.size());
}

// White over the whole Q31 range. As float32 each value has 26 bits: sign, binade (half of them, a quarter, ...: 2), 23 more.
Recording js220_white(Noise& noise, size_t count) {
  Recording out = empty_recording(count);
  out.range.assign(count, 0);
  for (size_t at = 0; at < count; ++at)
    for (auto* column : {&out.i, &out.v})
      (*column)[at] = static_cast<float>(static_cast<double>(static_cast<int64_t>(noise.random()) >> 32) * 0x1p-31);
  out.noise_bits = 52;
  return out;
}

Recording js220_load(Profile profile, Noise& noise, size_t count) {
  Recording out = empty_recording(count);
  const double rate_hz = sample_rate_hz(Model::js220);
  const std::vector<double> current = load_current(profile, rate_hz, noise.random, count);
  out.range = auto_ranges(js220_ranges, current, 20);
  std::vector<double> i(count), v(count);
  for (size_t at = 0; at < count; ++at) {
    i[at] = current[at] + noise.next() * js220_ranges.noise[out.range[at]];
    v[at] = supply_v + noise.next() * js220_v_noise;
  }
  out.i = filtered(i);
  out.v = filtered(v);
  if (profile == Profile::sleep_nan) set_missing(out, missing_samples(noise, rate_hz, count));
  out.noise_bits = js220_noise_bits(out, current);
  return out;
}

Recording js220(Profile profile, Noise& noise, size_t count) {
  Recording out = profile == Profile::noise_fs ? js220_white(noise, count) : js220_load(profile, noise, count);
  for (size_t at = 0; at < count; ++at) out.p[at] = out.range[at] == range_missing ? out.i[at] : out.i[at] * out.v[at];
  out.i_integers = grid_integers(out.i);
  out.v_integers = grid_integers(out.v);
  return out;
}

}  // namespace

std::vector<int32_t> grid_integers(std::span<const float> values) {
  const auto scaled = [](float value) {
    return std::isnan(value) ? int64_t{0} : static_cast<int64_t>(static_cast<double>(value) * 0x1p31);
  };
  int64_t bits = 0;
  for (const float value : values) bits |= scaled(value);
  const int zeros = bits == 0 ? 0 : std::countr_zero(static_cast<uint64_t>(bits));
  std::vector<int32_t> out(values.size());
  int64_t last = 0;
  for (size_t at = 0; at < values.size(); ++at) {
    if (!std::isnan(values[at])) last = scaled(values[at]) >> zeros;
    if (!std::in_range<int32_t>(last) ||
        (!std::isnan(values[at]) && static_cast<float>(std::ldexp(static_cast<double>(last), zeros - 31)) != values[at]))
      return {};
    out[at] = static_cast<int32_t>(last);
  }
  return out;
}

std::string_view name_of(Model model) { return model == Model::js110 ? "js110" : "js220"; }

std::string_view name_of(Profile profile) {
  constexpr std::array<std::string_view, 9> names = {"sleep_ble",  "cpu",    "const10mA", "const1A", "ramp",
                                                     "idle_motor", "ranges", "sleep+NaN", "noise_fs"};
  return names[static_cast<size_t>(profile)];
}

double sample_rate_hz(Model model) { return model == Model::js110 ? 2e6 : 1e6; }

Recording make_recording(Model model, Profile profile, uint64_t seed, size_t count) {
  Noise noise{std::mt19937_64(seed * 1000 + static_cast<uint64_t>(profile)), {}};
  return model == Model::js110 ? js110(profile, noise, count) : js220(profile, noise, count);
}

}  // namespace joulespool::bench
