#include "agent/codec/window_states.h"

#include <algorithm>
#include <array>
#include <bit>

#include "agent/codec/integer_column.h"

namespace joulespool::codec {
namespace {

// What a division must save in the levels alone. Noise around one level can always be divided, and saves a bit a window, which
// naming the state takes again; real states save more than that, and in other columns too.
constexpr int64_t gain_min_per_window = 256 * 5 / 4;
constexpr int64_t gain_min = 256 * 120;  // another centre and k in each column

// log2(x) * 256, to some 6 hundredths of a bit; integers only, so that every machine divides alike.
int64_t log2_of(uint64_t x) {
  const auto width = static_cast<unsigned>(std::bit_width(x));
  return width == 0 ? 0 : static_cast<int64_t>((uint64_t{width - 1} << 8) | (((x << (64 - width)) >> 55) & 255));
}

}  // namespace

// Of levels that lie within a range: so many bits each.
int64_t WindowStates::cost(size_t first, size_t end) const {
  const uint64_t range = static_cast<uint64_t>(sorted_[end - 1]) - static_cast<uint64_t>(sorted_[first]);
  return static_cast<int64_t>(end - first) * log2_of((range | 1) + (range >> 63 == 0 ? 1 : 0));
}

WindowStates::Segment WindowStates::measured(size_t first, size_t end) const {
  Segment segment{first, end, first, 0};
  const int64_t whole = cost(first, end);
  for (size_t cut = first + 1; cut < end; ++cut) {
    if (sorted_[cut] == sorted_[cut - 1]) continue;
    const int64_t gain = whole - cost(first, cut) - cost(cut, end);
    if (gain > segment.gain) {
      segment.cut = cut;
      segment.gain = gain;
    }
  }
  segment.gain -= static_cast<int64_t>(end - first) * gain_min_per_window + gain_min;
  return segment;
}

unsigned WindowStates::find(std::span<const int64_t> levels, std::vector<uint8_t>& states) {
  sorted_.assign(levels.begin(), levels.end());
  std::sort(sorted_.begin(), sorted_.end());
  std::array<Segment, window_states_max> segments;
  unsigned count = 1;
  segments[0] = measured(0, sorted_.size());
  while (count < window_states_max) {
    const auto best = std::max_element(segments.begin(), segments.begin() + count,
                                       [](const Segment& a, const Segment& b) { return a.gain < b.gain; });
    if (best->gain <= 0) break;
    segments[count++] = measured(best->cut, best->end);
    *best = measured(best->first, best->cut);
  }
  std::array<int64_t, window_states_max> lowest{};
  for (unsigned at = 0; at < count; ++at) lowest[at] = sorted_[segments[at].first];
  std::sort(lowest.begin(), lowest.begin() + count);
  states.resize(levels.size());
  for (size_t at = 0; at < levels.size(); ++at)
    states[at] =
        static_cast<uint8_t>(std::upper_bound(lowest.begin() + 1, lowest.begin() + count, levels[at]) - lowest.begin() - 1);
  return count;
}

}  // namespace joulespool::codec
