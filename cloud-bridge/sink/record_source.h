// Reading a Kinesis stream back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::sink {

struct StoredRecord {
  std::string partition_key;
  std::string sequence_number;
  int64_t arrival_utc_ns = 0;  // Kinesis' ApproximateArrivalTimestamp (millisecond resolution)
  wire::Bytes data;
};

struct RecordBatch {
  std::vector<StoredRecord> records;  // in the shard's order
  int64_t behind_ms = 0;              // 0: the shard's end was reached
  bool closed = false;                // the shard ended for good (it was split or merged)
};

enum class StartAt { oldest, newest };

// One thread at a time.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // Ids of all shards, parents before children.
  virtual Result<std::vector<std::string>> shards() = 0;
  // Sets where the next read() of this shard begins.
  virtual Status open(const std::string& shard, StartAt start) = 0;
  // The next records (possibly none). Continues where the last read() ended; expired iterators are renewed by itself.
  virtual Result<RecordBatch> read(const std::string& shard) = 0;
};

}  // namespace joulespool::sink
