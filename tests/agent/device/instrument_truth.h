// What an instrument of the stand-in measured, computed anew, and what a source made of it.
#pragma once

#include <doctest/doctest.h>

#include <cstring>

#include "agent/device/simulated_source.h"
#include "agent/device/waveform.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/standin_world.h"

namespace joulespool::test {

using Keys = StandinWorld::Keys;

// The simulated device whose samples the stand-in hands over as those of this one.
inline device::SimulatedDevice truth_of(const Keys& keys) {
  device::SimulatedDevice truth;
  truth.model = keys.at("model");
  truth.serial = keys.at("serial");
  if (keys.contains("seed")) truth.seed = std::stoull(keys.at("seed"));
  if (keys.contains("load")) truth.load = keys.at("load");
  truth.packed = truth.model == "js110" ? std::vector<std::string>{"range", "gpi0", "gpi1"}
                                        : std::vector<std::string>{"range", "gpi0", "gpi1", "gpi2", "gpi3"};
  return truth;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// How many blocks of `device` differ from the truth, in samples or in packed runs.
inline size_t blocks_wrong(CollectingSink& sink, const std::string& device, const device::SimulatedDevice& truth) {
  const device::Waveform waveform(truth);
  size_t wrong = 0;
  for (const KeptBlock& block : sink.blocks(device)) {
    std::vector<float> i(block.i.size()), v(block.v.size());
    waveform.samples(block.sample_id, i, v);
    bool same = same_bits(i, block.i) && same_bits(v, block.v);
    for (const KeptRun& run : block.packed) {
      std::vector<std::byte> bytes(run.data.size());
      waveform.packed(run.run.signal, run.run.sample_id, run.run.count, bytes);
      same = same && bytes == run.data;
    }
    wrong += same ? 0U : 1U;
  }
  return wrong;
}

struct Hole {
  uint64_t first = 0, end = 0;
  bool operator==(const Hole&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Hole& hole) { return out << hole.first << "-" << hole.end; }

// Jumps of sample_id within one life of the counter.
inline std::vector<Hole> holes(CollectingSink& sink, const std::string& device) {
  std::vector<Hole> found;
  const auto blocks = sink.blocks(device);
  for (size_t n = 1; n < blocks.size(); ++n)
    if (blocks[n].axis.life == blocks[n - 1].axis.life && blocks[n].sample_id != blocks[n - 1].sample_id_end)
      found.push_back({blocks[n - 1].sample_id_end, blocks[n].sample_id});
  return found;
}

inline std::vector<device::SourceEvent> events(CollectingSink& sink, const std::string& device, device::SourceEvent::Kind kind) {
  std::vector<device::SourceEvent> found;
  for (const KeptCall& call : sink.calls(device))
    if (!call.is_block && call.event.kind == kind) found.push_back(call.event);
  return found;
}

}  // namespace joulespool::test
