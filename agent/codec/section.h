// Codec 1, which is only read: sections are the parts of a payload, one per signal or column, each with its own length and
// coding. Layout: FORMAT-codec1.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/codec.h"
#include "agent/wire/types.h"

namespace joulespool::codec {

// How a section's elements are coded.
enum class Coding : uint8_t {
  raw = 0,       // elements as they are, little-endian
  shuffled = 1,  // bytes of equal significance side by side (all byte 0, all byte 1, ...), then one zstd frame
  zstd = 2,      // one zstd frame of the elements as they are
  sparse = 3,    // one zstd frame of (varint distance from the last corrected element, first from -1; uint32 xor) pairs
};

constexpr size_t section_header_bytes = 20;

struct SectionHeader {
  uint8_t signal = 0;  // SignalId of a sample section, or a column id
  Coding coding = Coding::raw;
  uint8_t bits = 32;    // per element: 1, 4, 32, 64 or 128
  uint32_t count = 0;   // elements
  uint32_t offset = 0;  // ticks from the frame's sample_id_first to element 0
  uint32_t stride = 0;  // ticks from element to element
  uint32_t size = 0;    // bytes that follow this header
};

struct Section {
  SectionHeader header;
  wire::ByteView data;
};

// Splits a payload. Errors: damaged, with the offset.
Result<std::vector<Section>> read_sections(wire::ByteView payload);

// The elements of a section of 1, 4, 32, 64 or 128 bits (raw, shuffled, zstd), as the bytes of coding raw.
// Never more than (count * bits + 7) / 8 bytes; anything else is damaged.
Result<wire::Bytes> section_elements(const Section& section);
// A section with Coding::sparse as xors, `count` of them.
Result<std::vector<uint32_t>> section_corrections(const Section& section);

}  // namespace joulespool::codec
