#include "agent/device/waveform.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace joulespool::device {
namespace {

constexpr int64_t js110_code_max = 16'383;
constexpr uint64_t smoothed_ticks = 6;  // after a range change of a JS110

// The sums of the four low and of the four high bytes of a hash, each minus its mean.
struct Noise {
  int64_t current;
  int64_t voltage;
};

inline Noise noise_of(uint64_t hash) {
  constexpr uint64_t even_bytes = 0x00FF00FF00FF00FF;
  const uint64_t pairs = (hash & even_bytes) + ((hash >> 8) & even_bytes);
  const uint64_t sums = pairs + (pairs >> 16);  // bits 0..15: low half, 32..47: high half; at most 1020 each
  return {static_cast<int64_t>(sums & 0xFFFF) - 510, static_cast<int64_t>((sums >> 32) & 0xFFFF) - 510};
}

inline int64_t js110_code(int64_t value) { return std::clamp<int64_t>(value >> 16, 0, js110_code_max); }

inline float js110_value(int64_t code, double zero, double gain) {
  return static_cast<float>((static_cast<double>(code) - zero) * gain);
}

inline float js220_value(int64_t value) { return static_cast<float>(value >> 8) * 0x1p-31F; }

// Samples from `tick` on that lie before `end`, at most `count`.
size_t samples_before(uint64_t end, uint64_t tick, uint64_t decimation, size_t count) {
  const uint64_t ticks = end - tick;
  const uint64_t samples = ticks / decimation + (ticks % decimation != 0 ? 1 : 0);
  return static_cast<size_t>(std::min<uint64_t>(samples, count));
}

// Sets elements [first, end) of a zeroed packed run.
void set_run(std::span<std::byte> out, uint8_t bits, uint64_t first, uint64_t end, unsigned value) {
  if (value == 0) return;
  const unsigned per_byte = 8U / bits;
  const auto full = static_cast<std::byte>(bits == 1 ? 0xFFU : value * 0x11U);
  while (first < end) {
    if (first % per_byte == 0 && end - first >= per_byte) {
      const uint64_t bytes = (end - first) / per_byte;
      std::fill_n(out.begin() + static_cast<ptrdiff_t>(first / per_byte), bytes, full);
      first += bytes * per_byte;
    } else {
      out[first / per_byte] |= static_cast<std::byte>(value << (bits * (first % per_byte)));
      ++first;
    }
  }
}

}  // namespace

uint8_t packed_bits(signal::SignalId signal) { return signal == signal::SignalId::current_range ? 4 : 1; }

size_t packed_bytes(signal::SignalId signal, uint64_t count) {
  return static_cast<size_t>((count * packed_bits(signal) + 7) / 8);
}

Waveform::Waveform(const SimulatedDevice& settings)
    : is_js110_(settings.model == "js110"),
      load_(parse_load(settings.load).value_or(Load::constant)),
      seed_(settings.seed),
      noise_key_(hash_key(settings.seed, HashUse::noise)),
      decimation_(time_axis(settings).decimation),
      packed_decimation_(device::packed_decimation(settings)),
      faults_(settings.faults),
      has_nan_(std::any_of(faults_.begin(), faults_.end(), [](const Fault& f) { return f.kind == Fault::Kind::nan; })),
      calibration_(js110_calibration(settings.seed)) {}

size_t Waveform::range_of(const LoadSegment& segment) const {
  return is_js110_ ? range_for(js110_full_scale_pa, segment.peak_pa()) : range_for(js220_full_scale_pa, segment.peak_pa());
}

