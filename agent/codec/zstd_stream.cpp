#define ZSTD_STATIC_LINKING_ONLY  // contexts in memory of a fixed size
#include "agent/codec/zstd_stream.h"

#include <zstd.h>

#include <vector>

namespace joulespool::codec {
namespace {

// Level 1 looks for matches once and then codes by Huffman; on noise, higher levels cost 2 to 9 times as much and gain nothing.
constexpr int zstd_level = 1;
// In noise of 3 bits a symbol, 6 equal ones in a row come by chance, and telling where they were costs more than they do. So
// matches are longer, and looked for among few places.
constexpr int match_bytes_min = 7;
constexpr int places_log2 = 10;

}  // namespace

struct Compressor::Context {
  std::vector<uint64_t> memory = std::vector<uint64_t>(ZSTD_estimateCCtxSize(zstd_level) / sizeof(uint64_t) + 1);
  ZSTD_CCtx* zstd = ZSTD_initStaticCCtx(memory.data(), memory.size() * sizeof(uint64_t));
  Context() {
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 1);  // a context in memory of ours begins with all parameters 0
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, zstd_level);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, match_bytes_min);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, places_log2);
  }
};

Compressor::Compressor() : context_(std::make_unique<Context>()) {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

size_t Compressor::append(ByteWriter& out, wire::ByteView bytes, size_t limit) {
  const size_t before = out.size();
  const size_t bound = ZSTD_compressBound(bytes.size());
  const size_t size = ZSTD_compress2(context_->zstd, out.extend(bound), bound, bytes.data(), bytes.size());
  const size_t kept = ZSTD_isError(size) == 0 && size < limit ? size : 0;
  out.shrink(before + kept);
  return kept;
}

struct Decompressor::Context {
  std::vector<uint64_t> memory = std::vector<uint64_t>(ZSTD_estimateDCtxSize() / sizeof(uint64_t) + 1);
  ZSTD_DCtx* zstd = ZSTD_initStaticDCtx(memory.data(), memory.size() * sizeof(uint64_t));
};

Decompressor::Decompressor() : context_(std::make_unique<Context>()) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Status Decompressor::decompress(wire::ByteView frame, std::span<std::byte> out) {
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return Error{Errc::damaged, "a compressed part is not one whole zstd frame"};
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != out.size())
    return Error{Errc::damaged, "a compressed part does not hold " + std::to_string(out.size()) + " bytes"};
  const size_t size = ZSTD_decompressDCtx(context_->zstd, out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(size) != 0) return Error{Errc::damaged, std::string("a compressed part: ") + ZSTD_getErrorName(size)};
  if (size != out.size()) return Error{Errc::damaged, "a compressed part is too short"};
  return {};
}

}  // namespace joulespool::codec
