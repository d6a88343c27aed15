// Where records go: a Kinesis stream.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::sink {

// Kinesis' limits per PutRecords request and record (AWS documentation, "Quotas and limits").
constexpr size_t records_per_request_max = 500;
constexpr size_t request_bytes_max = 5 * 1024 * 1024;  // data and partition keys together
constexpr size_t record_bytes_max = 1024 * 1024;       // data and partition key

struct Record {
  std::string_view partition_key;
  wire::ByteView data;
};

struct PutOutcome {
  enum class Kind { stored, throttled, failed };
  Kind kind = Kind::failed;
  std::string shard;            // stored
  std::string sequence_number;  // stored
  std::string message;          // throttled, failed: what Kinesis said
};

// put() may be called from one thread at a time per sink; make one sink per thread.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // One PutRecords request, at most the limits above. Ok: one outcome per record in the same order; some may have failed.
  // Error: nothing is known of any record, they may or may not be stored. unreachable (connection, HTTP 5xx, timeout,
  // throttled as a whole): try again. usage (credentials, no such stream, refused request): try again too, but somebody must act.
  virtual Result<std::vector<PutOutcome>> put(std::span<const Record> records) = 0;
};

}  // namespace joulespool::sink
