#include "agent/codec/parts.h"

#include <algorithm>

namespace joulespool::codec {

void put_part(ByteWriter& out, wire::ByteView bytes, Compressor& compressor, ByteWriter& scratch) {
  constexpr size_t worth_trying = 24;  // a zstd frame has 10 bytes around its content
  out.varint(bytes.size());
  if (bytes.empty()) return;
  scratch.clear();
  const size_t size = bytes.size() < worth_trying ? 0 : compressor.append(scratch, bytes, bytes.size());
  out.varint(size);
  out.bytes(size > 0 ? scratch.view() : bytes);
}

Result<Part> take_part(ByteReader& from, size_t size_max) {
  Part part;
  part.size = from.varint();
  if (part.size > size_max) return Error{Errc::damaged, "a part is larger than its section can need"};
  if (part.size > 0) {
    const size_t compressed = from.varint();
    part.compressed = compressed > 0;
    part.stored = from.bytes(part.compressed ? compressed : part.size);
  }
  if (!from.ok()) return Error{Errc::damaged, "a part is cut off"};
  return part;
}

Status read_part(const Part& part, std::span<std::byte> to, Decompressor& decompressor) {
  if (part.compressed) return decompressor.decompress(part.stored, to);
  std::copy(part.stored.begin(), part.stored.end(), to.begin());
  return {};
}

}  // namespace joulespool::codec
