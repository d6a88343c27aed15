#include "agent/spool/retention.h"

#include <algorithm>
#include <tuple>

namespace joulespool::spool {
namespace {

// A row's columns beside the bytes, with its place in the page; and half a page that it leaves empty on average, if it is not
// small.
constexpr uint64_t row_bytes = 96, empty_bytes_max = 1024;

// Smaller leaves first.
auto rank(const FrameInfo& frame) { return std::tuple(frame.state == FrameState::kept ? 0 : 1, frame.utc_first_ns); }

}  // namespace

SpoolSizes sizes_for(const SpoolOptions& options) {
  constexpr uint64_t kib = 1024, mib = 1024 * kib;
  const uint64_t budget_bytes = options.budget_bytes;
  SpoolSizes sizes;
  sizes.segment_bytes = std::clamp<uint64_t>(budget_bytes / 32, 256 * kib, 16 * mib);
  if (options.segment_bytes > 0) sizes.segment_bytes = options.segment_bytes;
  sizes.reserve_bytes = std::clamp<uint64_t>(budget_bytes / 16, 256 * kib, 4 * mib);
  sizes.quarantine_bytes = std::clamp<uint64_t>(budget_bytes / 16, 256 * kib, 64 * mib);
  sizes.slack_bytes = budget_bytes / 8;
  return sizes;
}

uint64_t disk_bytes_for(const Amount& frames) {
  if (frames.frames == 0) return 0;
  const uint64_t each = frames.bytes / frames.frames + row_bytes;
  const uint64_t bytes = frames.bytes + frames.frames * (row_bytes + std::min(each, empty_bytes_max));
  return bytes + bytes / 64;  // the tree above the rows
}

uint64_t bytes_over_budget(const Amount& frames, uint64_t other_bytes, uint64_t bytes_needed, uint64_t budget_bytes) {
  const uint64_t total = disk_bytes_for(frames) + other_bytes + bytes_needed + bytes_needed / 16;
  return total > budget_bytes ? total - budget_bytes : 0;
}

std::array<FreeingStep, 3> freeing_steps(const LaneLoad& stat, const LaneLoad& wave) {
  const bool merge_first = wave.bytes <= wave.share_bytes && stat.bytes > stat.share_bytes;
  if (merge_first) return {FreeingStep::merge_stat, FreeingStep::drop_wave, FreeingStep::drop_stat};
  return {FreeingStep::drop_wave, FreeingStep::merge_stat, FreeingStep::drop_stat};
}

std::optional<uint8_t> level_to_merge(const LevelBytes& bytes) {
  std::optional<uint8_t> best;
  for (uint8_t level = 0; level < level_max; ++level)
    if (bytes[level] > 0 && (!best || bytes[level] << level > bytes[*best] << *best)) best = level;
  return best;
}

std::vector<FrameInfo> choose_victims(const std::vector<std::vector<FrameInfo>>& queues, uint64_t bytes) {
  std::vector<size_t> next(queues.size(), 0);
  std::vector<FrameInfo> victims;
  for (uint64_t freed = 0; freed < bytes && victims.size() < victims_max;) {
    size_t best = queues.size();
    for (size_t i = 0; i < queues.size(); ++i) {
      if (next[i] == queues[i].size()) continue;
      if (best == queues.size() || rank(queues[i][next[i]]) < rank(queues[best][next[best]])) best = i;
    }
    if (best == queues.size()) break;
    victims.push_back(queues[best][next[best]++]);
    freed += victims.back().size_bytes;
  }
  return victims;
}

}  // namespace joulespool::spool
