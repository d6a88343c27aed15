// zstd frames (RFC 8878) of codec 2: level 1, content size written, no checksum (the frame around it has one).
#pragma once

#include <memory>
#include <span>

#include "agent/base/result.h"
#include "agent/codec/byte_io.h"

namespace joulespool::codec {

// One thread. All memory is taken at construction: compressing never allocates.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;
  // Appends one zstd frame of `bytes`, if that is smaller than `limit` bytes. Returns its size; 0: nothing was appended.
  size_t append(ByteWriter& out, wire::ByteView bytes, size_t limit);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;
  // Fills `out` exactly from one zstd frame. Error: damaged (it is none, or holds another number of bytes).
  Status decompress(wire::ByteView frame, std::span<std::byte> out);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace joulespool::codec
