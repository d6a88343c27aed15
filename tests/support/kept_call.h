// Copies of what a source hands over, for tests that look at it later.
#pragma once

#include <vector>

#include "agent/device/sample_source.h"

namespace joulespool::test {

struct KeptRun {
  signal::PackedRun run;  // without its data
  std::vector<std::byte> data;
};

struct KeptBlock {
  uint64_t sample_id = 0;
  uint64_t sample_id_end = 0;
  wire::TimeAxis axis;
  wire::UtcMap utc;
  std::vector<float> i, v, p;
  std::vector<KeptRun> packed;
};

// What one device did, in order: each entry is a block or an event.
struct KeptCall {
  bool is_block = false;
  KeptBlock block;
  device::SourceEvent event;
};

inline KeptBlock keep(const signal::SampleBlock& block) {
  KeptBlock kept{block.sample_id, block.sample_id_end(), block.axis, block.utc, {}, {}, {}, {}};
  kept.i.assign(block.i.begin(), block.i.end());
  kept.v.assign(block.v.begin(), block.v.end());
  kept.p.assign(block.p.begin(), block.p.end());
  for (const signal::PackedRun& run : block.packed) {
    kept.packed.push_back({run, {run.data.begin(), run.data.end()}});
    kept.packed.back().run.data = {};
  }
  return kept;
}

}  // namespace joulespool::test
