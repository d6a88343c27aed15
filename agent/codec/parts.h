// Parts of a section: bytes, compressed if that makes them smaller.
#pragma once

#include "agent/codec/zstd_stream.h"

namespace joulespool::codec {

// varint size; if it is not 0: varint compressed size (0: not compressed), the bytes. `scratch` is overwritten.
void put_part(ByteWriter& out, wire::ByteView bytes, Compressor& compressor, ByteWriter& scratch);

struct Part {
  size_t size = 0;
  wire::ByteView stored;
  bool compressed = false;
};
// Error: damaged (cut off, or a size above size_max).
Result<Part> take_part(ByteReader& from, size_t size_max);
// `to`: part.size bytes. Error: damaged.
Status read_part(const Part& part, std::span<std::byte> to, Decompressor& decompressor);

}  // namespace joulespool::codec
