// Where a device's samples continue, and what is missing in between.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/interval_set.h"
#include "agent/signal/sample_block.h"
#include "agent/wire/event.h"

namespace joulespool::signal {

// Positions are sample_ids of one life of the counter; time is not looked at.
class GapLedger {
 public:
  // Nothing is known of the device.
  GapLedger() = default;
  // An earlier run stored everything up to sample_id_end; what is missing from there to the first block was lost by the restart.
  GapLedger(const wire::TimeAxis& axis, uint64_t sample_id_end, const wire::UtcMap& utc);

  // Samples that were handed over, but lost because the agent had no room (several ranges may be pending).
  void on_overrun(uint64_t sample_id_first, uint64_t sample_id_end);
  // The device is gone: the next hole is because of that.
  void on_device_lost() { hole_reason_ = wire::GapReason::device_lost; }

  // What is missing between the last block and this one; then expects the block's end. A block of another life of the
  // counter, or of another rate, gives an open-ended gap on the old axis.
  std::vector<wire::Gap> on_block(const SampleBlock& block);
  // Nothing more will come in this run: overruns that no block has followed.
  std::vector<wire::Gap> on_end();
  // How many samples at the block's beginning were had before (the source repeated them): to be left out.
  [[nodiscard]] uint64_t repeated(const SampleBlock& block) const;

  [[nodiscard]] bool started() const { return axis_.has_value(); }
  [[nodiscard]] bool continues(const wire::TimeAxis& axis) const { return axis_ && *axis_ == axis; }
  // The next sample that is expected.
  [[nodiscard]] uint64_t sample_id_end() const { return sample_id_end_; }

 private:
  [[nodiscard]] wire::Gap gap(wire::GapReason reason, uint64_t first, uint64_t end) const;
  [[nodiscard]] std::vector<wire::Gap> holes_before(uint64_t sample_id);
  [[nodiscard]] wire::Gap open_ended_gap() const;

  std::optional<wire::TimeAxis> axis_;
  wire::UtcMap utc_;
  uint64_t sample_id_end_ = 0;
  wire::GapReason hole_reason_ = wire::GapReason::usb_drop;
  IntervalSet overruns_;
};

}  // namespace joulespool::signal
