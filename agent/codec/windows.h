// The payload of lane `stat`: windows as columns. Layout: FORMAT.md.
#pragma once

#include "agent/base/result.h"
#include "agent/codec/section.h"
#include "agent/wire/types.h"
#include "agent/wire/window.h"

namespace joulespool::codec {

constexpr uint64_t windows_per_frame_max = 65536;

// Codec 1. Keeps zstd's context and buffers from call to call; one thread at a time.
class WindowEncoder {
 public:
  WindowEncoder();
  ~WindowEncoder();
  WindowEncoder(WindowEncoder&&) noexcept;
  WindowEncoder& operator=(WindowEncoder&&) noexcept;
  // `sample_id_first` is the frame's. At most windows_per_frame_max windows, none longer than 2^32 - 1 ticks.
  // The payload; valid until the next call.
  wire::ByteView encode(std::span<const wire::Window> windows, uint64_t sample_id_first);

 private:
  std::unique_ptr<SectionWriter> sections_;
  wire::Bytes column_;
};

// Errors: damaged (with the column and the reason), usage (a codec this version does not know).
Result<std::vector<wire::Window>> decode_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first);

}  // namespace joulespool::codec
