#include "agent/base/interval_set.h"

#include <algorithm>

namespace joulespool {

uint64_t IntervalSet::insert(uint64_t first, uint64_t end) {
  if (first >= end) return 0;
  uint64_t known = 0;
  const uint64_t wanted_first = first;
  const uint64_t wanted_end = end;
  auto at = ends_.upper_bound(first);
  if (at != ends_.begin() && std::prev(at)->second >= first) --at;
  while (at != ends_.end() && at->first <= end) {
    const uint64_t from = std::max(at->first, wanted_first);
    const uint64_t to = std::min(at->second, wanted_end);
    if (from < to) known += to - from;
    first = std::min(first, at->first);
    end = std::max(end, at->second);
    at = ends_.erase(at);
  }
  ends_[first] = end;
  return known;
}

void IntervalSet::erase_below(uint64_t end) {
  while (!ends_.empty() && ends_.begin()->first < end) {
    const auto [first, last] = *ends_.begin();
    ends_.erase(ends_.begin());
    if (last <= end) continue;
    ends_[end] = last;
    return;
  }
}

bool IntervalSet::contains(uint64_t value) const {
  const auto at = ends_.upper_bound(value);
  return at != ends_.begin() && std::prev(at)->second > value;
}

bool IntervalSet::contains(uint64_t first, uint64_t end) const {
  if (first >= end) return true;
  const auto at = ends_.upper_bound(first);
  return at != ends_.begin() && std::prev(at)->second >= end;
}

uint64_t IntervalSet::size() const {
  uint64_t total = 0;
  for (const auto& [first, end] : ends_) total += end - first;
  return total;
}

std::vector<IntervalSet::Interval> IntervalSet::intervals() const {
  std::vector<Interval> all;
  all.reserve(ends_.size());
  for (const auto& [first, end] : ends_) all.push_back({first, end});
  return all;
}

std::vector<IntervalSet::Interval> IntervalSet::missing(uint64_t first, uint64_t end) const {
  std::vector<Interval> holes;
  uint64_t at = first;
  auto next = ends_.upper_bound(first);
  if (next != ends_.begin()) --next;
  for (; next != ends_.end() && next->first < end; ++next) {
    if (next->second <= at) continue;
    if (next->first > at) holes.push_back({at, next->first});
    at = next->second;
  }
  if (at < end) holes.push_back({at, end});
  return holes;
}

}  // namespace joulespool
