#include "cloud-bridge/batch/batcher.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace joulespool;
using batch::Batcher;
using batch::BatchLimits;
using batch::RecordOutcome;

namespace {

constexpr int64_t never = std::numeric_limits<int64_t>::max();
constexpr int64_t second = ns_per_s;

void add(Batcher& batcher, const std::string& key, uint64_t seq, size_t bytes = 100, int64_t since_ns = 0) {
  batch::HeldRecord record;
  record.partition_key = key;
  record.frame.seq = seq;
  record.data.resize(bytes);
  record.held_since_ns = since_ns;
  batcher.add(std::move(record));
}

// "a1 a2 b1": what is in a request.
std::string text(const std::vector<batch::HeldRecord>& records) {
  std::string all;
  for (const auto& record : records) all += (all.empty() ? "" : " ") + record.partition_key + std::to_string(record.frame.seq);
  return all;
}
std::string text(const std::optional<batch::Request>& request) { return request ? text(request->records) : "nothing"; }

// One letter per record: s stored, t throttled, f failed.
batch::Completed answer(Batcher& batcher, batch::Request&& request, std::string_view letters, int64_t now_ns = 0) {
  std::vector<RecordOutcome> outcomes;
  for (const char letter : letters)
    outcomes.push_back(letter == 's' ? RecordOutcome::stored : letter == 't' ? RecordOutcome::throttled : RecordOutcome::failed);
  REQUIRE(outcomes.size() == request.records.size());
  return batcher.on_outcomes(std::move(request), outcomes, now_ns);
}

BatchLimits small_limits() {
  BatchLimits limits;
  limits.request_records = 4;
  limits.request_bytes = 1000;
  limits.record_bytes = 500;
  limits.request_bytes_min = 200;
  return limits;
}

}  // namespace

TEST_CASE("batch: an empty batcher has no request, and none will ever be due") {
  Batcher batcher({}, 1);
  CHECK_FALSE(batcher.next_request(0));
  CHECK(batcher.next_due_ns() == never);
  CHECK_FALSE(batcher.oldest_held_since_ns());
}

TEST_CASE("batch: keys take turns in a request, the one with the oldest record first") {
  Batcher batcher({}, 1);
  for (uint64_t seq = 1; seq <= 3; ++seq) add(batcher, "a", seq, 100, 20);
  for (uint64_t seq = 1; seq <= 2; ++seq) add(batcher, "b", seq, 100, 10);
  CHECK(text(batcher.next_request(0)) == "b1 a1 b2 a2 a3");
}

TEST_CASE("batch: of a key only one request is under way; other keys go meanwhile") {
  Batcher batcher({}, 1);
  add(batcher, "a", 1);
  auto first = batcher.next_request(0);
  add(batcher, "a", 2);
  add(batcher, "b", 1);
  CHECK(text(batcher.next_request(0)) == "b1");
  CHECK_FALSE(batcher.next_request(0));
  CHECK(batcher.next_due_ns() == never);
  CHECK(text(answer(batcher, std::move(*first), "s").stored) == "a1");
  CHECK(batcher.next_due_ns() == 0);
  CHECK(text(batcher.next_request(0)) == "a2");
}

TEST_CASE("batch: a request holds no more records than the limit, and the rest follows") {
  Batcher batcher(small_limits(), 1);
  for (uint64_t seq = 1; seq <= 6; ++seq) add(batcher, "a", seq, 10);
  auto request = batcher.next_request(0);
  CHECK(text(request) == "a1 a2 a3 a4");
  answer(batcher, std::move(*request), "ssss");
  CHECK(text(batcher.next_request(0)) == "a5 a6");
}

