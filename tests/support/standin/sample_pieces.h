// Samples of an instrument at one rate, as a run of pieces: what the simulated device of that rate measures.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "agent/device/waveform.h"
#include "tests/support/standin/device_plan.h"

namespace joulespool::standin {

constexpr size_t piece_samples = 8192;

// From sample_id to what is measured: (sample_id + slide) / ticks_per_measure is a tick of the simulation.
struct Measure {
  uint64_t slide = 0;
  uint32_t ticks_per_measure = 1;  // js320: 8
  [[nodiscard]] uint64_t tick_of(uint64_t sample_id) const { return (sample_id + slide) / ticks_per_measure; }
};

constexpr uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class SamplePieces {
 public:
  // rate_hz: of i and v; decimation: ids from one sample to the next.
  SamplePieces(const DevicePlan& plan, uint32_t rate_hz, uint32_t decimation)
      : waveform_(simulated_twin(plan, rate_hz)), decimation_(decimation) {}

  void begin_at(uint64_t sample_id) { next_ = round_up(sample_id, decimation_); }
  [[nodiscard]] uint64_t next_id() const { return next_; }
  [[nodiscard]] uint32_t decimation() const { return decimation_; }

  // All samples with ids before `end`: take(sample_id, i, v), any number of times. The memory is reused.
  template <class Take>
  void run_to(uint64_t end, const Measure& measure, Take take) {
    while (next_ < end) {
      const auto count = static_cast<size_t>(std::min<uint64_t>((end - next_ + decimation_ - 1) / decimation_, piece_samples));
      const std::span<float> i(i_.data(), count), v(v_.data(), count);
      waveform_.samples(measure.tick_of(next_), i, v);
      const uint64_t first = next_;
      next_ += count * decimation_;
      take(first, std::span<const float>(i), std::span<const float>(v));
    }
  }

 private:
  const device::Waveform waveform_;
  const uint32_t decimation_;
  uint64_t next_ = 0;
  std::array<float, piece_samples> i_{};
  std::array<float, piece_samples> v_{};
};

// Ranges and inputs.
class PackedPieces {
 public:
  // rate_hz: of i and v (a js110's follow it); decimation: ids from one element to the next.
  PackedPieces(const DevicePlan& plan, uint32_t rate_hz, uint32_t decimation);

  void begin_at(uint64_t sample_id) { next_ = round_up(sample_id, decimation_); }
  [[nodiscard]] uint64_t next_id() const { return next_; }

  // Elements that are due before `end`: how many of them go into the next piece, and then each signal's.
  [[nodiscard]] size_t due(uint64_t end) const;
  std::span<const std::byte> measure(signal::SignalId signal, size_t count, const Measure& measure);
  void advance(size_t count) { next_ += count * uint64_t{decimation_}; }

 private:
  void mark_missing(size_t count, const Measure& measure);
  void thin(uint8_t bits, size_t count);

  const device::Waveform waveform_;
  const device::Faults nan_;
  const bool is_js110_;
  const bool thins_;  // js320: every second of what a js220 has
  const uint32_t decimation_;
  uint64_t next_ = 0;
  std::array<std::byte, 2 * piece_samples> elements_{};
};

}  // namespace joulespool::standin
