// Changes what is inside a compressed part of an input.
#pragma once

#include <cstdint>

#include "agent/wire/types.h"

namespace joulespool::fuzz {

// Takes one of the zstd frames in `input` (the choice-th, modulo their number), decompresses it, lets `change` alter the content
// (the second argument is the most bytes it may have), compresses it and puts it in the place of the old one. Most times the
// content keeps its size, as the decoder wants it. A length of the old frame that stands shortly before it (u32, u16 or varint)
// becomes that of the new one. False, and nothing is changed: there is no zstd frame in it.
bool change_compressed(wire::Bytes& input, uint32_t choice, void (*change)(wire::Bytes& content, size_t size_max));

}  // namespace joulespool::fuzz
