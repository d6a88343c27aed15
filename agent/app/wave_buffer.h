// Samples on their way into frames of lane `wave`, at the full rate or a lower one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agent/app/resolution.h"
#include "agent/app/sample_ring.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/signal/bit_column.h"
#include "agent/signal/piecewise_decimator.h"
#include "agent/signal/window_accumulator.h"
#include "agent/wire/frame.h"

namespace joulespool::app {

// A frame's worth of consecutive samples, coded.
struct WavePiece {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  wire::Window sums;                     // of all samples, whatever of them was kept
  std::optional<wire::Resolution> kept;  // none: all of them
  wire::ByteView payload;                // valid during the call
};

struct WaveBufferSettings {
  wire::TimeAxis axis;
  uint64_t window_ticks = 1;     // of lane stat
  uint32_t rate_hz = 0;          // of the waveform that is kept at most; 0: the full rate
  bool has_budget = false;       // take() gets one that limits
  size_t frame_bytes_max = 0;    // the whole frame
  size_t frame_bytes_empty = 0;  // of one with an empty payload
};

// Holds runs of consecutive samples of one axis and cuts them into payloads that fit a size and a budget. The kept samples are
// those of a Decimator over the whole run, wherever it was cut.
class WaveBuffer {
 public:
  explicit WaveBuffer(const WaveBufferSettings& settings);

  // `skip`: samples at the block's beginning to leave out.
  void add(const OwnedBlock& block, size_t skip);
  // What lies before this sample_id can be taken now. The rest waits for those that follow it, which a lower rate's filter needs,
  // as far as it goes on.
  [[nodiscard]] uint64_t takeable_end() const;
  // Codes everything before sample_id `end` and hands it over piece by piece. `end` is at most takeable_end(), or `ended`:
  // nothing follows, anything can be taken.
  void take(uint64_t end, bool ended, ByteBudget& budget, const std::function<void(const WavePiece&)>& give);

 private:
  // Its samples before `taken` are there for the filters only.
  struct Run {
    uint64_t id = 0;
    uint64_t sample_id = 0;
    std::vector<float> i, v, p;  // p is filled only if has_power
    bool has_power = false;
    std::vector<signal::BitColumn> packed;
    size_t taken = 0;
  };
  struct LowerRate {
    signal::PiecewiseDecimator i, v;
  };
  void take_run(Run& run, size_t end, bool ended, ByteBudget& budget, const std::function<void(const WavePiece&)>& give);
  [[nodiscard]] std::vector<codec::PackedSignal> packed_of(const Run& run, size_t first, size_t count,
                                                           std::deque<wire::Bytes>& bytes) const;
  [[nodiscard]] bool has_packed(const Run& run, size_t first, size_t count) const;
  [[nodiscard]] size_t samples_max(const Run& run) const;
  wire::ByteView encode(const Run& run, size_t first, size_t count, const Rung& rung, bool ended);
  wire::ByteView encode_windows(const Run& run, size_t first, size_t count, uint32_t window_factor);
  [[nodiscard]] WavePiece piece(const Run& run, size_t first, size_t count, const Rung& rung, const ByteBudget& budget) const;
  void drop_taken(Run& run) const;
  [[nodiscard]] signal::SampleSpan span_of(const Run& run, size_t first, size_t count) const;

  WaveBufferSettings settings_;
  ResolutionChooser chooser_;
  std::map<uint32_t, LowerRate> lower_rates_;      // by factor
  size_t samples_before_ = 0, samples_after_ = 0;  // that the lower rates need around a piece
  std::deque<Run> runs_;
  uint64_t runs_begun_ = 0;
  uint64_t expected_ = 0;         // sample_id that would continue the last run
  codec::SampleEncoder encoder_;  // learns the instrument's calibration, which holds for all samples but not for filtered ones
  codec::SampleEncoder lower_rate_encoder_;
  codec::WindowEncoder window_encoder_;
  std::vector<wire::Window> windows_;
};

}  // namespace joulespool::app
