// Lane `wave` as agents before codec 2 wrote it, for tests and benchmarks that compare the codecs.
#pragma once

#include "agent/codec/samples.h"
#include "tests/support/codec1_section_writer.h"

namespace joulespool::test {

class Codec1SampleWriter {
 public:
  // At most codec::samples_per_frame_max samples. The payload; valid until the next call.
  wire::ByteView encode(const codec::SampleRun& run);

 private:
  void add_power(const codec::SampleRun& run);

  Codec1SectionWriter sections_;
  std::vector<uint32_t> corrections_;
};

}  // namespace joulespool::test
