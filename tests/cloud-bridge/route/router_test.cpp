#include "cloud-bridge/route/router.h"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <vector>

using namespace joulespool;
using route::Decision;
using route::Router;

namespace {

route::SourceSequence source(const std::string& host = "lab-1", const std::string& device = "js220-001122",
                             wire::Lane lane = wire::Lane::stat, uint64_t epoch = 7) {
  return {host, {device, epoch, lane}};
}

// Judges, and follows the rule that an accepted frame is taken.
Decision offer(Router& router, const route::SourceSequence& from, uint64_t seq, uint64_t prev) {
  const Decision decision = router.judge(from, seq, prev);
  if (decision == Decision::accept) router.on_accepted(from, seq);
  return decision;
}

struct Step {
  char what;  // f: frame, s: stored, r: rejected
  uint64_t seq;
  uint64_t prev;
  Decision expected;
};

void play(const std::vector<Step>& steps) {
  Router router;
  for (size_t at = 0; at < steps.size(); ++at) {
    CAPTURE(at);
    const Step& step = steps[at];
    if (step.what == 'f') CHECK(offer(router, source(), step.seq, step.prev) == step.expected);
    if (step.what == 's') router.on_stored(source(), step.seq);
    if (step.what == 'r') router.on_rejected(source(), step.seq);
  }
}

constexpr Decision none = Decision::accept;  // where a step has no decision

}  // namespace

TEST_CASE("route: frames in order are accepted") {
  play({{'f', 1, 0, Decision::accept}, {'f', 2, 1, Decision::accept}, {'s', 1, 0, none}, {'f', 3, 2, Decision::accept}});
}

TEST_CASE("route: a frame whose predecessor did not come is out of order until the agent rewinds") {
  play({{'f', 1, 0, Decision::accept},
        {'f', 3, 2, Decision::out_of_order},
        {'f', 4, 3, Decision::out_of_order},
        {'f', 2, 1, Decision::accept},
        {'f', 3, 2, Decision::accept},
        {'f', 4, 3, Decision::accept}});
}

TEST_CASE("route: a new bridge takes a sequence up at the agent's first unacknowledged frame") {
  play({{'f', 812, 811, Decision::out_of_order}, {'f', 812, 0, Decision::accept}, {'f', 813, 812, Decision::accept}});
}

TEST_CASE("route: numbers that the agent skips, because they are stored or evicted, are no holes") {
  play({{'f', 1, 0, Decision::accept}, {'f', 9, 1, Decision::accept}, {'f', 20, 0, Decision::accept}});
}

TEST_CASE("route: a duplicate in flight is ignored, a stored one is acknowledged again") {
  play({{'f', 1, 0, Decision::accept},
        {'f', 1, 0, Decision::duplicate_in_flight},
        {'s', 1, 0, none},
        {'f', 1, 0, Decision::duplicate_stored},
        {'f', 2, 1, Decision::accept},
        {'f', 1, 0, Decision::duplicate_stored}});
}

TEST_CASE("route: frames that a bridge before this one stored are taken again, though a later one came first") {
  play({{'f', 9, 0, Decision::accept},
        {'s', 9, 0, none},
        {'f', 5, 0, Decision::accept},
        {'f', 6, 5, Decision::accept},
        {'f', 9, 6, Decision::duplicate_stored},
        {'f', 10, 9, Decision::accept}});
}

TEST_CASE("route: a rejected frame does not stop its sequence and is judged again if it comes again") {
  play({{'f', 1, 0, Decision::accept}, {'r', 1, 0, none}, {'f', 2, 1, Decision::accept}, {'f', 1, 0, Decision::accept}});
}

