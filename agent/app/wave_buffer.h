// Full-rate samples on their way into frames of lane `wave`.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "agent/app/sample_ring.h"
#include "agent/codec/samples.h"
#include "agent/signal/bit_column.h"
#include "agent/signal/window_accumulator.h"

namespace joulespool::app {

// A frame's worth of consecutive samples, coded.
struct WavePiece {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  signal::SampleSpan samples;  // with power; valid during the call
  wire::ByteView payload;      // valid during the call
};

// Holds runs of consecutive samples of one axis and cuts them into payloads that fit a size.
class WaveBuffer {
 public:
  // `skip`: samples at the block's beginning to leave out.
  void add(const OwnedBlock& block, size_t skip);
  // Codes everything before sample_id `end` and hands it over piece by piece, none larger than payload_bytes_max.
  void take(uint64_t end, uint32_t decimation, size_t payload_bytes_max, const std::function<void(const WavePiece&)>& give);
  [[nodiscard]] size_t sample_count() const;
  void clear() { runs_.clear(); }

 private:
  struct Run {
    uint64_t sample_id = 0;
    std::vector<float> i, v, p;  // p is filled only if has_power
    bool has_power = false;
    std::vector<signal::BitColumn> packed;
  };
  void take_run(Run& run, size_t count, uint32_t decimation, size_t payload_bytes_max,
                const std::function<void(const WavePiece&)>& give);
  wire::ByteView encode(const Run& run, size_t first, size_t count, uint32_t decimation);

  std::deque<Run> runs_;
  uint64_t expected_ = 0;        // sample_id that would continue the last run
  double bytes_per_sample_ = 8;  // of the last piece: how many samples to try next
  codec::SampleEncoder encoder_;
  std::vector<float> power_;
};

}  // namespace joulespool::app
