#include <doctest/doctest.h>

#include "tests/agent/uplink/drain_bench.h"

namespace joulespool::test {
namespace {

using uplink::DrainSettings;
using wire::Lane;

const wire::FrameSequence stat = sequence_of(Lane::stat);

// In few frames and short times.
DrainSettings small() {
  return {.window_frames = 8, .window_bytes = 8000, .ack_timeout_ns = 5 * ns_per_s, .ack_timeout_max_ns = 60 * ns_per_s};
}

TEST_CASE("drain: nothing is published without a connection and a bridge that takes it") {
  DrainBench bench;
  bench.add(stat, 3);
  CHECK(bench.pump().empty());
  bench.drain.bridge_said("one", bridge_state("a"));  // of an earlier connection
  bench.drain.connected(20);
  CHECK(bench.pump().empty());
  CHECK(bench.drain.far_end().reason() == "no bridge serves this host");

  bench.drain.bridge_said("one", bridge_state("a", false));
  CHECK(bench.pump().empty());
  CHECK(bench.drain.far_end().online());
  CHECK(bench.drain.far_end().reason() == "bridge one: not accepting");

  wire::BridgeState elsewhere = bridge_state("b");
  elsewhere.parts = {{0, 6}, {8, 63}};
  bench.drain.bridge_said("two", elsewhere);
  CHECK(bench.pump().empty());

  bench.drain.bridge_said("one", bridge_state("a"));
  CHECK(bench.drain.far_end().reason().empty());
  CHECK(to_text(bench.pump()) == "1<0 2<1 3<2");
}

TEST_CASE("drain: a bridge that goes away, stops accepting or is removed stops the publishing") {
  const std::vector<std::pair<std::string, std::function<void(DrainBench&)>>> ends = {
      {"its Will", [](DrainBench& b) { b.drain.bridge_said("one", bridge_state("a", true, false)); }},
      {"not accepting", [](DrainBench& b) { b.drain.bridge_said("one", bridge_state("a", false)); }},
      {"state removed", [](DrainBench& b) { b.drain.bridge_removed("one"); }},
      {"disconnected", [](DrainBench& b) { b.drain.disconnected(); }},
  };
  for (const auto& [name, end] : ends) {
    CAPTURE(name);
    DrainBench bench;
    bench.go();
    bench.add(stat, 1);
    CHECK(bench.flow().size() == 1);
    end(bench);
    bench.add(stat, 1);
    bench.wait(100 * ns_per_s);
    CHECK(bench.pump().empty());
    CHECK(!bench.drain.deadline_ns());
    bench.go();
    CHECK(to_text(bench.pump()) == "1<0 2<1");  // what was on the way may be lost
  }
}

TEST_CASE("drain: lanes go by priority, devices of a lane take turns, older epochs go first") {
  DrainBench bench;
  bench.go(20);
  const std::string a = "a", b = "b";
  bench.add(sequence_of(Lane::wave, a), 2);
  bench.add(sequence_of(Lane::stat, a), 2);
  bench.add(sequence_of(Lane::event, b), 2);
  CHECK(lanes_of(bench.pump()) == "eessww");

  DrainBench turns;
  turns.go(20);
  turns.add(sequence_of(Lane::wave, a), 40);
  turns.add(sequence_of(Lane::wave, b), 40);
  std::string devices;
  for (const Sent& sent : turns.pump()) devices += sent.id.sequence.device;
  CHECK(devices == "aaaaaaaabbbbbbbbaaaa");

  DrainBench epochs;
  epochs.go(20);
  epochs.spool.add(sequence_of(Lane::stat, a, 77));  // older by time, though its number is larger
  epochs.add(sequence_of(Lane::stat, a, 1), 1);
  epochs.spool.add(sequence_of(Lane::stat, a, 5));
  epochs.look();
  const auto sent = epochs.pump();
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].id.sequence.epoch == 77);
  CHECK(sent[1].id.sequence.epoch == 5);
  CHECK(sent[2].id.sequence.epoch == 1);  // the present one
}

