// SHA-256 of what frames hold, whatever their borders: to compare readers with each other and with sources, bit for bit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "cloud-bridge/reader/frame_collector.h"

namespace joulespool::test {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(const void* data, size_t size);
  std::string hex();  // once, at the end

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Elements; before each run of elements that follow each other: axis, tick of the first, ticks per element, u64 each.
class RunDigest {
 public:
  void add(uint64_t axis, uint64_t tick, uint64_t stride, uint64_t count, const void* data, size_t size);
  [[nodiscard]] uint64_t count() const { return count_; }
  std::string hex() { return sha_.hex(); }

 private:
  Sha256 sha_;
  uint64_t count_ = 0;
  uint64_t axis_ = 0, next_tick_ = 0, stride_ = 0;
};

// Per device, epoch and lane. event: per frame seq u64, size u32, payload. stat: per window sample_id_first, sample_id_end,
// count, valid (u64), the five sums (128 bit), six extremes (float32). wave: triples i, v, p (float32) as a RunDigest; and
// "wave.<signal>" per packed signal, a byte per element, as a RunDigest; "wave.windows", where frames of a lower rate have them,
// as of stat. All little-endian.
class FrameDigest {
 public:
  // Frames of each sequence in seq order. Errors: damaged payload.
  Status add(const reader::CollectedFrame& frame);
  // "device epoch lane count sha256", sorted. Once, at the end.
  std::vector<std::string> lines();

 private:
  struct Plain {
    Sha256 sha;
    uint64_t count = 0;
  };
  using Key = std::pair<std::pair<std::string, uint64_t>, std::string>;  // device and epoch, lane
  Status add_wave(const reader::CollectedFrame& frame);
  Status add_windows(const wire::FrameHeader& header, wire::ByteView payload, const std::string& lane);

  std::map<Key, Plain> plain_;
  std::map<Key, RunDigest> runs_;
};

}  // namespace joulespool::test
