#include "agent/app/merge_frames.h"

#include <variant>

namespace joulespool::app {
namespace {

// Read at a time, at most.
constexpr size_t frames_at_once = 256;
constexpr size_t bytes_at_once = 1024 * 1024;

// How many of the first frames have numbers without a hole.
size_t run_of(std::span<const spool::FrameInfo> frames) {
  size_t count = 1;
  while (count < frames.size() && count < frames_at_once && frames[count].id.seq == frames[0].id.seq + count) ++count;
  return count;
}

void add(const spool::FrameInfo& info, const spool::StoredFrame& stored, Coarsening& coarsening, MergedFrames& merged) {
  const auto opened = stored.intact ? open_stat_frame(stored.bytes) : Error{Errc::damaged, "checksum"};
  const bool readable = opened ? opened->header.id() == info.id : opened.error().code == Errc::usage;
  if (!readable) merged.damaged.push_back(info);
  else if (!opened || !coarsening.add(*opened)) merged.refused.push_back(info);
  else merged.replaced.push_back(info);
}

}  // namespace

Result<MergedFrames> merge_frames(spool::SpoolWriter& spool, std::span<const spool::FrameInfo> frames,
                                  const CoarseningSettings& settings) {
  Coarsening coarsening(settings);
  MergedFrames merged;
  while (!frames.empty()) {
    const size_t run = run_of(frames);
    const wire::FrameId& first = frames[0].id;
    const auto read = spool.read(first.sequence, first.seq - 1, spool::FrameState::queued, run, bytes_at_once);
    if (!read) return read.error().in("merge frames");
    size_t passed = 0;
    for (const spool::StoredFrame& stored : *read) {
      const uint64_t at = stored.info.id.seq - first.seq;
      if (at >= run) break;
      add(frames[at], stored, coarsening, merged);
      passed = at + 1;
    }
    frames = frames.subspan(passed == 0 ? run : passed);
  }
  merged.frames = coarsening.finish();
  return merged;
}

std::vector<wire::ReplacedFrames> replaced_by(spool::SpoolWriter& spool, const spool::FrameInfo& frame) {
  if (frame.level == 0) return {};
  const auto read = spool.read(frame.id.sequence, frame.id.seq - 1, spool::FrameState::queued, 1, 1);
  if (!read || read->empty() || !read->front().intact || read->front().info.id != frame.id) return {};
  const auto opened = wire::read_frame(read->front().bytes);
  const auto* as_frame = std::get_if<wire::Frame>(&opened);
  return as_frame == nullptr ? std::vector<wire::ReplacedFrames>{} : as_frame->header.replaces;
}

}  // namespace joulespool::app
