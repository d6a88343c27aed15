// Frames that were found without the state that should name them: the state of a spool is brought forward by what they say
// themselves. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool/extents.h"
#include "agent/spool/spool.h"
#include "agent/wire/event.h"
#include "agent/wire/frame.h"

namespace joulespool::spool {

// What of a frame's header and, in lane event, of its payload matters here.
struct FoundFrame {
  FrameInfo info;
  uint64_t segment = 0;
  wire::DeviceIdentity device;
  wire::TimeAxis axis;
  wire::UtcMap utc;
  uint64_t valid = 0;
  int128 i_sum = 0, p_sum = 0;
  std::vector<wire::ReplacedFrames> replaces;
  std::vector<wire::Gap> gaps;         // that concern all lanes and have an end
  std::vector<wire::Started> started;  // without anything but axis and sample_id
};
// nullopt: the bytes are no frame, or not this one.
std::optional<FoundFrame> found_frame(const FrameInfo& info, uint64_t segment, const wire::Frame& frame);

// The frames of a sequence, wherever they were found; of a seq that is in several segments, the one of the highest.
struct FoundStream {
  int64_t id = 0;
  std::map<uint64_t, FoundFrame> frames;  // by seq
};
using FoundTable = std::map<wire::FrameSequence, FoundStream>;

struct Adopted {
  uint64_t frames = 0, bytes = 0;
  uint64_t missing = 0;  // frames that are extents' now and will be read as damaged
};

// Frames behind the next seq of their sequence become part of the spool where they lie; seqs that were not found between them
// too, as frames that cannot be read. Those that another found one replaces are left out. The position of their device then lies
// behind everything that any lane has, and behind the gaps that concern all lanes: a lane that reaches less far lacks one frame
// more, which stands for the rest. Totals grow by the adopted frames of lane stat and the gaps of all lanes.
// Frames that the state has in a segment that is gone (`is_there`) may have been moved: they are where they were found.
// `is_known`: there was a state. Else sequences begin with the first frame that was found.
Adopted adopt(StreamTable& streams, std::map<std::string, DevicePosition>& positions, const FoundTable& found, bool is_known,
              const std::function<bool(uint64_t segment)>& is_there);

}  // namespace joulespool::spool
