#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <random>
#include <set>

#include "tests/agent/uplink/drain_bench.h"

namespace joulespool::test {
namespace {

// A bridge by its rules (agent/wire/FORMAT.md, Order), with Kinesis behind it.
class BridgeModel {
 public:
  bool online = true, accepting = true;

  void restart() {
    ++instance_;
    highest_.clear();
    stored_.clear();
    rejected_.clear();
    in_flight_.clear();
    acks.clear();
  }
  [[nodiscard]] wire::BridgeState state() const { return bridge_state(std::to_string(instance_), accepting, online); }
  void deliver(const Sent& sent) {
    if (!online || !accepting) return;
    uint64_t& highest = highest_[sent.id.sequence];
    if (sent.id.seq <= highest) {
      if (stored_.contains(sent.id)) acks.push_back({sent.id.sequence, {{sent.id.seq, sent.id.seq}}, {}});
      if (rejected_.contains(sent.id)) acks.push_back({sent.id.sequence, {}, {{sent.id.seq, "model"}}});
    } else if (sent.previous <= highest) {
      highest = sent.id.seq;
      in_flight_[sent.id.sequence].push_back(sent.id.seq);
    }
  }
  void store_some(uint64_t random) {
    if (in_flight_.empty()) return;
    auto at = in_flight_.begin();
    std::advance(at, static_cast<long>(random % in_flight_.size()));
    wire::AckEntry ack{at->first, {}, {}};
    for (uint64_t count = 1 + random / 7 % 5; count > 0 && !at->second.empty(); --count) {
      const uint64_t seq = at->second.front();
      at->second.pop_front();
      if (seq % 41 == 0) {
        ack.rejected.push_back({seq, "model"});
        rejected_.insert({at->first, seq});
        continue;
      }
      kinesis[at->first].push_back(seq);
      stored_.insert({at->first, seq});
      ack.stored.push_back({seq, seq});
    }
    if (at->second.empty()) in_flight_.erase(at);
    acks.push_back(ack);
  }
  [[nodiscard]] bool idle() const { return in_flight_.empty(); }

  std::deque<wire::AckEntry> acks;
  std::map<wire::FrameSequence, std::vector<uint64_t>> kinesis;  // in the order of arrival, with second copies

 private:
  uint64_t instance_ = 1;
  std::map<wire::FrameSequence, uint64_t> highest_;
  std::set<wire::FrameId> stored_, rejected_;
  std::map<wire::FrameSequence, std::deque<uint64_t>> in_flight_;
};

// Agent, broker and bridge, one random step at a time.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed), bench_({.window_frames = 24, .window_bytes = 6000}) {
    for (const char* device : {"a", "b"})
      for (const wire::Lane lane : wire::lanes)
        for (const uint64_t epoch : {1U, 2U}) sequences_.push_back(sequence_of(lane, device, epoch));
    connect();
  }

  void disturb() {
    switch (pick(40)) {
      case 0: disconnect(); break;
      case 1:
        bridge_.restart();
        say();
        break;
      case 2:
        bridge_.online = !bridge_.online;
        say();
        break;
      case 3:
        bridge_.accepting = !bridge_.accepting;
        say();
        break;
      case 4: evict(); break;
      case 5: lose_ack(); break;
      case 6: lose_publish(); break;
      case 7: refuse_publish(); break;
      default: work();
    }
    check_windows();
  }
  void settle() {
    bridge_.online = bridge_.accepting = true;
    connect();
    for (int round = 0; round < 20'000 && !(bench_.spool.frames().empty() && bridge_.idle()); ++round) {
      while (!pipe_.empty()) take_publish();
      bridge_.store_some(random_());
      while (!bridge_.acks.empty()) take_ack(0);
      commit();
      bench_.wait(ns_per_s / 4);
      pump();
      check_windows();
    }
  }
  void check_everything_arrived() {
    CHECK(bench_.spool.frames().empty());
    for (const wire::FrameId& id : made_) {
      const auto& arrived = bridge_.kinesis[id.sequence];
      const bool is_there = std::find(arrived.begin(), arrived.end(), id.seq) != arrived.end();
      const bool is_accounted = is_there || evicted_.contains(id) || rejected_.contains(id);
      REQUIRE_MESSAGE(is_accounted, "seq " << id.seq << " of " << id.sequence.device);
    }
    for (const auto& [sequence, arrived] : bridge_.kinesis) {
      uint64_t highest = 0;
      std::set<uint64_t> seen;
      for (const uint64_t seq : arrived) {
        if (!seen.insert(seq).second) continue;
        REQUIRE_MESSAGE(seq > highest, "first copies out of order: " << seq << " after " << highest);
        highest = seq;
      }
    }
  }
  [[nodiscard]] const uplink::DrainCounts& counts() const { return bench_.drain.counts(); }