Waveform::Scale Waveform::scale_js110(const LoadSegment& segment, uint64_t tick) const {
  const size_t range = range_of(segment);
  const int64_t gain = calibration_.gain_pa[range];
  const int64_t slope = floor_div(segment.slope_pa * 65'536, gain);
  const int64_t current = calibration_.zero_milli[range] * 65'536 / 1000 + segment.level_pa * 65'536 / gain +
                          static_cast<int64_t>(tick - segment.first) * slope;
  const int64_t voltage =
      calibration_.voltage_zero_milli * 65'536 / 1000 + supply_uv(segment.level_pa) * 65'536'000 / calibration_.voltage_gain_nv;
  return {{current, slope * decimation_, js110_current_noise[range]}, {voltage, 0, js110_voltage_noise}, range};
}

Waveform::Scale Waveform::scale_js220(const LoadSegment& segment, uint64_t tick) const {
  constexpr int64_t five_to_12 = 244'140'625;  // 10^12 = 2^12 * 5^12
  const size_t range = range_of(segment);
  const int64_t slope = floor_div(segment.slope_pa * (int64_t{1} << 27), five_to_12);
  const int64_t current =
      segment.level_pa * (int64_t{1} << 19) / five_to_12 * 256 + static_cast<int64_t>(tick - segment.first) * slope;
  const int64_t voltage = supply_uv(segment.level_pa) * (int64_t{1} << 31) / 1'000'000 * 256;
  return {{current, slope * decimation_, js220_current_noise[range]}, {voltage, 0, js220_voltage_noise}, range};
}

void Waveform::fill_js110(const LoadSegment& segment, uint64_t tick, std::span<float> i, std::span<float> v) const {
  Scale scale = scale_js110(segment, tick);
  const double current_zero = static_cast<double>(calibration_.zero_milli[scale.range]) / 1000.0;
  const double current_gain = static_cast<double>(calibration_.gain_pa[scale.range]) / 1e12;
  const double voltage_zero = static_cast<double>(calibration_.voltage_zero_milli) / 1000.0;
  const double voltage_gain = static_cast<double>(calibration_.voltage_gain_nv) / 1e9;
  for (size_t k = 0; k < i.size(); ++k) {
    const Noise noise = noise_of(hash_at(noise_key_, tick + k * decimation_));
    i[k] = js110_value(js110_code(scale.current.base + noise.current * scale.current.noise_scale), current_zero, current_gain);
    v[k] = js110_value(js110_code(scale.voltage.base + noise.voltage * scale.voltage.noise_scale), voltage_zero, voltage_gain);
    scale.current.base += scale.current.step;
  }
}

void Waveform::fill_js220(const LoadSegment& segment, uint64_t tick, std::span<float> i, std::span<float> v) const {
  Scale scale = scale_js220(segment, tick);
  for (size_t k = 0; k < i.size(); ++k) {
    const Noise noise = noise_of(hash_at(noise_key_, tick + k * decimation_));
    i[k] = js220_value(scale.current.base + noise.current * scale.current.noise_scale);
    v[k] = js220_value(scale.voltage.base + noise.voltage * scale.voltage.noise_scale);
    scale.current.base += scale.current.step;
  }
}

double Waveform::raw_js110_current(uint64_t tick) const {
  float i = 0;
  float v = 0;
  fill_js110(segment_at(tick), tick, {&i, 1}, {&v, 1});
  return static_cast<double>(i);
}

// `i` begins at `tick`, which lies in `segment`.
void Waveform::smooth_range_change(const LoadSegment& segment, uint64_t tick, std::span<float> i) const {
  if (segment.first == 0 || tick - segment.first >= smoothed_ticks) return;
  if (range_of(segment_at(segment.first - 1)) == range_of(segment)) return;
  const double before = raw_js110_current(segment.first - 1);
  const double after = raw_js110_current(segment.first + smoothed_ticks);
  for (uint64_t k = tick - segment.first; k < smoothed_ticks && !i.empty(); k += decimation_, i = i.subspan(1))
    i[0] = static_cast<float>(before + (after - before) * static_cast<double>(k + 1) / 7.0);
}

void Waveform::apply_nan(uint64_t sample_id_first, std::span<float> i, std::span<float> v) const {
  for (size_t k = 0; k < i.size();) {
    const uint64_t tick = sample_id_first + k * decimation_;
    const size_t end = k + samples_before(next_change(faults_, tick), tick, decimation_, i.size() - k);
    if (!is_hit(faults_, Fault::Kind::nan, tick)) {
      k = end;
      continue;
    }
    for (; k < end; ++k) {
      const uint32_t bits[] = {nan_current_bits(sample_id_first + k * decimation_),
                               nan_voltage_bits(sample_id_first + k * decimation_)};
      std::memcpy(&i[k], &bits[0], sizeof(float));
      std::memcpy(&v[k], &bits[1], sizeof(float));
    }
  }
}

void Waveform::samples(uint64_t sample_id_first, std::span<float> i, std::span<float> v) const {
  for (size_t k = 0; k < i.size();) {
    const uint64_t tick = sample_id_first + k * decimation_;
    const LoadSegment segment = segment_at(tick);
    const size_t count = samples_before(segment.end, tick, decimation_, i.size() - k);
    if (is_js110_) {
      fill_js110(segment, tick, i.subspan(k, count), v.subspan(k, count));
      smooth_range_change(segment, tick, i.subspan(k, count));
    } else {
      fill_js220(segment, tick, i.subspan(k, count), v.subspan(k, count));
    }
    k += count;
  }
  if (has_nan_) apply_nan(sample_id_first, i, v);
}

unsigned Waveform::packed_value(signal::SignalId signal, uint64_t tick, uint64_t& run_end) const {
  constexpr uint64_t gpi1_ticks = 1'000;
  constexpr uint64_t gpi2_ticks = 16'384;
  if (signal == signal::SignalId::current_range || signal == signal::SignalId::gpi0) {
    const LoadSegment segment = segment_at(tick);
    run_end = segment.end;
    return signal == signal::SignalId::gpi0 ? unsigned{segment.active} : static_cast<unsigned>(range_of(segment));
  }
  switch (static_cast<unsigned>(signal) - static_cast<unsigned>(signal::SignalId::gpi0)) {
    case 1: return run_end = (tick / gpi1_ticks + 1) * gpi1_ticks, (tick / gpi1_ticks) & 1U;
    case 2: run_end = (tick / gpi2_ticks + 1) * gpi2_ticks; return hash_at(hash_key(seed_, HashUse::gpi), tick / gpi2_ticks) & 1U;
    default: return run_end = std::numeric_limits<uint64_t>::max(), 0;
  }
}

void Waveform::packed(signal::SignalId signal, uint64_t sample_id_first, uint64_t count, std::span<std::byte> out) const {
  const uint8_t bits = packed_bits(signal);
  std::fill_n(out.begin(), packed_bytes(signal, count), std::byte{0});
  for (uint64_t k = 0; k < count;) {
    const uint64_t tick = sample_id_first + k * packed_decimation_;
    uint64_t run_end = 0;
    const unsigned value = packed_value(signal, tick, run_end);
    const uint64_t end = k + samples_before(run_end, tick, packed_decimation_, static_cast<size_t>(count - k));
    set_run(out, bits, k, end, value);
    k = end;
  }
}

}  // namespace joulespool::device
