#include "agent/spool/retention.h"

#include <algorithm>
#include <tuple>

namespace joulespool::spool {
namespace {

// Rows, half-filled pages and the last step of growth cost more than the bytes of the frames: 5 % and a little were measured
// to be enough for frames of 1 to 120 KiB.
constexpr uint64_t overhead_divisor = 20;
constexpr uint64_t slack_bytes = 64ULL * 1024;

// Smaller leaves first.
auto rank(const FrameInfo& frame) {
  const int lane = -static_cast<int>(frame.id.sequence.lane);  // wave = 3 before stat = 2
  const int state = frame.state == FrameState::kept ? 0 : 1;
  return std::tuple(lane, state, frame.utc_first_ns);
}

}  // namespace

SpoolSizes sizes_for(uint64_t budget_bytes, uint64_t page_bytes) {
  constexpr uint64_t mib = 1024ULL * 1024;
  SpoolSizes sizes;
  sizes.reserve_bytes = std::clamp<uint64_t>(budget_bytes / 16, mib / 4, 4 * mib);
  sizes.log_frames = std::clamp<uint64_t>(budget_bytes / 32 / page_bytes, 32, 1000);
  sizes.growth_bytes = budget_bytes >= 64 * mib ? mib : mib / 8;
  sizes.quarantine_bytes = std::clamp<uint64_t>(budget_bytes / 16, mib / 4, 64 * mib);
  return sizes;
}

uint64_t bytes_over_budget(const SpaceTaken& taken, uint64_t bytes_needed, uint64_t budget_bytes) {
  const uint64_t needed = bytes_needed + bytes_needed / overhead_divisor + slack_bytes;
  const uint64_t total = taken.database_bytes + taken.log_bytes + taken.other_bytes + needed;
  return total > budget_bytes ? total - budget_bytes : 0;
}

std::vector<FrameInfo> choose_victims(const std::vector<std::vector<FrameInfo>>& queues, uint64_t bytes) {
  std::vector<size_t> next(queues.size(), 0);
  std::vector<FrameInfo> victims;
  for (uint64_t freed = 0; freed < bytes && victims.size() < victims_max;) {
    size_t best = queues.size();
    for (size_t i = 0; i < queues.size(); ++i) {
      if (next[i] == queues[i].size() || queues[i][next[i]].id.sequence.lane == wire::Lane::event) continue;
      if (best == queues.size() || rank(queues[i][next[i]]) < rank(queues[best][next[best]])) best = i;
    }
    if (best == queues.size()) break;
    victims.push_back(queues[best][next[best]++]);
    freed += victims.back().size_bytes;
  }
  return victims;
}

}  // namespace joulespool::spool