TEST_CASE("batch: keys count in the bytes of a request, and no later record of a key overtakes one that does not fit") {
  Batcher batcher(small_limits(), 1);
  add(batcher, "a", 1, 499);  // 500 with its key
  add(batcher, "b", 1, 399);
  add(batcher, "b", 2, 100);  // 101 with its key: 1001 together
  add(batcher, "b", 3, 1);
  auto request = batcher.next_request(0);
  CHECK(text(request) == "a1 b1");
  answer(batcher, std::move(*request), "ss");
  CHECK(text(batcher.next_request(0)) == "b2 b3");
}

TEST_CASE("batch: the largest record is one of exactly 1 MiB with its key") {
  const Batcher batcher({}, 1);
  CHECK(batcher.can_take("a", 1024 * 1024 - 1));
  CHECK_FALSE(batcher.can_take("a", 1024 * 1024));
}

struct PartialFailure {
  const char* name;
  const char* outcomes;  // of a1 b1 a2 b2 (in a request of both keys)
  const char* stored;
  const char* next;  // requests after every backoff; a3 was added meanwhile
};

TEST_CASE("batch: refused records go again, in order, and later ones of their key wait until they are stored") {
  const PartialFailure cases[] = {
      {"all stored", "ssss", "a1 b1 a2 b2", "a3"},
      {"first of a key refused", "fsss", "b1 a2 b2", "a1, a3"},
      {"second of a key throttled", "ssts", "a1 b1 b2", "a2, a3"},
      {"all of a key throttled", "tsts", "b1 b2", "a1 a2, a3"},
      {"all refused", "tfft", "", "a1 b1 a2 b2, a3"},
  };
  for (const PartialFailure& one : cases) {
    CAPTURE(one.name);
    Batcher batcher({}, 1);
    for (uint64_t seq = 1; seq <= 2; ++seq) {
      add(batcher, "a", seq);
      add(batcher, "b", seq);
    }
    auto request = batcher.next_request(0);
    REQUIRE(text(request) == "a1 b1 a2 b2");
    add(batcher, "a", 3);
    CHECK(text(answer(batcher, std::move(*request), one.outcomes).stored) == one.stored);
    std::string next;
    while (auto again = batcher.next_request(100 * second)) {
      next += (next.empty() ? "" : ", ") + text(again);
      answer(batcher, std::move(*again), std::string(again->records.size(), 's'));
    }
    CHECK(next == one.next);
  }
}

TEST_CASE("batch: a record that is refused again and again holds its key back, and no other") {
  Batcher batcher({}, 1);
  add(batcher, "a", 1);
  answer(batcher, *batcher.next_request(0), "t");
  add(batcher, "a", 2);
  add(batcher, "b", 1);
  int64_t now = 0;
  for (int round = 0; round < 5; ++round) {
    now += 100 * second;
    auto request = batcher.next_request(now);
    CHECK(text(request) == (round == 0 ? "a1 b1" : "a1"));
    answer(batcher, std::move(*request), round == 0 ? "ts" : "t", now);
  }
}

TEST_CASE("batch: completed says how many records were throttled and how many failed") {
  Batcher batcher({}, 1);
  for (uint64_t seq = 1; seq <= 4; ++seq) add(batcher, "a", seq);
  const auto completed = answer(batcher, *batcher.next_request(0), "sttf");
  CHECK(completed.stored.size() == 1);
  CHECK(completed.throttled == 2);
  CHECK(completed.failed == 1);
  CHECK(batcher.held_records() == 3);
}

TEST_CASE("batch: a throttled key waits, longer each time but never beyond the cap, and others do not") {
  BatchLimits limits;
  limits.key_backoff = {100 * ns_per_ms, 1600 * ns_per_ms};
  Batcher batcher(limits, 7);
  add(batcher, "a", 1);
  int64_t now = 0;
  for (int failure = 1; failure <= 12; ++failure) {
    CAPTURE(failure);
    auto request = batcher.next_request(now);
    REQUIRE(text(request) == "a1");
    answer(batcher, std::move(*request), "t", now);
    const int64_t wait = batcher.next_due_ns() - now;
    CHECK(wait >= 0);
    CHECK(wait <= std::min<int64_t>(100 * ns_per_ms << (failure - 1), 1600 * ns_per_ms));
    if (wait > 0) CHECK_FALSE(batcher.next_request(now + wait - 1));
    add(batcher, "b", static_cast<uint64_t>(failure));
    auto other = batcher.next_request(now + wait - 1);
    REQUIRE(text(other) == "b" + std::to_string(failure));
    answer(batcher, std::move(*other), "s", now);
    now += wait;
  }
}

