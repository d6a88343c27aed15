// Makes frames of one device as an agent does, for tests that read them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/wire/event.h"
#include "agent/wire/frame.h"
#include "agent/wire/window.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::test {

// The window over consecutive samples, straight from its definition (agent/wire/FORMAT.md). p: empty for the product.
wire::Window window_of(uint64_t sample_id, uint32_t decimation, std::span<const float> i, std::span<const float> v,
                       std::span<const float> p = {});
// A window of `count` equal samples of 1 A and 2 V over [first, end).
wire::Window flat_window(uint64_t first, uint64_t end, uint64_t count);

// Each frame gets the next seq of its lane. Change `header` for what else frames shall say.
class FrameFactory {
 public:
  // 2 MHz counter, 2 ticks per sample, host "bench", UTC 2026-01-01 at sample_id 0.
  explicit FrameFactory(const std::string& device, uint64_t epoch = 0xE1, uint64_t axis = 0xA1);

  // With header.kept: of the same samples, what it says (every so many of them, as they are: no filter), and windows.
  wire::Bytes wave(uint64_t sample_id, std::span<const float> i, std::span<const float> v, std::span<const float> p = {},
                   std::span<const codec::PackedSignal> packed = {});
  wire::Bytes stat(std::span<const wire::Window> windows);
  wire::Bytes event(const std::vector<wire::Event>& events, uint64_t sample_id = 0);
  // One frame that stands for those of lane stat, with windows of `window_ticks`.
  wire::Bytes merged(std::span<const wire::Bytes> frames, uint64_t window_ticks);

  // `count` samples of 1 A, 2 V from there on, in lane wave.
  wire::Bytes flat_wave(uint64_t first, uint64_t count);
  // Windows of 2000 ticks (1000 samples) of 1 A, 2 V that cover [first, end).
  wire::Bytes flat_stat(uint64_t first, uint64_t end);
  // Lanes event and stat, and wave if told so, are uploaded. Seqs from the next ones.
  wire::Bytes started(uint64_t sample_id, bool wave_made = true, bool wave_uploaded = true);
  wire::Bytes stopped(uint64_t sample_id_end);
  // A gap of all lanes.
  wire::Bytes gap(uint64_t first, uint64_t end, wire::GapReason reason = wire::GapReason::usb_drop);

  uint64_t& next_seq(wire::Lane lane) { return next_seq_[static_cast<size_t>(lane)]; }

  wire::FrameHeader header;
  uint32_t codec = 0;  // what headers say; 0: as the payload is coded

 private:
  wire::Bytes finish(wire::Lane lane, wire::ByteView payload);
  wire::ByteView encode_kept(std::span<const float> i, std::span<const float> v, std::span<const float> p,
                             std::span<const codec::PackedSignal> packed);

  std::array<uint64_t, 4> next_seq_{1, 1, 1, 1};
  codec::SampleEncoder samples_;
  codec::WindowEncoder windows_;
};

// As it comes out of Kinesis; the partition key is the frame's device ("?" if the bytes are no frame).
sink::StoredRecord as_record(wire::Bytes bytes, int64_t arrival_utc_ns = 0);

}  // namespace joulespool::test
