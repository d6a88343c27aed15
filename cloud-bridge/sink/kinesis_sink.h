// RecordSink on a Kinesis stream: PutRecords.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "cloud-bridge/sink/kinesis_client.h"
#include "cloud-bridge/sink/record_sink.h"

namespace joulespool::sink {

class KinesisSink final : public RecordSink {
 public:
  KinesisSink(std::unique_ptr<KinesisClient> client, std::string stream);
  // As RecordSink; a request above the limits, or a partition key that is empty or longer than 256 bytes, is refused with
  // usage before anything is sent. No records: no request.
  Result<std::vector<PutOutcome>> put(std::span<const Record> records) override;

 private:
  const std::unique_ptr<KinesisClient> client_;
  const std::string stream_;
  std::string body_;  // reused: megabytes per request
};

// Connects to nothing. Error: usage (options, region, credentials).
Result<std::unique_ptr<RecordSink>> make_kinesis_sink(const KinesisOptions& options, Clock& clock);

// Returns when the stream exists and takes records; creates it with `shards` shards if it does not exist (an existing stream's
// shards are left as they are). Unreachable parts are tried again until `timeout_ms` is over.
// Error: unreachable (timeout), usage (refused), cancelled (`stop`).
Status ensure_stream(const KinesisOptions& options, int shards, int timeout_ms, Clock& clock, std::stop_token stop = {});
// The same on a client of the caller's.
Status ensure_stream(KinesisClient& client, const std::string& stream, int shards, int timeout_ms, Clock& clock,
                     std::stop_token stop);

}  // namespace joulespool::sink
