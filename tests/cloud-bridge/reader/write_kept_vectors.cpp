// write_kept_vectors DIRECTORY: golden frames of waveforms of which not all samples were kept, as the agent would make them now:
// wave-codec2-lower-rate.frame and wave-codec2-windows-only.frame. tests/vectors/README.md.
#include <iostream>
#include <limits>
#include <random>

#include "agent/app/wave_buffer.h"
#include "tests/support/file_bytes.h"
#include "tests/support/frame_factory.h"

namespace joulespool::test {
namespace {

// 620 samples of noise from a tick on that no kept sample stands at; some without a number, and an input that toggles.
app::OwnedBlock block_of(const wire::FrameHeader& header) {
  app::OwnedBlock block;
  block.sample_id = 101'415;
  block.axis = header.axis;
  block.utc = header.utc;
  std::mt19937_64 random(1);
  for (int at = 0; at < 620; ++at) {
    block.i.push_back(static_cast<float>(static_cast<int64_t>(random() % 2001) - 1000) * 1e-6F);
    block.v.push_back(3.3F + static_cast<float>(random() % 17) * 1e-3F);
  }
  for (size_t at = 300; at < 321; ++at) block.i[at] = std::numeric_limits<float>::quiet_NaN();
  app::OwnedBlock::Packed& packed = block.packed.emplace_back();
  packed.bytes.resize(1240 / 8);
  for (size_t at = 0; at < packed.bytes.size(); ++at) packed.bytes[at] = static_cast<std::byte>(at / 7 % 2 == 0 ? 0x00 : 0xFF);
  packed.run = {signal::SignalId::gpi0, 1, block.sample_id, 1, 1240, packed.bytes};
  return block;
}

// The one frame that all of the block gives.
wire::Bytes frame_of(const std::string& device, uint32_t rate_hz, uint64_t budget_bytes_per_s) {
  FrameFactory factory(device);
  const app::OwnedBlock block = block_of(factory.header);
  app::WaveBuffer buffer({block.axis, 500, rate_hz, budget_bytes_per_s > 0, 120 * 1024, 250});
  buffer.add(block, 0);
  app::ByteBudget budget(budget_bytes_per_s);
  wire::Bytes frame;
  buffer.take(UINT64_MAX, true, budget, [&](const app::WavePiece& piece) {
    wire::FrameHeader header = factory.header;
    header.lane = wire::Lane::wave;
    header.seq = 1;
    header.codec = codec::codec_2;
    header.sample_id_first = piece.sample_id_first;
    header.sample_id_end = piece.sample_id_end;
    header.samples = piece.sums.count;
    header.valid = piece.sums.valid;
    header.i_sum = piece.sums.i_sum;
    header.p_sum = piece.sums.p_sum;
    header.kept = piece.kept;
    frame = wire::write_frame(header, piece.payload);
  });
  return frame;
}

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) {
  using namespace joulespool::test;
  if (argc != 2) {
    std::cerr << "write_kept_vectors DIRECTORY\n";
    return 2;
  }
  const std::string directory = argv[1];
  write_file(directory + "/wave-codec2-lower-rate.frame", frame_of("vector-lower-rate", 100'000, 0));
  write_file(directory + "/wave-codec2-windows-only.frame", frame_of("vector-windows-only", 0, 1000));
  return 0;
}