TEST_CASE("route: hosts, lanes and epochs are sequences of their own, the partition key is the device") {
  Router router;
  CHECK(offer(router, source("lab-1"), 5, 0) == Decision::accept);
  CHECK(offer(router, source("lab-2"), 5, 0) == Decision::accept);
  CHECK(offer(router, source("lab-1", "js220-001122", wire::Lane::wave), 6, 5) == Decision::out_of_order);
  CHECK(offer(router, source("lab-1", "js220-001122", wire::Lane::stat, 8), 6, 5) == Decision::out_of_order);
  CHECK(offer(router, source("lab-1"), 6, 5) == Decision::accept);
  router.on_stored(source("lab-1"), 5);
  CHECK(router.judge(source("lab-2"), 5, 0) == Decision::duplicate_in_flight);
  CHECK(route::partition_key(source("lab-1").sequence) == "js220-001122");
}

TEST_CASE("route: a frame that is judged but not taken leaves no trace") {
  Router router;
  CHECK(router.judge(source(), 1, 0) == Decision::accept);
  CHECK(router.sequences() == 0);
  CHECK(router.judge(source(), 2, 1) == Decision::out_of_order);
}

TEST_CASE("route: the sequence unused for longest is forgotten, one with frames in flight never") {
  Router router(3);
  const auto a = source("a"), b = source("b"), c = source("c"), d = source("d"), e = source("e");
  for (const auto& one : {a, b, c}) {
    CHECK(offer(router, one, 1, 0) == Decision::accept);
    if (one != a) router.on_stored(one, 1);
  }
  CHECK(router.judge(b, 1, 0) == Decision::duplicate_stored);  // b is used again: c is now the one to go
  CHECK(offer(router, d, 1, 0) == Decision::accept);
  CHECK(router.sequences() == 3);
  CHECK(router.forgotten() == 1);
  CHECK(router.judge(a, 1, 0) == Decision::duplicate_in_flight);
  CHECK(router.judge(b, 1, 0) == Decision::duplicate_stored);
  CHECK(router.judge(c, 2, 1) == Decision::out_of_order);  // begins again: only with prev = 0
  CHECK(router.judge(c, 2, 0) == Decision::accept);
  CHECK(offer(router, e, 1, 0) == Decision::accept);  // b goes; a and d are in flight
  CHECK(router.judge(b, 1, 0) == Decision::accept);
}

TEST_CASE("route: what is remembered as stored stays bounded when an agent skips every other number") {
  Router router;
  for (uint64_t seq = 1; seq < 4 * route::stored_span_max; seq += 2) {
    CHECK(offer(router, source(), seq, 0) == Decision::accept);
    router.on_stored(source(), seq);
  }
  CHECK(router.judge(source(), 4 * route::stored_span_max - 1, 0) == Decision::duplicate_stored);
  CHECK(router.judge(source(), 1, 0) == Decision::accept);  // forgotten: it is stored a second time, readers drop it
}

// An agent that goes back to its first unacknowledged frame from time to time, over a pipe that loses messages and acks.
TEST_CASE("route: with losses anywhere every frame is accepted, first occurrences in order") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    Router router;
    std::vector<uint64_t> first_accepted;
    std::deque<uint64_t> unacknowledged;
    for (uint64_t seq = 1; seq <= 200; ++seq) unacknowledged.push_back(seq);
    for (int round = 0; !unacknowledged.empty() && round < 10'000; ++round) {
      if (chance(5)) router = Router();  // a new bridge
      const std::vector<uint64_t> window(unacknowledged.begin(),
                                         unacknowledged.begin() + std::min<long>(8, std::ssize(unacknowledged)));
      uint64_t prev = 0;
      for (const uint64_t seq : window) {
        const Decision decision = chance(20) ? Decision::out_of_order : offer(router, source(), seq, prev);
        prev = seq;
        if (decision == Decision::accept && (first_accepted.empty() || seq > first_accepted.back()))
          first_accepted.push_back(seq);
        if (decision == Decision::accept) router.on_stored(source(), seq);
        const bool acked = (decision == Decision::accept || decision == Decision::duplicate_stored) && !chance(30);
        if (acked) std::erase(unacknowledged, seq);
      }
    }
    CHECK(unacknowledged.empty());
    REQUIRE(first_accepted.size() == 200);  // in order, so nothing was skipped
  }
}
