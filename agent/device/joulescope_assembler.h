// Messages of single signals into blocks of all of them. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "agent/signal/bit_column.h"
#include "agent/signal/sample_block.h"

namespace joulespool::device {

// A sample is there when both its current and its voltage came: what only one of them has is left out, and the jump in
// sample_id shows it. Range and GPI go with it as far as they came.
class SampleAssembler {
 public:
  // Current and voltage are waited for this long for each other and for the rest, in samples; then they go without the rest.
  // What current or voltage have beyond that without the other is given up, oldest first.
  // Of packed signals the last packed_ticks_max wait.
  SampleAssembler(std::vector<signal::SignalId> packed, uint64_t waiting_samples_max, uint64_t packed_ticks_max);

  void add_current(uint64_t sample_id, uint32_t decimation, std::span<const float> values) {
    i_.add(sample_id, decimation, values);
  }
  void add_voltage(uint64_t sample_id, uint32_t decimation, std::span<const float> values) {
    v_.add(sample_id, decimation, values);
  }
  void add_packed(const signal::PackedRun& run);

  // A stretch of samples without a hole: sample_id, decimation, i, v and the packed runs that cover all of it. Valid during
  // the call only.
  struct Stretch {
    uint64_t sample_id = 0;
    uint32_t decimation = 1;
    std::span<const float> i, v;
    std::span<const signal::PackedRun> packed;
    [[nodiscard]] uint64_t sample_id_end() const { return sample_id + i.size() * decimation; }
  };
  // Hands over what is complete, oldest first.
  void take(const std::function<void(const Stretch&)>& give);
  // Forgets what waits.
  void clear();

 private:
  // Samples of one signal in order; each run is without a hole.
  class Column {
   public:
    void add(uint64_t sample_id, uint32_t decimation, std::span<const float> values);
    [[nodiscard]] bool empty() const { return runs_.empty(); }
    [[nodiscard]] uint64_t first() const { return runs_.front().sample_id; }
    [[nodiscard]] uint64_t end() const { return runs_.front().end(); }  // of the first run
    [[nodiscard]] uint32_t decimation() const { return runs_.front().decimation; }
    [[nodiscard]] std::span<const float> values(uint64_t end) const;  // from first() to `end`
    [[nodiscard]] uint64_t waiting() const;
    void drop_before(uint64_t sample_id);
    void clear() { runs_.clear(); }

   private:
    struct Run {
      uint64_t sample_id = 0;
      uint32_t decimation = 1;
      size_t at = 0;  // values before this are gone
      std::vector<float> values;
      [[nodiscard]] uint64_t end() const { return sample_id + (values.size() - at) * decimation; }
    };
    std::deque<Run> runs_;
    std::vector<float> spare_;  // memory of a run that is gone
  };
  struct PackedColumns {
    signal::SignalId signal;
    std::deque<signal::BitColumn> runs;
    uint64_t end = 0;  // of all that came
  };

  [[nodiscard]] bool next_span(uint64_t& first, uint64_t& end);
  [[nodiscard]] uint64_t waited_end(uint64_t end) const;
  [[nodiscard]] uint64_t even_end(uint64_t first, uint64_t end) const;
  static void drop_packed_before(PackedColumns& column, uint64_t sample_id);
  void give_stretch(uint64_t first, uint64_t end, const std::function<void(const Stretch&)>& give);

  Column i_, v_;
  std::vector<PackedColumns> packed_;
  const uint64_t waiting_samples_max_, packed_ticks_max_;
  std::vector<signal::PackedRun> slices_;
  std::vector<wire::Bytes> slice_bytes_;
};

}  // namespace joulespool::device
