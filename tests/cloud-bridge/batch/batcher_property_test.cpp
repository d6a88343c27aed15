// Random histories against a simulated Kinesis: whatever fails, order, limits and completeness hold.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cloud-bridge/batch/batcher.h"

using namespace joulespool;

namespace {

class SimulatedKinesis {
 public:
  explicit SimulatedKinesis(uint64_t seed) : random_(seed) {
    limits_.request_records = 1 + random_() % 20;
    limits_.record_bytes = 300;
    limits_.request_bytes = 300 + random_() % 3000;
    limits_.request_bytes_min = 200;
    limits_.held_bytes = 20'000;
    limits_.key_backoff = {10, 1000};
    limits_.endpoint_backoff = {10, 1000};
    batcher_.emplace(limits_, seed);
    fault_percent_ = random_() % 60;
  }

  void run() {
    for (int step = 0; step < 3000; ++step) turn(step < 2000);
    fault_percent_ = 0;
    for (int step = 0; step < 5000 && (batcher_->held_records() > 0 || !under_way_.empty()); ++step) turn(false);
    CHECK(batcher_->held_records() == 0);
    CHECK(batcher_->held_bytes() == 0);
    CHECK(completed_ == added_);
    for (const auto& [key, seqs] : added_) {
      CHECK(stored_[key].size() == seqs.size());
    }
  }

 private:
  bool chance(uint64_t percent) { return random_() % 100 < percent; }

  void turn(bool filling) {
    now_ += static_cast<int64_t>(random_() % 50);
    if (filling && chance(70)) offer();
    if (under_way_.size() < 4) begin();
    if (!under_way_.empty() && chance(60)) finish(random_() % under_way_.size());
    CHECK(batcher_->held_bytes() <= limits_.held_bytes);
  }

  void offer() {
    const std::string key = "device-" + std::to_string(random_() % 6);
    const size_t bytes = random_() % 280;
    if (!batcher_->has_room(key, bytes)) return;
    const uint64_t seq = added_[key].size() + 1;
    added_[key].insert(seq);
    batch::HeldRecord record;
    record.partition_key = key;
    record.frame.seq = seq;
    record.data.resize(bytes);
    record.held_since_ns = now_;
    batcher_->add(std::move(record));
  }

  void begin() {
    auto request = batcher_->next_request(now_);
    if (!request) return;
    REQUIRE(!request->records.empty());
    CHECK(request->records.size() <= limits_.request_records);
    size_t bytes = 0;
    std::map<std::string, uint64_t> last;
    for (const auto& record : request->records) {
      bytes += record.size();
      CHECK(record.size() <= limits_.record_bytes);
      CHECK(record.frame.seq > last[record.partition_key]);
      last[record.partition_key] = record.frame.seq;
      check_nothing_overtaken(*request, record.partition_key, record.frame.seq);
    }
    CHECK(bytes <= limits_.request_bytes);
    for (const auto& other : under_way_)
      for (const auto& record : other.records) CHECK_FALSE(last.contains(record.partition_key));
    for (const auto& record : request->records) sent_[record.partition_key].insert(record.frame.seq);
    under_way_.push_back(std::move(*request));
  }

  // Everything before a record that goes out for the first time is stored, or goes out for the first time with it.
  void check_nothing_overtaken(const batch::Request& request, const std::string& key, uint64_t seq) {
    if (seq == 1 || sent_[key].contains(seq)) return;
    const bool together = holds(request, key, seq - 1) && !sent_[key].contains(seq - 1);
    CHECK((together || confirmed_up_to(key) >= seq - 1));
  }

  // All up to this one were reported as stored.
  uint64_t confirmed_up_to(const std::string& key) {
    uint64_t last = 0;
    for (const uint64_t seq : completed_[key]) {
      if (seq != last + 1) break;
      last = seq;
    }
    return last;
  }

  static bool holds(const batch::Request& request, const std::string& key, uint64_t seq) {
    return std::any_of(request.records.begin(), request.records.end(),
                       [&](const auto& record) { return record.partition_key == key && record.frame.seq == seq; });
  }

  void finish(size_t at) {
    batch::Request request = std::move(under_way_[at]);
    under_way_.erase(under_way_.begin() + static_cast<long>(at));
    const bool lost_answer = chance(fault_percent_ / 3);
    if (lost_answer) {
      if (chance(50)) store(request, {});
      batcher_->on_error(std::move(request), now_);
      return;
    }
    std::vector<batch::RecordOutcome> outcomes;
    for (size_t record = 0; record < request.records.size(); ++record) {
      const auto refused = chance(50) ? batch::RecordOutcome::throttled : batch::RecordOutcome::failed;
      outcomes.push_back(chance(fault_percent_) ? refused : batch::RecordOutcome::stored);
    }
    store(request, outcomes);
    for (const auto& record : batcher_->on_outcomes(std::move(request), outcomes, now_).stored)
      CHECK(completed_[record.partition_key].insert(record.frame.seq).second);
  }

  // No outcomes: all were stored, but nobody heard of it.
  void store(const batch::Request& request, const std::vector<batch::RecordOutcome>& outcomes) {
    for (size_t at = 0; at < request.records.size(); ++at)
      if (outcomes.empty() || outcomes[at] == batch::RecordOutcome::stored)
        stored_[request.records[at].partition_key].insert(request.records[at].frame.seq);
  }

  std::mt19937_64 random_;
  batch::BatchLimits limits_;
  std::optional<batch::Batcher> batcher_;
  uint64_t fault_percent_ = 0;
  int64_t now_ = 0;
  std::vector<batch::Request> under_way_;
  std::map<std::string, std::set<uint64_t>> added_, sent_, completed_, stored_;
};

}  // namespace

TEST_CASE("batch: nothing is lost, overtakes across requests or exceeds a limit in random histories") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    SimulatedKinesis(seed).run();
  }
}
