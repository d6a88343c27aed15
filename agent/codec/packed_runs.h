// Elements of 1 or 4 bits (inputs, ranges) as runs of equal ones.
#pragma once

#include <vector>

#include "agent/base/result.h"
#include "agent/codec/byte_io.h"

namespace joulespool::codec {

struct ElementRun {
  uint32_t first = 0;
  uint32_t count = 0;
  uint8_t value = 0;
  [[nodiscard]] uint32_t end() const { return first + count; }
};

// `packed`: count elements of `bits` bits, least significant first. False, and an incomplete list, if there are more than
// runs_max.
bool find_runs(wire::ByteView packed, uint8_t bits, size_t count, size_t runs_max, std::vector<ElementRun>& runs);

// varint length of each run; of 4-bit elements its value before, of 1-bit ones only the first value: they alternate.
void write_runs(ByteWriter& out, uint8_t bits, const std::vector<ElementRun>& runs);
// Into `packed`, which has the size for `count` elements. Error: damaged.
Status read_runs(ByteReader& from, uint8_t bits, size_t count, std::span<std::byte> packed);

}  // namespace joulespool::codec
