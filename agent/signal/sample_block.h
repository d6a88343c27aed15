// Samples as a source hands them over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/wire/types.h"

namespace joulespool::signal {

// Which signal a section or a packed run holds. Numbers are part of the payload format (agent/codec/FORMAT.md).
enum class SignalId : uint8_t {
  current = 1,        // A, float32
  voltage = 2,        // V, float32
  power = 3,          // W, float32
  current_range = 4,  // 4 bits
  voltage_range = 5,  // 4 bits
  gpi0 = 16,          // 1 bit; gpi1 = 17, gpi2 = 18, gpi3 = 19
  trigger = 23,       // 1 bit
};

// A run of 1-bit or 4-bit samples, packed from the least significant bit on: 1-bit sample k is data[k>>3]>>(k&7) & 1,
// 4-bit sample k is data[k>>1]>>(4*(k&1)) & 15. Unused bits of the last byte are zero.
struct PackedRun {
  SignalId signal = SignalId::gpi0;
  uint8_t bits = 1;         // 1 or 4
  uint64_t sample_id = 0;   // of element 0
  uint32_t decimation = 1;  // ticks from element to element; may differ from that of i and v
  uint64_t count = 0;       // elements
  std::span<const std::byte> data;
};

// Consecutive samples of one device: element k has sample_id + k * axis.decimation. All spans point into memory of the
// source and are valid during the call only.
struct SampleBlock {
  uint64_t sample_id = 0;
  wire::TimeAxis axis;
  wire::UtcMap utc;          // the newest map; may step from block to block
  std::span<const float> i;  // A
  std::span<const float> v;  // V, as many as i
  std::span<const float> p;  // W: empty (power is the float32 product i * v), or as many as i (a source with its own power)
  std::span<const PackedRun> packed;  // GPI and ranges over the same span of time; may be empty

  [[nodiscard]] uint64_t count() const { return i.size(); }
  [[nodiscard]] uint64_t sample_id_end() const { return sample_id + i.size() * axis.decimation; }
};

}  // namespace joulespool::signal
