// A set of unsigned numbers, kept as disjoint ranges.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace joulespool {

// Half-open ranges [first, end) of uint64; neighbours are joined.
class IntervalSet {
 public:
  struct Interval {
    uint64_t first;
    uint64_t end;
    bool operator==(const Interval&) const = default;
  };
  // How many of [first, end) were in the set already.
  uint64_t insert(uint64_t first, uint64_t end);
  void erase_below(uint64_t end);
  [[nodiscard]] bool contains(uint64_t value) const;
  [[nodiscard]] bool contains(uint64_t first, uint64_t end) const;  // all of it
  [[nodiscard]] uint64_t size() const;                              // count of values
  [[nodiscard]] bool empty() const { return ends_.empty(); }
  [[nodiscard]] std::vector<Interval> intervals() const;
  // The parts of [first, end) that are not in the set.
  [[nodiscard]] std::vector<Interval> missing(uint64_t first, uint64_t end) const;

 private:
  std::map<uint64_t, uint64_t> ends_;  // first -> end
};

}  // namespace joulespool
