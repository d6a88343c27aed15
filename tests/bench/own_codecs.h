// Joulespool's own codecs, as the agent uses them.
#pragma once

#include "tests/bench/frame_codec.h"

namespace joulespool::bench {

std::vector<NamedCodec> own_codecs();
// The codec that is shipped, with the best instruction set of this processor.
std::unique_ptr<FrameCodec> shipped_codec();

}  // namespace joulespool::bench