TEST_CASE("drain: publishes under way stay below 20 and below what the broker takes") {
  for (const auto& [receive_maximum, expected] :
       std::vector<std::pair<uint16_t, size_t>>{{65535, 20}, {20, 20}, {3, 3}, {1, 1}, {0, 1}}) {
    CAPTURE(receive_maximum);
    DrainBench bench;
    bench.go(receive_maximum);
    bench.add(stat, 100);
    const auto sent = bench.pump();
    CHECK(sent.size() == expected);
    CHECK(!bench.drain.control_token(bench.now_ns));
    bench.drain.published(sent[0].token, true, bench.now_ns);
    const auto control = bench.drain.control_token(bench.now_ns);
    REQUIRE(control);
    CHECK(bench.pump().empty());
    bench.drain.published(*control, true, bench.now_ns);
    CHECK(bench.pump().size() == 1);
    CHECK(bench.drain.oldest_publish_ns() == bench.now_ns);
  }
}

TEST_CASE("drain: the window bounds frames and bytes, and keeps room for the lanes above") {
  DrainBench frames(small());
  frames.go();
  frames.add(sequence_of(Lane::wave), 20);
  CHECK(frames.flow().size() == 6);  // 3/4
  frames.add(sequence_of(Lane::stat), 20);
  CHECK(frames.flow().size() == 1);  // 7/8
  frames.add(sequence_of(Lane::event), 20);
  CHECK(frames.flow().size() == 1);
  CHECK(frames.drain.frames_unacked() == 8);
  frames.ack(sequence_of(Lane::wave), 1, 2);
  CHECK(lanes_of(frames.flow()) == "ee");

  DrainBench bytes(small());
  bytes.go();
  bytes.add(sequence_of(Lane::event), 20, 3000);
  CHECK(bytes.flow().size() == 2);
  CHECK(bytes.drain.bytes_unacked() == 6000);
  bytes.ack(sequence_of(Lane::event), 1, 1);
  CHECK(to_text(bytes.flow()) == "3<2");

  DrainBench large(small());
  large.go();
  large.add(sequence_of(Lane::event), 2, 100'000);
  CHECK(to_text(large.flow()) == "1<0");  // alone, but not for ever in the way
  large.ack(sequence_of(Lane::event), 1, 1);
  CHECK(to_text(large.flow()) == "2<0");
}

TEST_CASE("drain: `prev` is the frame before that has no ack yet") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 3);
  CHECK(to_text(bench.flow()) == "1<0 2<1 3<2");
  bench.ack(stat, 2, 3);  // the ack of 1 was lost
  bench.add(stat, 1);
  CHECK(to_text(bench.flow()) == "4<1");
  bench.ack(stat, 1, 4);
  bench.add(stat, 1);
  CHECK(to_text(bench.flow()) == "5<0");
}

TEST_CASE("drain: stored frames are handed over once, skipped when read again, and forgotten when they left the spool") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 6);
  bench.flow();
  bench.ack(stat, 2, 3);
  bench.ack(stat, 2, 4);
  const auto stored = bench.drain.take_stored();
  REQUIRE(stored.size() == 2);
  CHECK(stored[0] == std::pair(stat, wire::SeqRange{2, 3}));
  CHECK(stored[1] == std::pair(stat, wire::SeqRange{4, 4}));
  CHECK(bench.drain.take_stored().empty());
  bench.drain.bridge_said("one", bridge_state("b"));  // another instance: at once from the oldest without an ack
  CHECK(to_text(bench.flow()) == "1<0 5<1 6<5");
  CHECK(bench.drain.counts().frames_resent == 3);

  bench.ack(stat, 1, 1);
  bench.spool.remove(stat, {1, 4});
  bench.look();
  bench.drain.bridge_said("one", bridge_state("c"));
  CHECK(to_text(bench.flow()) == "5<0 6<5");
  bench.ack(stat, 5, 6);
  bench.spool.remove(stat, {5, 6});
  bench.look();
  CHECK(bench.flow().empty());
  CHECK(bench.drain.frames_unacked() == 0);
  CHECK(bench.drain.bytes_unacked() == 0);
  CHECK(bench.drain.counts().frames_acked == 6);
}

