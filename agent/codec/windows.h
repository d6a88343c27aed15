// The payload of lane `stat`: windows as columns. Layout: FORMAT-stat.md.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/codec.h"
#include "agent/wire/types.h"
#include "agent/wire/window.h"

namespace joulespool::codec {

constexpr uint64_t windows_per_frame_max = 65536;

// Writes codec 2. One thread. Allocates only while frames get larger than those before. The bytes depend on the windows alone.
class WindowEncoder {
 public:
  WindowEncoder();
  ~WindowEncoder();
  WindowEncoder(WindowEncoder&&) noexcept;
  WindowEncoder& operator=(WindowEncoder&&) noexcept;
  // `sample_id_first` is the frame's. At most windows_per_frame_max windows. Every value comes back as it is, whatever it is; but
  // readers refuse windows with more valid samples than samples.
  // The payload; valid until the next call.
  wire::ByteView encode(std::span<const wire::Window> windows, uint64_t sample_id_first);

 private:
  struct Columns;
  std::unique_ptr<Columns> columns_;
};

// Reads every codec there has been. Errors: damaged (with the column and the reason), usage (a codec this version does not know).
// Safe on hostile input: allocates at most what the number of windows that the payload tells, if it is allowed, takes.
Result<std::vector<wire::Window>> decode_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first);

// A column of a payload of codec 2, for people.
struct WindowColumnPart {
  std::string_view name;  // "column" for one that this version does not know
  uint8_t model = 0;      // FORMAT-stat.md, section 3; 0 for an empty one
  size_t size_bytes = 0;
};
struct WindowPayloadParts {
  uint64_t windows = 0;
  unsigned states = 0;
  std::vector<WindowColumnPart> columns;
};
// Error: damaged.
Result<WindowPayloadParts> list_window_columns(wire::ByteView payload);

}  // namespace joulespool::codec
