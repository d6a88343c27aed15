// Joulespool's own codecs, as the agent uses them.
#pragma once

#include "agent/base/cpu.h"
#include "tests/bench/frame_codec.h"

namespace joulespool::bench {

std::vector<NamedCodec> own_codecs();
// What the agent writes.
std::unique_ptr<FrameCodec> shipped_codec(InstructionSet set);

}  // namespace joulespool::bench
