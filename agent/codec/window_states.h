// What a device under test is doing (asleep, computing, sending) shows in its current: windows of the same state are alike.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace joulespool::codec {

// Sorts windows into up to window_states_max states by their levels (means of i). One thread; keeps its memory.
class WindowStates {
 public:
  // The number of states, 1 where more would not make the columns smaller. Higher levels have higher states.
  unsigned find(std::span<const int64_t> levels, std::vector<uint8_t>& states);

 private:
  struct Segment {  // of sorted_
    size_t first = 0, end = 0;
    size_t cut = 0;    // where it would best be divided
    int64_t gain = 0;  // in bits / 256
  };
  [[nodiscard]] int64_t cost(size_t first, size_t end) const;
  [[nodiscard]] Segment measured(size_t first, size_t end) const;

  std::vector<int64_t> sorted_;
};

}  // namespace joulespool::codec
