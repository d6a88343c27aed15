#include "cloud-bridge/app/bridge.h"

#include <filesystem>

#include "tests/cloud-bridge/app/rig.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using Outcome = sink::PutOutcome::Kind;

TEST_CASE("bridge: frames are stored byte for byte under their device and acknowledged") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send_all(1, 50);
  CHECK(agent.wait_acked(1, 50));
  CHECK(rig.stored() == numbers(1, 50));
  CHECK(rig.kinesis.stored()[6].data == make_frame("lab-1", "js220-001122", wire::Lane::stat, 7));
  CHECK(rig.stop().ok());
  CHECK(rig.stats().frames_stored == 50);
}

TEST_CASE("bridge: acks of frames that were stored together come in one message") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  rig.kinesis.close_gate();
  agent.send_all(1, 1, "js220-first");
  REQUIRE(rig.kinesis.wait_for_waiting(1));
  agent.send_all(1, 200);
  REQUIRE(agent.wait_state([](const auto& state) { return state.held_bytes > 200 * batch::record_overhead_bytes; }));
  rig.kinesis.open_gate();
  CHECK(agent.wait_acked(1, 200));
  CHECK(agent.ack_messages() < 20);
}

TEST_CASE("bridge: its state is retained, and offline by its Will when the connection breaks") {
  auto setup = fast_setup();
  setup.pipeline.parts.reset();
  for (const unsigned part : {0U, 1U, 2U, 63U}) setup.pipeline.parts.set(part);
  Rig rig(setup);
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  TestAgent late(rig.broker, "lab-2");
  REQUIRE(late.wait_accepting());
  CHECK(late.states().back().parts == std::vector<std::pair<unsigned, unsigned>>{{0, 2}, {63, 63}});
  rig.broker.refuse_connects("not now");
  rig.broker.cut("bridge-1");
  REQUIRE(agent.wait_state([](const auto& state) { return !state.online; }));
  CHECK_FALSE(agent.states().back().accepting);
  CHECK(agent.states().back().reason == "connection lost");
}

TEST_CASE("bridge: every connection has an instance of its own, which accepts only after a first state has gone through") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  std::set<std::string> instances;
  for (int connection = 1; connection <= 3; ++connection) {
    REQUIRE(agent.wait_state([&](const auto& state) { return state.accepting && !instances.contains(state.instance); }));
    instances.insert(agent.states().back().instance);
    rig.broker.cut("bridge-1");
  }
  std::set<std::string> seen = {agent.states().front().instance};  // its beginning was before our time
  for (const wire::BridgeState& state : agent.states())
    if (state.online && seen.insert(state.instance).second) CHECK_FALSE(state.accepting);
  CHECK(instances.size() == 3);
}

TEST_CASE("bridge: frames sent again after a lost connection are acknowledged again but not stored twice") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send_all(1, 20);
  REQUIRE(agent.wait_acked(1, 20));
  const std::string before = agent.states().back().instance;
  rig.broker.cut("bridge-1");
  REQUIRE(agent.wait_state([&](const auto& state) { return state.accepting && state.instance != before; }));
  agent.forget_acks();
  agent.send_all(11, 30);
  CHECK(agent.wait_acked(11, 30));
  CHECK(rig.stored() == numbers(1, 30));
}

TEST_CASE("bridge: what was stored while the broker was away is acknowledged when it is back") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  rig.kinesis.close_gate();
  agent.send_all(1, 10);
  REQUIRE(rig.kinesis.wait_for_waiting(1));
  REQUIRE(agent.wait_state([](const auto& state) { return state.held_bytes > 10 * batch::record_overhead_bytes; }));
  rig.broker.stop();
  rig.kinesis.open_gate();
  REQUIRE(rig.kinesis.wait_for([](const auto& stored) { return stored.size() == 10; }));
  rig.broker.start();
  agent.connect();
  CHECK(agent.wait_acked(1, 10));
}

TEST_CASE("bridge: frames that come out of order are dropped without an ack") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send(5, 4);
  agent.send(6, 5);
  agent.send_all(1, 3);
  CHECK(agent.wait_acked(1, 3));
  agent.send_all(4, 6);
  CHECK(agent.wait_acked(1, 6));
  CHECK(rig.stored() == numbers(1, 6));
  CHECK(rig.stop().ok());
  CHECK(rig.stats().out_of_order == 2);
}

