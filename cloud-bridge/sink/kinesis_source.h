// RecordSource on a Kinesis stream: ListShards, GetShardIterator, GetRecords.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "cloud-bridge/sink/kinesis_client.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::sink {

// As RecordSource. Kinesis answers five read()s a second per shard and 2 MB/s (then: unreachable, throttled); the caller paces.
// Errors: unreachable (try again, nothing was skipped), usage (credentials, no such stream or shard, read() before open()).
class KinesisSource final : public RecordSource {
 public:
  KinesisSource(std::unique_ptr<KinesisClient> client, std::string stream);
  Result<std::vector<std::string>> shards() override;
  Status open(const std::string& shard, StartAt start) override;
  Result<RecordBatch> read(const std::string& shard) override;

 private:
  struct Position {
    StartAt start = StartAt::oldest;
    int64_t opened_at_ns = 0;   // wall clock
    std::string last_sequence;  // of the last record read; empty: none yet
    std::string iterator;       // empty: the shard is closed and read to its end
    int limit = 0;              // records per GetRecords
  };
  Result<std::string> find_iterator(const std::string& shard, const Position& position, bool renewed);
  Result<KinesisAnswer> get_records(const std::string& shard, Position& position);

  const std::unique_ptr<KinesisClient> client_;
  const std::string stream_;
  std::map<std::string, Position> positions_;
};

// Connects to nothing. Error: usage (options, region, credentials).
Result<std::unique_ptr<RecordSource>> make_kinesis_source(const KinesisOptions& options, Clock& clock);

// Pure, for tests: the records of a GetRecords answer and the iterator to go on with (empty: the shard is closed).
// Error: damaged.
Result<RecordBatch> read_get_records_answer(const std::string& body, std::string& next_iterator);

}  // namespace joulespool::sink
