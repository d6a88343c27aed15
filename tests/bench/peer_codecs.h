// What everybody has: memcpy, zstd, Blosc (shuffle + zstd), DEFLATE and FLAC. All but FLAC get the columns of i, v and p as
// bytes. FLAC, at level 8, gets the integers behind i and v in streams of their own, which something else would have to find, and
// p free.
#pragma once

#include "tests/bench/frame_codec.h"

namespace joulespool::bench {

std::vector<NamedCodec> peer_codecs();

}  // namespace joulespool::bench
