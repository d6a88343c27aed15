// The samples of a simulated instrument: the formula of load_model.h, in blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/device/calibration.h"
#include "agent/device/load_model.h"
#include "agent/device/simulated_device.h"

namespace joulespool::device {

// Immutable; any thread. A sample is the same however the calls are cut.
class Waveform {
 public:
  explicit Waveform(const SimulatedDevice& settings);  // valid settings

  // Sample k of i (A) and v (V; as many as i) is that of tick sample_id_first + k * decimation. Faults `nan` are applied,
  // faults `drop` and `lose` are not: the samples that are missing have values too.
  void samples(uint64_t sample_id_first, std::span<float> i, std::span<float> v) const;

  // Element k of a range or GPI signal at tick sample_id_first + k * packed_decimation(settings), packed as in
  // signal::PackedRun into the first packed_bytes(signal, count) bytes of `out`. GPI 0: the load's `active`; GPI 1:
  // tick / 1000 & 1; GPI 2: h(gpi, tick / 16384) & 1; GPI 3: 0.
  void packed(signal::SignalId signal, uint64_t sample_id_first, uint64_t count, std::span<std::byte> out) const;

 private:
  // value = base + k * step + noise * noise_scale, k in samples.
  struct Line {
    int64_t base = 0;
    int64_t step = 0;
    int64_t noise_scale = 0;
  };
  struct Scale {
    Line current, voltage;
    size_t range = 0;
  };

  [[nodiscard]] LoadSegment segment_at(uint64_t tick) const { return load_segment_at(load_, seed_, tick); }
  [[nodiscard]] size_t range_of(const LoadSegment& segment) const;
  [[nodiscard]] Scale scale_js110(const LoadSegment& segment, uint64_t tick) const;
  [[nodiscard]] Scale scale_js220(const LoadSegment& segment, uint64_t tick) const;
  void fill_js110(const LoadSegment& segment, uint64_t tick, std::span<float> i, std::span<float> v) const;
  void fill_js220(const LoadSegment& segment, uint64_t tick, std::span<float> i, std::span<float> v) const;
  [[nodiscard]] double raw_js110_current(uint64_t tick) const;
  void smooth_range_change(const LoadSegment& segment, uint64_t tick, std::span<float> i) const;
  void apply_nan(uint64_t sample_id_first, std::span<float> i, std::span<float> v) const;
  [[nodiscard]] unsigned packed_value(signal::SignalId signal, uint64_t tick, uint64_t& run_end) const;

  bool is_js110_;
  Load load_;
  uint64_t seed_;
  uint64_t noise_key_;
  uint32_t decimation_;
  uint32_t packed_decimation_;
  Faults faults_;
  bool has_nan_;
  Js110Calibration calibration_;
};

// 4 for ranges, 1 for GPI.
uint8_t packed_bits(signal::SignalId signal);
size_t packed_bytes(signal::SignalId signal, uint64_t count);

}  // namespace joulespool::device
