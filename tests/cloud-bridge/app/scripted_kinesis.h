// A stream in memory whose failures a test commands, for a bridge with several workers.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/wire/frame.h"
#include "cloud-bridge/sink/record_sink.h"

namespace joulespool::test {

struct Put {
  std::string partition_key;
  wire::Bytes data;
};

// Any thread. Outlives its sinks.
class ScriptedKinesis {
 public:
  using Outcome = sink::PutOutcome::Kind;
  // What becomes of the record; by default it is stored.
  using Judge = std::function<Outcome(const sink::Record&)>;

  std::unique_ptr<sink::RecordSink> make_sink() { return std::make_unique<Sink>(*this); }

  // Every request fails with this, until called with nothing.
  void fail_with(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  // Failing requests are stored all the same: the answer is lost.
  void lose_answers(bool on) {
    const std::lock_guard lock(mutex_);
    lose_answers_ = on;
  }
  void judge_with(Judge judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
  }
  // Requests stand still while the gate is closed.
  void close_gate() { set_gate(false); }
  void open_gate() { set_gate(true); }

  std::vector<Put> stored() const {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  // Waits until `condition(stored records)` holds; false after 20 s.
  template <class Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return condition(std::as_const(stored_)); });
  }
  // Waits until that many requests stand at the closed gate.
  bool wait_for_waiting(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ >= count; });
  }
  // Two requests with the same key at a time were seen.
  bool saw_key_twice() const {
    const std::lock_guard lock(mutex_);
    return saw_key_twice_;
  }

 private:
  class Sink final : public sink::RecordSink {
   public:
    explicit Sink(ScriptedKinesis& kinesis) : kinesis_(kinesis) {}
    Result<std::vector<sink::PutOutcome>> put(std::span<const sink::Record> records) override { return kinesis_.put(records); }

   private:
    ScriptedKinesis& kinesis_;
  };

  Result<std::vector<sink::PutOutcome>> put(std::span<const sink::Record> records) {
    std::unique_lock lock(mutex_);
    std::vector<std::string> keys;
    for (const sink::Record& record : records)
      if (std::find(keys.begin(), keys.end(), record.partition_key) == keys.end()) keys.emplace_back(record.partition_key);
    for (const std::string& key : keys) {
      saw_key_twice_ = saw_key_twice_ || std::find(busy_.begin(), busy_.end(), key) != busy_.end();
      busy_.push_back(key);
    }
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    --waiting_;
    auto result = answer(records);
    for (const std::string& key : keys) busy_.erase(std::find(busy_.begin(), busy_.end(), key));
    changed_.notify_all();
    return result;
  }

  Result<std::vector<sink::PutOutcome>> answer(std::span<const sink::Record> records) {
    std::vector<sink::PutOutcome> outcomes;
    for (const sink::Record& record : records) {
      if (error_ && !lose_answers_) return *error_;
      sink::PutOutcome outcome{judge_ ? judge_(record) : Outcome::stored, "shard-0", "1", "as commanded"};
      if (outcome.kind == Outcome::stored)
        stored_.push_back({std::string(record.partition_key), {record.data.begin(), record.data.end()}});
      outcomes.push_back(std::move(outcome));
    }
    if (error_) return *error_;
    return outcomes;
  }

  void set_gate(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Put> stored_;
  std::vector<std::string> busy_;
  std::optional<Error> error_;
  Judge judge_;
  bool lose_answers_ = false;
  bool open_ = true;
  bool saw_key_twice_ = false;
  size_t waiting_ = 0;
};

}  // namespace joulespool::test
