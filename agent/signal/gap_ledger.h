// Where a device's samples continue, and what is missing in between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/signal/sample_block.h"
#include "agent/wire/event.h"

namespace joulespool::signal {

// Why samples will be missing, told before the block that jumps over them.
struct Hole {
  uint64_t axis = 0;  // life of the counter
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  wire::GapReason reason = wire::GapReason::usb_drop;
  std::string detail;
};

// Positions are sample_ids of one life of the counter; time is not looked at.
class GapLedger {
 public:
  // More holes than this wait for no block: those beyond are gaps all the same, but of the reason that unexplained ones have.
  static constexpr size_t holes_max = 4096;

  // Nothing is known of the device.
  GapLedger() = default;
  // An earlier run stored everything up to sample_id_end; what is missing from there to the first block was lost by the restart.
  GapLedger(const wire::TimeAxis& axis, uint64_t sample_id_end, const wire::UtcMap& utc);

  // Samples that will be found missing, before the next block or a later one. Where they are not missing then, it is not
  // believed.
  void on_hole(Hole hole);
  // The device is gone: the next hole is because of that.
  void on_device_lost() { hole_reason_ = wire::GapReason::device_lost; }

  // What is missing between the last block and this one; then expects the block's end. A block of another life of the
  // counter, or of another rate, gives an open-ended gap on the old axis; the new one begins with the first hole told for it,
  // if that lies before the block.
  std::vector<wire::Gap> on_block(const SampleBlock& block);
  // Nothing more will come in this run: holes that no block has followed.
  std::vector<wire::Gap> on_end();
  // How many samples at the block's beginning were had before (the source repeated them): to be left out.
  [[nodiscard]] uint64_t repeated(const SampleBlock& block) const;

  [[nodiscard]] bool started() const { return axis_.has_value(); }
  [[nodiscard]] bool continues(const wire::TimeAxis& axis) const { return axis_ && *axis_ == axis; }
  // The next sample that is expected.
  [[nodiscard]] uint64_t sample_id_end() const { return sample_id_end_; }

 private:
  [[nodiscard]] wire::Gap gap(wire::GapReason reason, uint64_t first, uint64_t end) const;
  [[nodiscard]] std::vector<wire::Gap> gaps_before(uint64_t sample_id) const;
  [[nodiscard]] wire::Gap open_ended_gap() const;
  [[nodiscard]] uint64_t on_grid(uint64_t sample_id, uint64_t limit) const;
  void begin_axis(const SampleBlock& block);
  void forget_holes();

  std::optional<wire::TimeAxis> axis_;
  wire::UtcMap utc_;
  uint64_t sample_id_end_ = 0;
  wire::GapReason hole_reason_ = wire::GapReason::usb_drop;  // of holes that nobody told
  std::vector<Hole> holes_;                                  // told, and still to come
};

}  // namespace joulespool::signal