 private:
  uint64_t pick(uint64_t below) { return random_() % below; }

  void work() {
    switch (pick(8)) {
      case 0:
        if (made_.size() < 1500) made_.push_back(bench_.spool.add(sequences_[pick(sequences_.size())], 50 + pick(900)));
        bench_.look();
        break;
      case 1: pump(); break;
      case 2:
      case 3: take_publish(); break;
      case 4: bridge_.store_some(random_()); break;
      case 5:
        if (!bridge_.acks.empty()) take_ack(pick(bridge_.acks.size()));  // in any order
        break;
      case 6: commit(); break;
      default: bench_.wait(static_cast<int64_t>(pick(800)) * ns_per_ms);
    }
  }
  void connect() {
    pipe_.clear();
    receive_maximum_ = 1 + pick(30);
    bench_.drain.connected(static_cast<uint16_t>(receive_maximum_));
    say();
  }
  void disconnect() {
    const size_t delivered = pipe_.empty() ? 0 : pick(pipe_.size() + 1);  // the broker had these, the agent does not know
    for (size_t i = 0; i < delivered; ++i) bridge_.deliver(pipe_[i]);
    pipe_.clear();
    bridge_.acks.clear();
    bench_.drain.disconnected();
    connect();
  }
  void say() { bench_.drain.bridge_said("one", bridge_.state()); }
  void pump() {
    for (const Sent& sent : bench_.pump()) pipe_.push_back(sent);
  }
  void take_publish() {
    if (pipe_.empty()) return;
    bridge_.deliver(pipe_.front());
    lose_publish();
  }
  void lose_publish() {  // the broker confirms it and forgets it
    if (pipe_.empty()) return;
    bench_.drain.published(pipe_.front().token, true, bench_.now_ns);
    pipe_.pop_front();
  }
  void refuse_publish() {
    if (pipe_.empty()) return;
    bench_.drain.published(pipe_.front().token, false, bench_.now_ns);
    pipe_.pop_front();
  }
  void take_ack(size_t index) {
    bench_.drain.acked({bridge_.acks[index]}, bench_.now_ns);
    bridge_.acks.erase(bridge_.acks.begin() + static_cast<std::ptrdiff_t>(index));
    for (const auto& stored : bench_.drain.take_stored()) to_commit_.push_back(stored);
    for (const auto& [id, reason] : bench_.drain.take_rejected()) {
      CHECK(rejected_.insert(id).second);
      to_commit_.push_back({id.sequence, {id.seq, id.seq}});
    }
  }
  void lose_ack() {
    if (!bridge_.acks.empty()) bridge_.acks.pop_front();
  }
  void commit() {
    for (const auto& [sequence, range] : to_commit_) bench_.spool.remove(sequence, range);
    to_commit_.clear();
    bench_.look();
  }
  void evict() {
    const auto frames = bench_.spool.frames();
    if (frames.empty()) return;
    const wire::FrameId victim = frames[pick(frames.size())];
    bench_.spool.remove(victim);
    evicted_.insert(victim);
    if (pick(2) == 0) bench_.look();
  }
  void check_windows() {
    REQUIRE(bench_.drain.frames_unacked() <= 24);
    REQUIRE(bench_.drain.bytes_unacked() <= 6000);
    REQUIRE(bench_.drain.publishes_under_way() == pipe_.size());
    REQUIRE(pipe_.size() <= std::min<size_t>(20, receive_maximum_));
  }

  std::mt19937_64 random_;
  DrainBench bench_;
  BridgeModel bridge_;
  std::vector<wire::FrameSequence> sequences_;
  size_t receive_maximum_ = 20;
  std::deque<Sent> pipe_;  // published, the broker has not answered
  std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> to_commit_;
  std::vector<wire::FrameId> made_;
  std::set<wire::FrameId> evicted_, rejected_;
};

TEST_CASE("drain: whatever broker and bridge lose, every frame arrives, first copies in order, within the windows") {
  const char* given = std::getenv("JOULESPOOL_TEST_SEED");
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  const uint64_t worlds = given != nullptr ? 1 : 60;
  uint64_t resent = 0, acked = 0;
  for (uint64_t seed = first; seed < first + worlds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    World world(seed);
    for (int step = 0; step < 6000; ++step) world.disturb();
    world.settle();
    world.check_everything_arrived();
    resent += world.counts().frames_resent;
    acked += world.counts().frames_acked;
  }
  MESSAGE("seeds " << first << ".." << first + worlds - 1 << ": " << acked << " acked, " << resent << " sent again");
  CHECK(resent > 0);
}

}  // namespace
}  // namespace joulespool::test
