// The payload of lane `wave`: samples, bit for bit. Layout: FORMAT-wave.md.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "agent/base/cpu.h"
#include "agent/base/result.h"
#include "agent/codec/codec.h"
#include "agent/wire/types.h"

namespace joulespool::codec {

// A packed run of 1-bit or 4-bit elements, placed relative to the frame's first sample.
struct PackedSignal {
  uint8_t signal = 0;   // signal id (FORMAT-wave.md, section 2)
  uint8_t bits = 1;     // 1 or 4
  uint32_t offset = 0;  // ticks from the frame's sample_id_first to element 0
  uint32_t stride = 1;  // ticks from element to element
  uint64_t count = 0;   // elements
  wire::ByteView data;  // least significant bit first; (count * bits + 7) / 8 bytes
};

constexpr uint64_t samples_per_frame_max = 1 << 20;          // bounds what a decoder allocates: 4 MiB per signal
constexpr uint64_t packed_elements_per_frame_max = 1 << 24;  // of all packed sections together

// The power of a sample as every reader computes it: the float32 product; the quiet NaN 0x7FC00000 where that is a NaN, because
// processors differ in the NaN they make.
float product(float i, float v);

// What is encoded: consecutive samples without a gap, perhaps none. Spans must outlive the call only.
struct SampleRun {
  std::span<const float> i;  // A
  std::span<const float> v;  // V, as many as i
  std::span<const float> p;  // W: empty if p is product(i, v) everywhere, else as many as i
  std::span<const PackedSignal> packed;
  wire::ByteView windows = {};  // at a lower rate: of the samples that were there, as WindowEncoder coded them
};

// What comes back. p always has as many values as i.
struct DecodedPacked {
  uint8_t signal = 0;
  uint8_t bits = 1;
  uint32_t offset = 0;
  uint32_t stride = 1;
  uint64_t count = 0;
  wire::Bytes data;
};
struct DecodedSamples {
  std::vector<float> i;
  std::vector<float> v;
  std::vector<float> p;
  std::vector<DecodedPacked> packed;
  wire::Bytes windows;            // for decode_windows(), with the same codec and the frame's sample_id_first; empty: none
  uint32_t sections_skipped = 0;  // of a signal this version does not know
};

// Writes codec 2. One thread. Nothing is allocated from the second frame of a size on, as long as the instrument's calibration is
// known: what was learned of it is kept from frame to frame as a hint, and every frame decodes alone. The bytes depend on this
// frame and on those before it since construction; they are the same for all instruction sets and architectures.
class SampleEncoder {
 public:
  explicit SampleEncoder(InstructionSet set = best_instruction_set());
  ~SampleEncoder();
  SampleEncoder(SampleEncoder&&) noexcept;
  SampleEncoder& operator=(SampleEncoder&&) noexcept;
  // Values of a range (0 to 15; 0 without a range signal) are (float)((code + offset) * step), computed in float64. A calibration
  // that is not given is found from the values, and so is another one if the values miss the one given. One that the format does
  // not allow (FORMAT-wave.md, section 3: a step below 0, a NaN, far beyond any instrument) is not taken.
  void know_current(uint8_t range, double offset, double step);
  void know_voltage(uint8_t range, double offset, double step);
  // At most samples_per_frame_max samples. The payload; valid until the next call.
  wire::ByteView encode(const SampleRun& run);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Reads every codec there has been. One thread. Keeps its memory from call to call.
class SampleDecoder {
 public:
  explicit SampleDecoder(InstructionSet set = best_instruction_set());
  ~SampleDecoder();
  SampleDecoder(SampleDecoder&&) noexcept;
  SampleDecoder& operator=(SampleDecoder&&) noexcept;
  // `samples`: as many as the frame's header says (wire::kept_samples); sections of i and v must have exactly that many, and need
  // not be there if that is none.
  // Every bit pattern comes back as it was, NaN payloads too. Safe on hostile input: holds at most what `samples`, the payload's
  // size and packed_elements_per_frame_max allow.
  // Errors: damaged (with the section and the reason; `out` then means nothing), usage (a codec this version does not know).
  Status decode(wire::ByteView payload, uint32_t codec, uint64_t samples, DecodedSamples& out);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// With a decoder of its own: for a frame now and then.
Result<DecodedSamples> decode_samples(wire::ByteView payload, uint32_t codec, uint64_t samples);

}  // namespace joulespool::codec
