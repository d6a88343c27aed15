// Frames, positions and commits for tests of the spool. The bytes of a frame follow from its name and size.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/spool/spool.h"

namespace joulespool::test {

constexpr const char* test_host = "bench-1";

// `size` bytes that differ from frame to frame and do not compress to nothing.
inline wire::Bytes frame_bytes(const wire::FrameId& id, size_t size) {
  uint64_t state = 0x9E3779B97F4A7C15ULL * (id.seq + 1) + static_cast<uint64_t>(id.sequence.lane) * 1000003;
  for (const char c : id.sequence.device) state = state * 31 + static_cast<uint64_t>(c);
  wire::Bytes bytes(size);
  for (auto& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<std::byte>(state >> 32);
  }
  return bytes;
}

// A frame of 1000 ticks and 1 ms per seq.
inline spool::NewFrame new_frame(const wire::FrameSequence& sequence, uint64_t seq, size_t size,
                                 spool::FrameState state = spool::FrameState::queued) {
  spool::NewFrame frame;
  frame.info.id = {sequence, seq};
  frame.info.state = state;
  frame.info.axis = 77;
  frame.info.sample_id_first = seq * 1000;
  frame.info.sample_id_end = seq * 1000 + 1000;
  frame.info.utc_first_ns = static_cast<int64_t>(seq) * 1'000'000;
  frame.info.utc_end_ns = static_cast<int64_t>(seq) * 1'000'000 + 1'000'000;
  frame.info.samples = 1000;
  frame.bytes = frame_bytes(frame.info.id, size);
  return frame;
}

inline spool::DevicePosition position_at(const std::string& device, uint64_t sample_id_end) {
  spool::DevicePosition position;
  position.device = {device, device.substr(0, 5), device.substr(6)};
  position.axis = {0xFFFF'0000'1234'5678ULL, 2'000'000, 2};
  position.sample_id_end = sample_id_end;
  position.utc = {5, -7, 1'999'999.25, wire::UtcQuality::host};
  position.totals = {sample_id_end, sample_id_end - 1, -(static_cast<int128>(sample_id_end) << 70) - 3,
                     (static_cast<int128>(1) << 100) + 9, 4};
  return position;
}

// `count` frames of one sequence from seq `first` on.
inline spool::Commit commit_of(const wire::FrameSequence& sequence, uint64_t first, size_t count, size_t size,
                               spool::FrameState state = spool::FrameState::queued) {
  spool::Commit commit;
  for (size_t i = 0; i < count; ++i) commit.frames.push_back(new_frame(sequence, first + i, size, state));
  return commit;
}

inline spool::Commit commit_stored(const wire::FrameSequence& sequence, uint64_t first, uint64_t last) {
  spool::Commit commit;
  commit.stored.push_back({sequence, {first, last}});
  return commit;
}

inline std::vector<uint64_t> seqs_of(const std::vector<spool::FrameInfo>& frames) {
  std::vector<uint64_t> seqs;
  for (const auto& frame : frames) seqs.push_back(frame.id.seq);
  return seqs;
}

inline std::vector<uint64_t> seqs_of(const std::vector<spool::StoredFrame>& frames) {
  std::vector<uint64_t> seqs;
  for (const auto& frame : frames) seqs.push_back(frame.info.id.seq);
  return seqs;
}

inline const spool::LaneUsage* lane_of(const spool::Usage& usage, const wire::FrameSequence& sequence) {
  for (const auto& lane : usage.lanes)
    if (lane.sequence == sequence) return &lane;
  return nullptr;
}

}  // namespace joulespool::test
