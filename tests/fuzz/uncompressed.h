// Payloads of codec 2 without compression, which decoders accept as well: what a fuzzer changes there is what they get to see.
#pragma once

#include <vector>

#include "agent/wire/types.h"

namespace joulespool::fuzz {

// A payload of samples with every part as it is before compression. `payload` must be sound.
wire::Bytes uncompressed_samples(wire::ByteView payload);
// The data of its sections that hold a signal in pages, in the same form.
std::vector<wire::Bytes> uncompressed_pages(wire::ByteView payload);

}  // namespace joulespool::fuzz
