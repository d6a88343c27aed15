// Sections as agents before codec 2 wrote them.
#pragma once

#include <memory>

#include "agent/codec/section.h"

namespace joulespool::test {

// Writes sections one after the other, each with the coding that makes it smaller.
class Codec1SectionWriter {
 public:
  Codec1SectionWriter();
  ~Codec1SectionWriter();
  Codec1SectionWriter(const Codec1SectionWriter&) = delete;
  Codec1SectionWriter& operator=(const Codec1SectionWriter&) = delete;

  void clear();
  // `elements`: count elements of header.bits each, little-endian, packed for 1 and 4 bits. Chooses shuffled, zstd or raw.
  void add(codec::SectionHeader header, wire::ByteView elements);
  // float32 values that differ from a prediction: `xors[k]` is 0 where it was right. Adds nothing if all are 0.
  void add_corrections(codec::SectionHeader header, std::span<const uint32_t> xors);
  [[nodiscard]] wire::ByteView bytes() const { return out_; }

 private:
  struct Zstd;
  wire::ByteView compress(wire::ByteView bytes);
  void append(codec::SectionHeader header, wire::ByteView data);

  std::unique_ptr<Zstd> zstd_;
  wire::Bytes out_;
  wire::Bytes shuffled_;
  wire::Bytes compressed_;
};

}  // namespace joulespool::test
