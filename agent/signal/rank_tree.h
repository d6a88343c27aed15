// Numbers in order, for quantiles over a sliding window.
#pragma once

#include <cstdint>
#include <vector>

namespace joulespool::signal {

// A bounded set of numbers that finds the k-th smallest. Numbers stand in slots, as in a ring: a slot that is given a number
// again must have been taken out before. A treap (Seidel, Aragon: Randomized search trees, 1996) whose nodes know the size of
// their subtree; priorities are a hash of the slot, hence the same order of calls does the same work. All calls but the
// constructor take O(log size) time, in expectation, and no memory.
class RankTree {
 public:
  explicit RankTree(uint32_t slots);
  void clear();
  // `key` must not be NaN, `slot` must be free.
  void insert(uint32_t slot, double key);
  // Of a slot that holds a number.
  void erase(uint32_t slot);
  [[nodiscard]] uint32_t size() const { return size_of(root_); }
  // The number of that rank; 0 is the smallest. rank < size().
  [[nodiscard]] double at(uint32_t rank) const;

 private:
  static constexpr uint32_t none = UINT32_MAX;
  struct Node {
    double key = 0;
    uint32_t left = none, right = none;
    uint32_t size = 0;  // of the subtree
    uint32_t priority = 0;
  };
  [[nodiscard]] uint32_t size_of(uint32_t tree) const { return tree == none ? 0 : nodes_[tree].size; }
  [[nodiscard]] bool is_before(uint32_t a, uint32_t b) const;
  void count(uint32_t tree) { nodes_[tree].size = 1 + size_of(nodes_[tree].left) + size_of(nodes_[tree].right); }
  void split(uint32_t tree, uint32_t slot, uint32_t& before, uint32_t& after);
  uint32_t join(uint32_t before, uint32_t after);

  std::vector<Node> nodes_;  // by slot
  uint32_t root_ = none;
};

}  // namespace joulespool::signal
