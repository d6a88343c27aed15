// The instruments' time: maps to UTC, and whether a counter went on or began anew. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/device/joulescope_abi.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// The driver's map, with `quality` if its time can be true: unsynchronised before wire::plausible_utc_ns, unknown if it says
// nothing.
wire::UtcMap utc_map(const abi::TimeMap& map, wire::UtcQuality quality);

// Which life of the counter a block belongs to. A counter that went on while nobody looked (closed and opened again, the agent
// restarted) keeps its life, so that what is missing can be counted; one that began anew gets another.
class CounterLife {
 public:
  // `device`: id, goes into new lives.
  explicit CounterLife(std::string device) : device_(std::move(device)) {}
  // Where an earlier run of the agent ended.
  void resume(const ResumePoint& point);
  // The stream was interrupted: the next block may be of a new life.
  void interrupt() { interrupted_ = true; }

  struct Moment {
    uint64_t sample_id = 0;
    wire::UtcMap utc;
    int64_t monotonic_ns = 0;
    int64_t realtime_ns = 0;
  };
  // The life of a block that begins at `begin`; `axis` is the block's, its life is not looked at.
  uint64_t life_of_block(const wire::TimeAxis& axis, const Moment& begin);
  // The block's end was reached at that moment.
  void advance(uint64_t sample_id_end, const Moment& now);
  [[nodiscard]] uint64_t life() const { return life_; }

 private:
  [[nodiscard]] bool goes_on(const wire::TimeAxis& axis, const Moment& begin) const;

  std::string device_;
  uint64_t life_ = 0;
  uint32_t counter_rate_hz_ = 0;
  uint64_t sample_id_end_ = 0;
  std::optional<int64_t> monotonic_ns_;  // when that was reached; none: in an earlier run
  wire::UtcMap utc_;
  bool interrupted_ = true;
};

}  // namespace joulespool::device
