// codec_work encode|decode|windows FRAMES [SET]: does that with so many frames of 2^16 samples, after one that is not counted:
// what two numbers of frames cost, subtracted, is the cost of the frames alone. SET: scalar, baseline (default), avx2.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "agent/base/cpu.h"
#include "agent/codec/samples.h"
#include "agent/signal/window_accumulator.h"
#include "tests/support/integer_signals.h"

namespace {

using namespace joulespool;

constexpr size_t frame_samples = 1 << 16;
constexpr uint64_t window_samples = 2000;

InstructionSet set_named(std::string_view name) {
  for (const InstructionSet set : available_instruction_sets())
    if (to_string(set) == name) return set;
  std::fprintf(stderr, "this processor does not have that instruction set\n");
  std::exit(2);
}

bool encode(const test::IntegerSignal& signal, int frames, InstructionSet set) {
  codec::SampleEncoder encoder(set);
  for (int frame = 0; frame <= frames; ++frame)
    if (encoder.encode({signal.i, signal.v, signal.p, {}}).empty()) return false;
  return true;
}

bool decode(const test::IntegerSignal& signal, int frames, InstructionSet set) {
  codec::SampleEncoder encoder(set);
  const wire::ByteView payload = encoder.encode({signal.i, signal.v, signal.p, {}});
  codec::SampleDecoder decoder(set);
  codec::DecodedSamples decoded;
  for (int frame = 0; frame <= frames; ++frame)
    if (!decoder.decode(payload, codec::codec_2, frame_samples, decoded)) return false;
  return true;
}

bool windows(const test::IntegerSignal& signal, int frames, InstructionSet set) {
  std::vector<wire::Window> made;
  for (int frame = 0; frame <= frames; ++frame) {
    made.clear();
    signal::WindowAccumulator accumulator(window_samples, set);
    accumulator.add({0, 1, signal.i, signal.v, signal.p}, made);
  }
  return !made.empty();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view work = argc > 2 ? argv[1] : "";
  const int frames = argc > 2 ? std::atoi(argv[2]) : 0;
  const InstructionSet set = set_named(argc > 3 ? argv[3] : "baseline");
  const test::IntegerSignal signal = test::lattice_signal(frame_samples, 1, frame_samples);
  if (work == "encode") return encode(signal, frames, set) ? 0 : 1;
  if (work == "decode") return decode(signal, frames, set) ? 0 : 1;
  if (work == "windows") return windows(signal, frames, set) ? 0 : 1;
  std::fprintf(stderr, "codec_work encode|decode|windows FRAMES [scalar|baseline|avx2]\n");
  return 2;
}
