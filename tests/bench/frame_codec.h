// What the benchmark of codecs compares: ways to make one frame of samples small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace joulespool::bench {

// Consecutive samples; all columns equally long.
struct Frame {
  std::vector<float> columns;                   // all of i (A), then all of v (V), then all of p (W)
  std::vector<std::byte> range_nibbles;         // range of the current, 4 bits each; only ours takes it
  std::vector<int32_t> i_integers, v_integers;  // what is behind i and v; empty if unknown
  [[nodiscard]] size_t count() const { return columns.size() / 3; }
  [[nodiscard]] std::span<const float> i() const { return std::span(columns).first(count()); }
  [[nodiscard]] std::span<const float> v() const { return std::span(columns).subspan(count(), count()); }
  [[nodiscard]] std::span<const float> p() const { return std::span(columns).last(count()); }
};

class FrameCodec {
 public:
  virtual ~FrameCodec() = default;
  // Forgets the frames before: what follows is another stream.
  virtual void start() {}
  [[nodiscard]] virtual bool takes(const Frame& frame) const { return frame.count() > 0; }
  // Bytes that the frame needs. They stay here for decode().
  virtual size_t encode(const Frame& frame) = 0;
  virtual void decode() = 0;
  // What decode() gave is the frame, bit for bit. (FLAC: its integers.)
  [[nodiscard]] virtual bool gave_back(const Frame& frame) const = 0;
};

struct NamedCodec {
  std::string name;
  std::unique_ptr<FrameCodec> codec;
  int repeats = 1;  // of each measurement: slow codecs are measured less often
};

}  // namespace joulespool::bench
