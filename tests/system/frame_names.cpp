// frame_names DIRECTORY: what is committed in a spool now, a line for each frame: device, epoch, lane, seq, CRC-32C of its bytes,
// and "intact" or "damaged".
#include <iostream>

#include "agent/base/crc32c.h"
#include "agent/spool/sqlite_spool.h"

using namespace joulespool;

namespace {

Status print_frames(const std::string& directory) {
  auto reader = spool::open_spool_reader(directory, spool::ReadMode::snapshot);
  if (!reader) return reader.error();
  const auto usage = (*reader)->usage();
  if (!usage) return usage.error();
  for (const spool::LaneUsage& lane : usage->lanes) {
    for (uint64_t after_seq = 0;;) {
      const auto frames = (*reader)->read(lane.sequence, after_seq, std::nullopt, 256, 8 << 20);
      if (!frames) return frames.error();
      if (frames->empty()) break;
      for (const spool::StoredFrame& frame : *frames)
        std::cout << lane.sequence.device << ' ' << lane.sequence.epoch << ' ' << wire::to_string(lane.sequence.lane) << ' '
                  << frame.info.id.seq << ' ' << crc32c(frame.bytes) << (frame.intact ? " intact" : " damaged") << '\n';
      after_seq = frames->back().info.id.seq;
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Status printed = print_frames(argv[1]);
  if (printed) return 0;
  if (printed.error().code == Errc::not_found) return 1;  // killed before there was one
  std::cerr << "frame_names: " << printed.error().message << '\n';
  return 3;
}