TEST_CASE("bridge: while Kinesis cannot be reached it says so, holds what it has and goes on by itself afterwards") {
  Rig rig;
  rig.kinesis.fail_with(Error{Errc::unreachable, "Kinesis: connection refused"});
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send_all(1, 30);
  REQUIRE(agent.wait_state([](const auto& state) { return state.online && !state.accepting; }));
  CHECK(agent.states().back().reason == "Kinesis: connection refused");
  CHECK(agent.states().back().held_bytes > 0);
  rig.kinesis.fail_with(std::nullopt);
  CHECK(agent.wait_acked(1, 30));
  CHECK(agent.wait_accepting());
  CHECK(rig.stored() == numbers(1, 30));
}

TEST_CASE("bridge: when memory is full agents are told, what does not fit is not acknowledged, and nothing is lost") {
  auto setup = fast_setup();
  setup.pipeline.batch.held_bytes = 100'000;
  Rig rig(setup);
  rig.kinesis.close_gate();
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send_all(1, 60, "js220-001122", 4000);
  REQUIRE(agent.wait_state([](const auto& state) { return state.online && !state.accepting; }));
  CHECK(agent.states().back().reason.find("memory full") == 0);
  CHECK(agent.states().back().held_bytes <= 100'000);
  rig.kinesis.open_gate();
  REQUIRE(agent.wait_accepting());
  const uint64_t taken = rig.stats().frames_accepted;
  CHECK(taken < 30);
  CHECK(rig.stats().refused_full > 0);
  REQUIRE(agent.wait_acked(1, taken));
  CHECK(agent.acked().size() == taken);
  for (uint64_t first = taken + 1; first <= 60; first += 10) {
    const uint64_t last = std::min<uint64_t>(first + 9, 60);
    agent.send_all(first, last, "js220-001122", 4000);
    REQUIRE(agent.wait_acked(first, last));
  }
  CHECK(rig.stored() == numbers(1, 60));
}

TEST_CASE("bridge: messages that do not fit the inbox are refused and counted, however large") {
  auto setup = fast_setup();
  setup.inbox_bytes = 50'000;
  Rig rig(setup);
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  agent.send(1, 0, "js220-001122", wire::Lane::stat, 60'000);
  agent.send(1, 0);
  CHECK(agent.wait_acked(1, 1));
  CHECK(rig.stop().ok());
  CHECK(rig.stats().refused_full == 1);
}

TEST_CASE("bridge: throttled and failed records are sent again, none is lost, one request per device at a time") {
  Rig rig;
  std::map<std::string, int> tries;
  rig.kinesis.judge_with([tries](const sink::Record& record) mutable {
    const std::string id(reinterpret_cast<const char*>(record.data.data()), record.data.size());
    const int attempt = tries[id]++;
    return attempt == 0 ? Outcome::throttled : attempt == 1 && id.size() % 2 == 0 ? Outcome::failed : Outcome::stored;
  });
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  for (const std::string device : {"js220-000001", "js220-000002", "js110-000003"}) agent.send_all(1, 40, device);
  for (const std::string device : {"js220-000001", "js220-000002", "js110-000003"}) {
    CHECK(agent.wait_acked(1, 40, device));
    auto seqs = rig.stored(device);
    std::sort(seqs.begin(), seqs.end());
    CHECK(seqs == numbers(1, 40));
  }
  CHECK_FALSE(rig.kinesis.saw_key_twice());
  CHECK(rig.stop().ok());
  CHECK(rig.stats().records_throttled >= 120);
}

TEST_CASE("bridge: bad messages are counted by reason and kept, and the rest goes on") {
  const test::TemporaryDirectory folder;
  {
    auto setup = fast_setup();
    setup.pipeline.dead_letter_folder = folder.path();
    Rig rig(setup);
    rig.start();
    TestAgent agent(rig.broker, "lab-1");
    REQUIRE(agent.wait_accepting());
    const std::string topic = wire::data_topic("lab-1", wire::Lane::stat);
    auto damaged = make_frame("lab-1", "js220-001122", wire::Lane::stat, 1);
    damaged.back() ^= std::byte{1};
    agent.send_raw(topic, damaged, "0");
    agent.send_raw(topic, wire::Bytes(100), "0");
    agent.send_raw(topic, make_frame("lab-2", "js220-001122", wire::Lane::stat, 1), "0");
    agent.send_raw(topic, make_frame("lab-1", "js220-001122", wire::Lane::stat, 1), "x");
    agent.send_all(1, 5);
    CHECK(agent.wait_acked(1, 5));
    REQUIRE(agent.wait_state([](const auto& state) { return state.rejected.size() == 4; }));
    const std::map<std::string, uint64_t> expected = {
        {"bad_prev", 1}, {"checksum", 1}, {"foreign", 1}, {"topic_contradicts_header", 1}};
    CHECK(agent.states().back().rejected == expected);
  }
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  CHECK(files == 4);
}

TEST_CASE("bridge: publishes stay within the broker's Receive Maximum") {
  Rig rig;
  rig.broker.set_receive_maximum(2);
  auto setup = fast_setup();
  rig.start();
  std::vector<std::unique_ptr<TestAgent>> agents;
  for (int host = 0; host < 10; ++host) agents.push_back(std::make_unique<TestAgent>(rig.broker, "lab-" + std::to_string(host)));
  REQUIRE(agents[0]->wait_accepting());
  rig.broker.hold_acknowledgements(true);
  for (auto& agent : agents) agent->send_all(1, 5);
  REQUIRE(rig.kinesis.wait_for([](const auto& stored) { return stored.size() == 50; }));
  size_t messages = 0;
  for (auto& agent : agents) messages += agent->ack_messages();
  CHECK(messages <= 2);
  rig.broker.hold_acknowledgements(false);
  for (auto& agent : agents) CHECK(agent->wait_acked(1, 5));
}

TEST_CASE("bridge: on stop it finishes what is under way, acknowledges it and says that it is offline") {
  Rig rig;
  rig.start();
  TestAgent agent(rig.broker, "lab-1");
  REQUIRE(agent.wait_accepting());
  rig.kinesis.close_gate();
  agent.send_all(1, 20);
  REQUIRE(rig.kinesis.wait_for_waiting(1));
  REQUIRE(agent.wait_state([](const auto& state) { return state.held_bytes > 20 * batch::record_overhead_bytes; }));
  rig.request_stop();
  REQUIRE(agent.wait_state([](const auto& state) { return state.online && state.reason == "stopping"; }));
  rig.kinesis.open_gate();
  CHECK(rig.stop().ok());
  CHECK(agent.wait_acked(1, 20));
  CHECK(agent.wait_state([](const auto& state) { return !state.online && state.reason == "stopped"; }));
  TestAgent late(rig.broker, "lab-2");
  CHECK(late.wait_state([](const auto& state) { return !state.online; }));
}

TEST_CASE("bridge: it stops while Kinesis is down, and while the broker is") {
  Rig rig;
  SUBCASE("Kinesis") {
    rig.kinesis.fail_with(Error{Errc::unreachable, "down"});
    rig.start();
    TestAgent agent(rig.broker, "lab-1");
    REQUIRE(agent.wait_accepting());
    agent.send_all(1, 5);
    REQUIRE(agent.wait_state([](const auto& state) { return state.online && !state.accepting; }));
    CHECK(rig.stop().ok());
    CHECK(agent.acked().empty());
  }
  SUBCASE("broker") {
    rig.broker.refuse_connects("closed");
    rig.start();
    CHECK(rig.stop().ok());
  }
}

TEST_CASE("bridge: a sink or bus that cannot be made ends run() with its error") {
  SystemClock clock;
  FakeBroker broker;
  const auto no_sink = []() -> Result<std::unique_ptr<sink::RecordSink>> { return Error{Errc::usage, "no credentials"}; };
  bridge::Bridge without_sink(
      fast_setup(), [&](const auto& options, auto listener) { return broker.make_bus(options, listener); }, no_sink, clock, 1);
  const Status first = without_sink.run({});
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().code == Errc::usage);
  ScriptedKinesis kinesis;
  bridge::Bridge without_bus(
      fast_setup(),
      [](const auto&, const auto&) {
        return Error{Errc::usage, "bad URI"};
      },
      [&] { return kinesis.make_sink(); }, clock, 1);
  CHECK_FALSE(without_bus.run({}).ok());
}
