// The payload of lane `wave`: samples, bit for bit. Layout: FORMAT.md.
#pragma once

#include "agent/base/result.h"
#include "agent/codec/section.h"
#include "agent/wire/types.h"

namespace joulespool::codec {

// A packed run of 1-bit or 4-bit elements, placed relative to the frame's first sample.
struct PackedSignal {
  uint8_t signal = 0;   // signal id (section.h)
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

// What is encoded: consecutive samples without a gap. Spans must outlive the call only.
struct SampleRun {
  std::span<const float> i;  // A
  std::span<const float> v;  // V, as many as i
  std::span<const float> p;  // W: empty if p is product(i, v) everywhere, else as many as i
  std::span<const PackedSignal> packed;
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
  uint32_t sections_skipped = 0;  // of a signal this version does not know
};

// Codec 1. Keeps zstd's context and buffers from call to call; one thread at a time.
class SampleEncoder {
 public:
  SampleEncoder();
  ~SampleEncoder();
  SampleEncoder(SampleEncoder&&) noexcept;
  SampleEncoder& operator=(SampleEncoder&&) noexcept;
  // At most samples_per_frame_max samples. The payload; valid until the next call.
  wire::ByteView encode(const SampleRun& run);

 private:
  void add_power(const SampleRun& run);

  std::unique_ptr<SectionWriter> sections_;
  std::vector<uint32_t> corrections_;
};

// `samples`: what the frame's header says (FrameHeader::samples); sections of i and v must have exactly that many.
// Every bit pattern comes back as it was, NaN payloads too. Safe on hostile input: allocates at most what `samples` allows.
// Errors: damaged (with the section and the reason), usage (a codec this version does not know).
Result<DecodedSamples> decode_samples(wire::ByteView payload, uint32_t codec, uint64_t samples);

}  // namespace joulespool::codec
