// The windows of waiting frames of lane stat, merged into windows ten times as long. When the disk is too small for an outage,
// this costs resolution and no energy. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/windows.h"
#include "agent/wire/frame.h"

namespace joulespool::app {

// A frame of lane stat, opened.
struct StatFrame {
  wire::FrameHeader header;
  std::vector<wire::Window> windows;
};
// Errors: damaged (no frame of lane stat, a payload that cannot be read, windows that contradict the header or each other), usage
// (a codec that this version does not know).
Result<StatFrame> open_stat_frame(wire::ByteView bytes);

struct CoarseningSettings {
  size_t frame_bytes_max = wire::frame_size_max_default;
  int64_t window_us = 1000;  // of windows as the agent makes them now; those of earlier runs may be of another length
};

// Length of windows of lane stat: `window_us`, or the next shorter one of whole samples, at least one.
uint64_t window_ticks(int64_t window_us, const wire::TimeAxis& axis);

// A frame that stands for those that were given. Its epoch, seq and host times are for whoever stores it.
struct CoarseFrame {
  wire::FrameHeader header;
  wire::Bytes payload;
};

// What `frames` names, those of one epoch sorted and joined where they follow each other.
std::vector<wire::ReplacedFrames> joined(std::vector<wire::ReplacedFrames> frames);

// The new windows begin at multiples of ten times the length of the old ones. A new frame begins where the old ones are of
// another host, device, axis, grid or have other labels; where samples are missing between two of them (so that within a frame
// only gaps of all lanes are missing); where their UTC maps differ by more than utc_tolerance_ns or in quality; and where the
// frame is full. A window on such a border becomes two shorter ones.
class Coarsening {
 public:
  static constexpr int64_t utc_tolerance_ns = 1'000'000;

  explicit Coarsening(const CoarseningSettings& settings) : settings_(settings) {}
  // Frames of one lane in the order of their samples; memory follows the size of one new frame. False, and nothing added: its
  // windows lie on no grid that could be found.
  bool add(const StatFrame& frame);
  // The frames that stand for all that was added since the last call, in the same order. Only one that stands for a single frame
  // may be beyond frame_bytes_max: where that one was, too.
  std::vector<CoarseFrame> finish();

 private:
  // One frame that was added, with its windows merged already.
  struct Piece {
    wire::FrameHeader header;
    uint64_t window_ticks = 0;  // of the new ones
    std::vector<wire::Window> windows;
  };

  [[nodiscard]] size_t continuing() const;
  [[nodiscard]] CoarseFrame frame_of(size_t pieces);
  void emit();

  CoarseningSettings settings_;
  codec::WindowEncoder encoder_;
  std::vector<Piece> pieces_;
  size_t windows_waiting_ = 0;
  std::vector<CoarseFrame> frames_;
};

}  // namespace joulespool::app