TEST_CASE("drain: without an ack a sequence is sent again from its oldest frame, later and later up to the limit") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 2);
  bench.add(sequence_of(Lane::event), 1);
  bench.flow();
  bench.ack(sequence_of(Lane::event), 1, 1);
  for (const int64_t timeout_s : {5, 10, 20, 40, 60, 60}) {
    CAPTURE(timeout_s);
    CHECK(bench.drain.deadline_ns() == bench.now_ns + timeout_s * ns_per_s);
    bench.wait(timeout_s * ns_per_s - 1);
    CHECK(bench.flow().empty());
    bench.wait(1);
    CHECK(to_text(bench.flow()) == "1<0 2<1");
  }
  CHECK(bench.drain.counts().timeouts == 6);
  bench.ack(stat, 1, 1);  // it goes on: back to the first timeout, counted from now
  CHECK(bench.drain.deadline_ns() == bench.now_ns + 5 * ns_per_s);
  bench.wait(5 * ns_per_s);
  CHECK(to_text(bench.flow()) == "2<0");
}

TEST_CASE("drain: a far end that is slow but goes on is not sent everything again") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 10);
  bench.flow();
  for (uint64_t seq = 1; seq <= 10; ++seq) {
    bench.wait(4 * ns_per_s);
    CHECK(bench.flow().empty());
    bench.ack(stat, seq, seq);
  }
  CHECK(bench.drain.counts().timeouts == 0);
}

TEST_CASE("drain: a lost ack is made good although later frames are acked all the time") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 1);
  bench.flow();
  std::string sent;
  for (uint64_t seq = 2; seq <= 8; ++seq) {
    bench.add(stat, 1);
    sent += to_text(bench.flow()) + " ";
    bench.ack(stat, seq, seq);
    bench.wait(ns_per_s);
  }
  CHECK(sent == "2<1 3<1 4<1 5<1 6<1 1<0 7<1 8<1 ");
}

TEST_CASE("drain: the ack's time runs only from when the broker has the frame") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 1);
  const auto sent = bench.pump();
  bench.wait(100 * ns_per_s);
  CHECK(bench.pump().empty());
  CHECK(!bench.drain.deadline_ns());
  CHECK(bench.drain.oldest_publish_ns() == bench.now_ns - 100 * ns_per_s);
  bench.drain.published(sent[0].token, true, bench.now_ns);
  CHECK(bench.drain.deadline_ns() == bench.now_ns + 5 * ns_per_s);
  CHECK(!bench.drain.oldest_publish_ns());
}

TEST_CASE("drain: a frame that the broker refuses is tried again later, with the frames behind it") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 3);
  bench.add(sequence_of(Lane::wave), 1);
  const auto sent = bench.pump();
  REQUIRE(to_text(sent) == "1<0 2<1 3<2 1<0");
  bench.drain.published(sent[0].token, true, bench.now_ns);
  bench.drain.published(sent[1].token, false, bench.now_ns);
  bench.drain.published(sent[2].token, true, bench.now_ns);
  bench.drain.published(sent[3].token, true, bench.now_ns);
  CHECK(bench.flow().empty());
  CHECK(bench.drain.deadline_ns() == bench.now_ns + 5 * ns_per_s);
  bench.wait(5 * ns_per_s - 1);
  CHECK(bench.flow().empty());
  bench.wait(1);
  CHECK(to_text(bench.flow()) == "1<0 2<1 3<2 1<0");  // the other lane by its own timeout
  CHECK(bench.drain.counts().publishes_refused == 1);
}

TEST_CASE("drain: another instance or another bridge gets everything from the oldest frame without an ack") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 2);
  bench.flow();
  bench.drain.bridge_said("one", bridge_state("a"));  // nothing new
  CHECK(bench.flow().empty());
  bench.drain.bridge_said("one", bridge_state("b"));
  CHECK(to_text(bench.flow()) == "1<0 2<1");
  bench.drain.bridge_said("two", bridge_state("c"));
  CHECK(to_text(bench.flow()) == "1<0 2<1");
  bench.drain.bridge_said("one", bridge_state("b", false, false));
  CHECK(to_text(bench.flow()) == "1<0 2<1");
  bench.drain.bridge_said("two", bridge_state("c", false));
  bench.drain.bridge_said("two", bridge_state("c", true));
  CHECK(to_text(bench.flow()) == "1<0 2<1");
}

