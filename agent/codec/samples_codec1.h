// Samples as codec 1 had them. FORMAT-codec1.md.
#pragma once

#include "agent/codec/samples.h"

namespace joulespool::codec {

// Errors: damaged.
Status decode_samples_codec1(wire::ByteView payload, uint64_t samples, DecodedSamples& out);

}  // namespace joulespool::codec
