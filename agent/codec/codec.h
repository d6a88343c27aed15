// FrameHeader::codec of the lanes stat and wave: how a payload is coded. FORMAT.md.
#pragma once

#include <cstdint>

namespace joulespool::codec {

constexpr uint32_t codec_1 = 1;  // sections of shuffled and compressed values: read only
constexpr uint32_t codec_2 = 2;

}  // namespace joulespool::codec
