#include "agent/base/interval_set.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace joulespool;
using Interval = IntervalSet::Interval;

TEST_CASE("interval set: neighbours are joined") {
  IntervalSet set;
  CHECK(set.insert(1, 3) == 0);
  CHECK(set.insert(5, 7) == 0);
  CHECK(set.intervals() == std::vector<Interval>{{1, 3}, {5, 7}});
  CHECK(set.insert(3, 5) == 0);
  CHECK(set.intervals() == std::vector<Interval>{{1, 7}});
}

TEST_CASE("interval set: inserting says how much was there") {
  IntervalSet set;
  set.insert(10, 20);
  CHECK(set.insert(15, 25) == 5);
  CHECK(set.insert(0, 100) == 15);
  CHECK(set.insert(0, 100) == 100);
  CHECK(set.insert(7, 7) == 0);
  CHECK(set.size() == 100);
}

TEST_CASE("interval set: the ends of the number range") {
  IntervalSet set;
  set.insert(UINT64_MAX - 1, UINT64_MAX);
  set.insert(0, 1);
  CHECK(set.contains(UINT64_MAX - 1));
  CHECK(!set.contains(UINT64_MAX));
  CHECK(set.missing(0, UINT64_MAX) == std::vector<Interval>{{1, UINT64_MAX - 1}});
}

TEST_CASE("interval set: any sequence of operations does what a set of numbers does") {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto number = [&] { return static_cast<uint64_t>(random() % 60); };
    IntervalSet set;
    std::set<uint64_t> model;
    for (int step = 0; step < 200; ++step) {
      const uint64_t a = number();
      const uint64_t b = a + random() % 12;
      if (random() % 8 == 0) {
        set.erase_below(a);
        model.erase(model.begin(), model.lower_bound(a));
      } else {
        uint64_t known = 0;
        for (uint64_t n = a; n < b; ++n) known += model.insert(n).second ? 0U : 1U;
        CHECK(set.insert(a, b) == known);
      }
      CHECK(set.size() == model.size());
      CHECK(set.empty() == model.empty());
      const uint64_t from = number();
      const uint64_t to = from + random() % 20;
      bool all = true;
      std::vector<uint64_t> absent;
      for (uint64_t n = from; n < to; ++n)
        if (model.count(n) == 0) absent.push_back(n), all = false;
      CHECK(set.contains(from) == (model.count(from) == 1));
      CHECK(set.contains(from, to) == all);
      std::vector<uint64_t> missing;
      for (const Interval& hole : set.missing(from, to))
        for (uint64_t n = hole.first; n < hole.end; ++n) missing.push_back(n);
      CHECK(missing == absent);
      const auto intervals = set.intervals();
      for (size_t at = 1; at < intervals.size(); ++at) CHECK(intervals[at - 1].end < intervals[at].first);
    }
  }
}
