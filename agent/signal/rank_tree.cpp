#include "agent/signal/rank_tree.h"

namespace joulespool::signal {
namespace {

// Neighbouring slots must not have neighbouring priorities. (The finalizer of MurmurHash3, 32 bit; Appleby.)
uint32_t scramble(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85EBCA6B;
  x = (x ^ (x >> 13)) * 0xC2B2AE35;
  return x ^ (x >> 16);
}

}  // namespace

RankTree::RankTree(uint32_t slots) : nodes_(slots) {
  for (uint32_t slot = 0; slot < slots; ++slot) nodes_[slot].priority = scramble(slot + 1);
}

void RankTree::clear() { root_ = none; }

// Equal numbers: by slot, so that each can be found again.
bool RankTree::is_before(uint32_t a, uint32_t b) const {
  return nodes_[a].key < nodes_[b].key || (nodes_[a].key == nodes_[b].key && a < b);
}

void RankTree::insert(uint32_t slot, double key) {
  Node& node = nodes_[slot];
  node.key = key;
  uint32_t* place = &root_;
  while (*place != none && nodes_[*place].priority >= node.priority) {
    Node& above = nodes_[*place];
    ++above.size;
    place = is_before(slot, *place) ? &above.left : &above.right;
  }
  split(*place, slot, node.left, node.right);
  count(slot);
  *place = slot;
}

void RankTree::erase(uint32_t slot) {
  uint32_t* place = &root_;
  while (*place != slot) {
    Node& above = nodes_[*place];
    --above.size;
    place = is_before(slot, *place) ? &above.left : &above.right;
  }
  *place = join(nodes_[slot].left, nodes_[slot].right);
}

double RankTree::at(uint32_t rank) const {
  uint32_t tree = root_;
  for (;;) {
    const uint32_t smaller = size_of(nodes_[tree].left);
    if (rank == smaller) return nodes_[tree].key;
    if (rank < smaller) {
      tree = nodes_[tree].left;
    } else {
      rank -= smaller + 1;
      tree = nodes_[tree].right;
    }
  }
}

// What of `tree` is before the slot's number, and what is after it.
void RankTree::split(uint32_t tree, uint32_t slot, uint32_t& before, uint32_t& after) {
  if (tree == none) {
    before = after = none;
  } else if (is_before(tree, slot)) {
    split(nodes_[tree].right, slot, nodes_[tree].right, after);
    before = tree;
    count(tree);
  } else {
    split(nodes_[tree].left, slot, before, nodes_[tree].left);
    after = tree;
    count(tree);
  }
}

uint32_t RankTree::join(uint32_t before, uint32_t after) {
  if (before == none) return after;
  if (after == none) return before;
  if (nodes_[before].priority >= nodes_[after].priority) {
    nodes_[before].right = join(nodes_[before].right, after);
    count(before);
    return before;
  }
  nodes_[after].left = join(before, nodes_[after].left);
  count(after);
  return after;
}

}  // namespace joulespool::signal