TEST_CASE("batch: when a request fails as a whole, all its records are held in order and everything waits for one probe") {
  BatchLimits limits;
  limits.endpoint_backoff = {100 * ns_per_ms, second};
  Batcher batcher(limits, 3);
  add(batcher, "a", 1);
  add(batcher, "a", 2);
  auto first = batcher.next_request(0);
  add(batcher, "b", 1);
  auto second_request = batcher.next_request(0);
  add(batcher, "c", 1);
  batcher.on_error(std::move(*first), 0);
  CHECK(batcher.endpoint_failures() == 1);
  CHECK_FALSE(batcher.next_request(10 * second));  // b1 is still under way: it is the probe
  batcher.on_error(std::move(*second_request), 0);
  const int64_t due = batcher.next_due_ns();
  CHECK(due <= second);
  auto probe = batcher.next_request(due);
  CHECK(text(probe) == "a1 b1 c1 a2");
  add(batcher, "d", 1);
  CHECK_FALSE(batcher.next_request(10 * second));
  answer(batcher, std::move(*probe), "ssss", due);
  CHECK(batcher.endpoint_failures() == 0);
  CHECK(text(batcher.next_request(due)) == "d1");
}

TEST_CASE("batch: after errors requests shrink, down to single records, and grow again with each success") {
  Batcher batcher(small_limits(), 1);
  for (uint64_t seq = 1; seq <= 20; ++seq) add(batcher, "a", seq, 199);
  int64_t now = 0;
  std::vector<size_t> sizes;
  for (const char what : {'e', 'e', 'e', 's', 's', 's', 's'}) {
    now += 100 * second;
    auto request = batcher.next_request(now);
    REQUIRE(request);
    sizes.push_back(request->records.size());
    if (what == 'e') batcher.on_error(std::move(*request), now);
    else answer(batcher, std::move(*request), std::string(sizes.back(), 's'), now);
  }
  CHECK(sizes == std::vector<size_t>{4, 2, 1, 1, 2, 1, 4});
}

TEST_CASE("batch: held bytes count what is under way, and room is what the limit leaves") {
  BatchLimits limits;
  limits.held_bytes = 1000;
  Batcher batcher(limits, 1);
  const size_t weight = 100 + 1 + batch::record_overhead_bytes;
  add(batcher, "a", 1);
  add(batcher, "a", 2);
  CHECK(batcher.held_bytes() == 2 * weight);
  CHECK(batcher.has_room("a", 1000 - 2 * weight - 1 - batch::record_overhead_bytes));
  CHECK_FALSE(batcher.has_room("a", 1000 - 2 * weight - batch::record_overhead_bytes));
  auto request = batcher.next_request(0);
  CHECK(batcher.held_bytes() == 2 * weight);
  CHECK(batcher.requests_in_flight() == 1);
  answer(batcher, std::move(*request), "ss");
  CHECK(batcher.held_bytes() == 0);
  CHECK(batcher.held_records() == 0);
  CHECK(batcher.requests_in_flight() == 0);
}

TEST_CASE("batch: the age of the oldest record counts waiting ones and those under way") {
  Batcher batcher({}, 1);
  add(batcher, "a", 1, 10, 500);
  auto request = batcher.next_request(0);
  add(batcher, "b", 1, 10, 900);
  CHECK(batcher.oldest_held_since_ns() == 500);
  answer(batcher, std::move(*request), "s");
  CHECK(batcher.oldest_held_since_ns() == 900);
}
