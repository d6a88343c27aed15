// Records -> PutRecords requests: Kinesis' limits, order per partition key, partial failures, retries, a bound on memory.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "agent/base/backoff.h"
#include "agent/base/clock.h"
#include "agent/wire/types.h"

namespace joulespool::batch {

struct BatchLimits {
  // One request and one record: what Kinesis takes (AWS documentation, "Quotas and limits"); keys count.
  size_t request_records = 500;
  size_t request_bytes = 5 * 1024 * 1024;
  size_t record_bytes = 1024 * 1024;
  // After errors requests shrink to this: a slow line then still gets one through before its timeout.
  size_t request_bytes_min = 64 * 1024;
  size_t held_bytes = 64 * 1024 * 1024;
  // A shard's limits are per second: its waits grow to a few of those.
  BackoffLimits key_backoff = {100 * ns_per_ms, 5 * ns_per_s};
  // Down endpoints are asked at most this seldom, so that the bridge is back within 10 s of Kinesis.
  BackoffLimits endpoint_backoff = {200 * ns_per_ms, 10 * ns_per_s};
};

// What a held record costs beside its bytes: queue node, strings, allocator. Tiny frames must not slip under the memory bound.
constexpr size_t record_overhead_bytes = 256;

struct HeldRecord {
  std::string partition_key;
  std::string host;
  wire::FrameId frame;
  wire::Bytes data;
  int64_t held_since_ns = 0;  // monotonic

  [[nodiscard]] size_t size() const { return data.size() + partition_key.size(); }
  [[nodiscard]] size_t weight() const { return size() + record_overhead_bytes; }
};

// Owns its records while it is under way; goes back with on_outcomes() or on_error(), else its keys stand still.
struct Request {
  uint64_t id = 0;
  std::vector<HeldRecord> records;  // of each key in order
};

enum class RecordOutcome { stored, throttled, failed };

struct Completed {
  std::vector<HeldRecord> stored;
  size_t throttled = 0;
  size_t failed = 0;
};

// Holds accepted records until they are stored. One thread; time is an argument (monotonic ns).
//
// Order: each key is a FIFO with at most one request under way. Records of a request that failed go out again, in order, before
// any later record of their key: later ones wait until all of these are stored. Inside one request Kinesis may still store a
// later record and refuse an earlier one of the same key (PutRecords is not atomic), so a record can be overtaken by those that
// were first sent in the same request, at most request_records, and by no others. Readers order by seq. A request whose outcome
// is unknown (timeout) is sent again as a whole: duplicates, which readers drop.
class Batcher {
 public:
  Batcher(const BatchLimits& limits, uint64_t seed) : limits_(limits), request_bytes_now_(limits.request_bytes), random_(seed) {}

  // Kinesis takes no larger record, ever.
  [[nodiscard]] bool can_take(const std::string& key, size_t data_bytes) const {
    return data_bytes + key.size() <= limits_.record_bytes;
  }
  // Whether one more record of that size stays within held_bytes. Ask before add().
  [[nodiscard]] bool has_room(const std::string& key, size_t data_bytes) const {
    return held_bytes_ + data_bytes + key.size() + record_overhead_bytes <= limits_.held_bytes;
  }
  void add(HeldRecord&& record);

  // The next request from keys that have none under way and do not back off: keys in the order of their oldest record, one
  // record of each in turn. Nothing while the endpoint backs off; after an error one request at a time, until one succeeds.
  std::optional<Request> next_request(int64_t now_ns);
  // When next_request() can have something, if nothing else happens before that. INT64_MAX: never.
  [[nodiscard]] int64_t next_due_ns() const;

  // One outcome per record of the request. Failed ones are held on; their key backs off.
  Completed on_outcomes(Request&& request, std::span<const RecordOutcome> outcomes, int64_t now_ns);
  // The request as a whole failed, nothing is known of its records: all are held on, the endpoint backs off.
  void on_error(Request&& request, int64_t now_ns);

  [[nodiscard]] size_t held_bytes() const { return held_bytes_; }  // weights, under way included
  [[nodiscard]] size_t held_records() const { return held_records_; }
  [[nodiscard]] size_t requests_in_flight() const { return oldest_in_flight_.size(); }
  // Rounds of whole-request errors since the last success. More than 0 means that something is held.
  [[nodiscard]] unsigned endpoint_failures() const { return endpoint_failures_; }
  [[nodiscard]] std::optional<int64_t> oldest_held_since_ns() const;

 private:
  struct Queue {
    std::deque<HeldRecord> waiting;
    size_t again = 0;  // of these, how many at the front were sent before
    bool in_flight = false;
    unsigned failures = 0;
    int64_t retry_at_ns = 0;
  };
  std::vector<Queue*> ready_queues(int64_t now_ns);
  bool take_one(Queue& queue, Request& request, size_t& bytes) const;
  void hold_on(HeldRecord&& record);
  void settle(Request& request, std::span<const RecordOutcome> outcomes, Completed& completed);
  void finish_keys(const std::map<std::string, std::pair<bool, bool>>& keys, int64_t now_ns);

  BatchLimits limits_;
  size_t request_bytes_now_;
  std::mt19937_64 random_;
  std::map<std::string, Queue> queues_;           // only keys with something held
  std::map<uint64_t, int64_t> oldest_in_flight_;  // request id -> held_since of its oldest record
  size_t held_bytes_ = 0;
  size_t held_records_ = 0;
  uint64_t next_id_ = 1;
  unsigned endpoint_failures_ = 0;
  int64_t endpoint_retry_at_ns_ = 0;
};

}  // namespace joulespool::batch
