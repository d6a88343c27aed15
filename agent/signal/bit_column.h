// 1-bit or 4-bit samples collected over several blocks.
#pragma once

#include <cstdint>

#include "agent/signal/sample_block.h"

namespace joulespool::signal {

// Elements of one packed signal, consecutive on the device's axis.
class BitColumn {
 public:
  explicit BitColumn(const PackedRun& run)
      : signal_(run.signal), bits_(run.bits), decimation_(run.decimation), sample_id_(run.sample_id) {}

  // True if `run` is of this signal and goes on where the column ends.
  [[nodiscard]] bool continues(const PackedRun& run) const;
  void append(const PackedRun& run);
  // The elements with sample_ids in [first, end), packed from bit 0 on in `bytes` (which the result points to).
  [[nodiscard]] PackedRun slice(uint64_t first, uint64_t end, wire::Bytes& bytes) const;
  // Forgets elements before `sample_id`.
  void drop_before(uint64_t sample_id);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] uint32_t decimation() const { return decimation_; }  // ticks from element to element
  [[nodiscard]] uint64_t sample_id() const { return sample_id_; }
  [[nodiscard]] uint64_t sample_id_end() const { return sample_id_ + count_ * decimation_; }

 private:
  [[nodiscard]] uint64_t index_of(uint64_t sample_id) const;  // of the first element at or after it, at most count_

  SignalId signal_;
  uint8_t bits_;
  uint32_t decimation_;
  uint64_t sample_id_;  // of element 0
  uint64_t count_ = 0;
  wire::Bytes bytes_;
};

}  // namespace joulespool::signal
