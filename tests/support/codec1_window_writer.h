// Lane `stat` as agents before codec 2 wrote it, for tests that compare the codecs.
#pragma once

#include "agent/wire/types.h"
#include "agent/wire/window.h"
#include "tests/support/codec1_section_writer.h"

namespace joulespool::test {

class Codec1WindowWriter {
 public:
  // `sample_id_first` is the frame's. At most codec::windows_per_frame_max windows, none longer than 2^32 - 1 ticks.
  // The payload; valid until the next call.
  wire::ByteView encode(std::span<const wire::Window> windows, uint64_t sample_id_first);

 private:
  Codec1SectionWriter sections_;
  wire::Bytes column_;
};

}  // namespace joulespool::test