TEST_CASE("drain: frames that were evicted on the way are left out, and `prev` with them") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 4);
  CHECK(to_text(bench.flow()) == "1<0 2<1 3<2 4<3");
  bench.spool.remove(stat, {1, 1});
  bench.spool.remove(stat, {3, 3});
  bench.look();
  bench.wait(5 * ns_per_s);
  CHECK(to_text(bench.flow()) == "2<0 4<2");
  bench.spool.remove(stat, {1, 9});
  bench.look();
  bench.wait(10 * ns_per_s);
  CHECK(bench.flow().empty());
  CHECK(bench.drain.frames_unacked() == 0);
  bench.add(stat, 1);
  CHECK(to_text(bench.flow()) == "5<0");
}

TEST_CASE("drain: frames left over from an earlier run of the agent may be acked without having been published again") {
  DrainBench bench;
  bench.add(stat, 4);
  bench.go();
  bench.ack(stat, 1, 3);
  CHECK(to_text(bench.flow()) == "4<0");
  CHECK(bench.drain.take_stored().size() == 1);
}

TEST_CASE("drain: a damaged frame is reported once and left out") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 3);
  bench.spool.damage({stat, 2});
  CHECK(to_text(bench.flow()) == "1<0 3<1");
  CHECK(!bench.drain.damaged({stat, 2}));
  bench.wait(5 * ns_per_s);
  CHECK(to_text(bench.flow()) == "1<0 3<1");
  DrainBench first;
  first.go();
  first.add(stat, 1);
  CHECK(first.drain.damaged({stat, 1}));
  CHECK(!first.drain.damaged({stat, 1}));
}

TEST_CASE("drain: a frame that the bridge rejects is handed over once and not sent again") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 3);
  bench.flow();
  for (int i = 0; i < 2; ++i) bench.drain.acked({{stat, {}, {{2, "checksum"}, {0, "x"}, {4, "x"}}}}, bench.now_ns);
  const auto rejected = bench.drain.take_rejected();
  REQUIRE(rejected.size() == 1);
  CHECK(rejected[0] == std::pair(wire::FrameId{stat, 2}, std::string("checksum")));
  CHECK(bench.drain.counts().frames_rejected == 1);
  bench.wait(5 * ns_per_s);
  CHECK(to_text(bench.flow()) == "1<0 3<1");
}

TEST_CASE("drain: what the bridge says again about frames that left the spool is not handed over again") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 4);
  bench.flow();
  for (int i = 0; i < 2; ++i) {
    bench.drain.acked({{stat, {{2, 2}}, {{1, "x"}, {3, "x"}}}}, bench.now_ns);
    CHECK(bench.drain.take_stored().size() == (i == 0 ? 1 : 0));
    CHECK(bench.drain.take_rejected().size() == (i == 0 ? 2 : 0));
    bench.spool.remove(stat, {1, 3});
    bench.look();
  }
  CHECK(bench.drain.counts().frames_acked == 1);
}

TEST_CASE("drain: acks of what we do not have change nothing") {
  DrainBench bench;
  bench.go();
  bench.add(stat, 3);
  bench.flow();
  bench.ack(sequence_of(Lane::stat, "stranger"), 1, 3);
  bench.ack(sequence_of(Lane::stat, "js220-000001", 99), 1, 3);
  bench.ack(stat, 4, UINT64_MAX);
  bench.drain.published(123456, true, bench.now_ns);
  CHECK(bench.drain.counts().acks_unknown == 3);
  CHECK(bench.drain.take_stored().empty());
  bench.ack(stat, 3, UINT64_MAX);
  const auto stored = bench.drain.take_stored();
  REQUIRE(stored.size() == 1);
  CHECK(stored[0].second == wire::SeqRange{3, 3});
  CHECK(bench.drain.frames_unacked() == 2);
}

TEST_CASE("drain: a sequence that is gone from the spool takes nothing of the window") {
  DrainBench bench(small());
  bench.go();
  bench.add(sequence_of(Lane::event), 8);
  CHECK(bench.flow().size() == 8);
  bench.drain.spool_holds({}, 1);
  CHECK(bench.drain.frames_unacked() == 0);
  bench.ack(sequence_of(Lane::event), 1, 8);
  CHECK(bench.drain.take_stored().empty());
}

}  // namespace
}  // namespace joulespool::test
