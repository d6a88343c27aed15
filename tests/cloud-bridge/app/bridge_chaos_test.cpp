// Everything that can fail fails at random, while an agent keeps to its protocol: nothing may be lost, order is kept.
#include <functional>
#include <random>

#include "tests/cloud-bridge/app/rig.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

constexpr uint64_t frames = 300;
constexpr size_t window = 16;

// Sends from the first frame without an ack on, again and again, until Kinesis has everything.
void ship_everything(TestAgent& agent, ScriptedKinesis& kinesis, const std::function<void()>& disturb) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    const auto acked = agent.acked();
    std::vector<uint64_t> pending;
    for (uint64_t seq = 1; seq <= frames && pending.size() < window; ++seq)
      if (!acked.contains(seq)) pending.push_back(seq);
    if (pending.empty()) return;
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    kinesis.fail_with(std::nullopt);
    REQUIRE(agent.wait_accepting());
    uint64_t prev = 0;
    for (const uint64_t seq : pending) agent.send(seq, std::exchange(prev, seq));
    disturb();
    agent.wait_any_ack(acked.size());
  }
}

}  // namespace

TEST_CASE("bridge: with failures of broker, network and Kinesis at random every frame is stored, first occurrences in order") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Rig rig(fast_setup(), seed);
    std::mt19937_64 random(seed);
    const auto network = std::make_shared<std::mt19937_64>(seed + 100);
    rig.broker.drop_if([network](const std::string&, const mqtt::Message& message) {
      return !message.retain && (*network)() % 100 < 5;  // frames and acks
    });
    const auto shards = std::make_shared<std::mt19937_64>(seed + 200);
    rig.kinesis.judge_with([shards](const sink::Record&) {
      return (*shards)() % 100 < 10 ? sink::PutOutcome::Kind::throttled : sink::PutOutcome::Kind::stored;
    });
    rig.start();
    TestAgent agent(rig.broker, "lab-1");
    ship_everything(agent, rig.kinesis, [&] {
      switch (random() % 8) {
        case 0: rig.broker.cut("bridge-1"); break;
        case 1: rig.kinesis.fail_with(Error{Errc::unreachable, "down"}); break;
        case 2: rig.kinesis.lose_answers(random() % 2 == 0); break;
        default: break;
      }
    });
    auto seqs = rig.first_stored();
    // A record may overtake those that were refused in the same request, and no others.
    for (size_t at = 0; at + 1 < seqs.size(); ++at) CHECK(seqs[at] < seqs[at + 1] + 2 * window);
    std::sort(seqs.begin(), seqs.end());
    CHECK(seqs == numbers(1, frames));
    CHECK_FALSE(rig.kinesis.saw_key_twice());
    CHECK(rig.stop().ok());
  }
}
