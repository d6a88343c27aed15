#include "cloud-bridge/app/broker_link.h"

#include <doctest/doctest.h>

#include <limits>

using namespace joulespool;
using bridge::BrokerLink;
using bridge::LinkTiming;

namespace {

// What was asked of the bus, and what it shall answer.
struct Asked {
  int connects = 0;
  int disconnects = 0;
  std::vector<std::string> filters;
  std::vector<uint64_t> tokens;
  bool refuse_connect = false;
  bool refuse_publish = false;
};

class ScriptedBus final : public mqtt::MessageBus {
 public:
  explicit ScriptedBus(Asked& asked) : asked_(asked) {}
  Status connect() override {
    ++asked_.connects;
    return asked_.refuse_connect ? Status(Error{Errc::usage, "no"}) : Status();
  }
  Status subscribe(const std::string& filter) override {
    asked_.filters.push_back(filter);
    return {};
  }
  Status publish(uint64_t token, const mqtt::Message&) override {
    if (asked_.refuse_publish) return Error{Errc::full, "full"};
    asked_.tokens.push_back(token);
    return {};
  }
  void disconnect(int) override { ++asked_.disconnects; }

 private:
  Asked& asked_;
};

constexpr int64_t never = std::numeric_limits<int64_t>::max();
constexpr int64_t second = ns_per_s;

BrokerLink make_link(Asked& asked) { return {std::make_unique<ScriptedBus>(asked), {"a/+", "b/+"}, LinkTiming(), 1}; }

}  // namespace

TEST_CASE("link: it connects at once, subscribes to everything and has the broker's window") {
  Asked asked;
  BrokerLink link = make_link(asked);
  link.turn(0);
  CHECK(asked.connects == 1);
  CHECK(link.next_due_ns() == never);
  CHECK_FALSE(link.connected());
  link.on_connected({2}, 0);
  CHECK(link.connected());
  CHECK(asked.filters == std::vector<std::string>{"a/+", "b/+"});
  CHECK(link.publish({}) != 0);
  CHECK(link.can_publish());
  CHECK(link.publish({}) != 0);
  CHECK_FALSE(link.can_publish());
  CHECK(link.on_published({asked.tokens[0], {}}));
  CHECK(link.can_publish());
  CHECK(link.in_flight() == 1);
}

TEST_CASE("link: a broker without a limit gets no more than the bus can take, one that says 0 gets one") {
  for (const auto& [receive_maximum, expected] : {std::pair{65535, 20}, {0, 1}}) {
    Asked asked;
    BrokerLink link = make_link(asked);
    link.turn(0);
    link.on_connected({static_cast<uint16_t>(receive_maximum)}, 0);
    int published = 0;
    for (; link.can_publish(); ++published) CHECK(link.publish({}) != 0);
    CHECK(published == expected);
  }
}

TEST_CASE("link: the first retry comes fast, later ones wait longer, never beyond the cap") {
  Asked asked;
  BrokerLink link = make_link(asked);
  const LinkTiming timing;
  int64_t now = 0;
  for (int failure = 1; failure <= 12; ++failure) {
    CAPTURE(failure);
    link.turn(now);
    CHECK(asked.connects == failure);
    link.on_connect_failed(now);
    const int64_t wait = link.next_due_ns() - now;
    CHECK(wait >= 0);
    const int64_t longest =
        failure == 1 ? timing.first_retry_ns : std::min(timing.retry.base_ns << (failure - 2), timing.retry.cap_ns);
    CHECK(wait <= longest);
    if (wait > 0) link.turn(now + wait - 1);
    CHECK(asked.connects == failure);
    now += wait;
  }
}

TEST_CASE("link: only a connection that held makes the next loss a first one") {
  Asked asked;
  BrokerLink link = make_link(asked);
  int64_t now = 0;
  int64_t longest = 0;
  for (int loss = 0; loss < 40; ++loss) {  // a broker that takes connections and drops them at once
    link.turn(now);
    link.on_connected({20}, now);
    link.on_disconnected(now);
    longest = std::max(longest, link.next_due_ns() - now);
    now = link.next_due_ns();
  }
  CHECK(longest > 5 * second);
  link.turn(now);
  link.on_connected({20}, now);
  link.on_disconnected(now + 11 * second);
  CHECK(link.next_due_ns() - (now + 11 * second) <= LinkTiming().first_retry_ns);
}

TEST_CASE("link: publishes of a lost connection are forgotten, and their late outcome is of no account") {
  Asked asked;
  BrokerLink link = make_link(asked);
  link.turn(0);
  link.on_connected({1}, 0);
  const uint64_t old = link.publish({});
  link.on_disconnected(0);
  link.turn(link.next_due_ns());
  link.on_connected({1}, second);
  CHECK(link.connections() == 2);
  CHECK(link.can_publish());
  const uint64_t fresh = link.publish({});
  CHECK(fresh != old);
  CHECK_FALSE(link.on_published({old, {}}));
  CHECK_FALSE(link.can_publish());
}

TEST_CASE("link: a refused subscription is a defect, and after a while it tries anew") {
  Asked asked;
  BrokerLink link = make_link(asked);
  link.turn(0);
  link.on_connected({20}, 0);
  link.on_subscribe_failed({"a/+", "not authorised"}, 0);
  CHECK(link.defect() == "broker refused subscription to a/+: not authorised");
  CHECK(link.connected());
  const int64_t due = link.next_due_ns();
  CHECK(due == LinkTiming().subscribe_retry_ns);
  link.turn(due);
  CHECK(asked.disconnects == 1);
  CHECK_FALSE(link.connected());
  link.on_disconnected(due);  // a late event of the connection that it ended
  link.turn(link.next_due_ns());
  CHECK(asked.connects == 2);
  link.on_connected({20}, due + second);
  CHECK(link.connected());
  CHECK(link.defect().empty());
}

TEST_CASE("link: a bus that refuses to connect is brought to rest and asked again") {
  Asked asked;
  asked.refuse_connect = true;
  BrokerLink link = make_link(asked);
  link.turn(0);
  CHECK(asked.disconnects == 1);
  asked.refuse_connect = false;
  link.turn(link.next_due_ns());
  CHECK(asked.connects == 2);
  CHECK(link.next_due_ns() == never);
}

TEST_CASE("link: a publish that the bus refuses takes no place in the window") {
  Asked asked;
  BrokerLink link = make_link(asked);
  link.turn(0);
  link.on_connected({1}, 0);
  asked.refuse_publish = true;
  CHECK(link.publish({}) == 0);
  CHECK(link.can_publish());
}

TEST_CASE("link: closing disconnects, and it does not connect again") {
  Asked asked;
  BrokerLink link = make_link(asked);
  link.turn(0);
  link.on_connected({20}, 0);
  link.close(100);
  CHECK(asked.disconnects == 1);
  CHECK_FALSE(link.connected());
  CHECK(link.next_due_ns() == never);
}
