// The way of a frame through the bridge, without threads and connections: check, route, batch, ack.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/mqtt/message_bus.h"
#include "cloud-bridge/app/ack_outbox.h"
#include "cloud-bridge/app/bridge_stats.h"
#include "cloud-bridge/batch/batcher.h"
#include "cloud-bridge/ingest/check_message.h"
#include "cloud-bridge/ingest/dead_letters.h"
#include "cloud-bridge/route/router.h"
#include "cloud-bridge/sink/record_sink.h"

namespace joulespool::bridge {

struct PipelineSettings {
  ingest::PartSet parts;
  batch::BatchLimits batch;
  std::string dead_letter_folder;  // empty: dead letters are only counted
  ingest::DeadLetterLimits dead_letters;
};

struct Instant {
  int64_t monotonic_ns = 0;
  int64_t utc_ns = 0;
};

// What happened to a message, beyond what is counted.
struct Intake {
  enum class Kind { accepted, duplicate, out_of_order, refused_full, rejected };
  Kind kind = Kind::accepted;
  std::string reason;  // rejected
  std::string detail;
};

// One thread. Everything that is stored or rejected for good ends in acks(); everything else is not acknowledged.
class Pipeline {
 public:
  Pipeline(const PipelineSettings& settings, uint64_t seed);
  Status open() { return dead_letters_.open(); }

  Intake take(mqtt::Message&& message, const Instant& now);

  // As Batcher.
  std::optional<batch::Request> next_request(int64_t now_ns);
  [[nodiscard]] int64_t next_due_ns() const { return batcher_.next_due_ns(); }
  // An error, or not one outcome per record: nothing is known of the records.
  void finish(batch::Request&& request, const Result<std::vector<sink::PutOutcome>>& result, int64_t now_ns);

  AckOutbox& acks() { return acks_; }
  [[nodiscard]] const AckOutbox& acks() const { return acks_; }
  [[nodiscard]] const batch::Batcher& batcher() const { return batcher_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }  // of requests and records
  // Writes what this room counts into `stats`.
  void count(BridgeStats& stats) const;

 private:
  Intake judge(ingest::CheckedFrame&& checked, wire::Bytes&& bytes, const Instant& now);
  Intake accept(const route::SourceSequence& source, uint64_t seq, wire::Bytes&& bytes, const Instant& now);
  Intake reject(std::string_view reason, std::string detail, wire::ByteView bytes, const Instant& now);

  ingest::PartSet parts_;
  ingest::DeadLetters dead_letters_;
  route::Router router_;
  batch::Batcher batcher_;
  AckOutbox acks_;
  std::string last_error_;
  BridgeStats stats_;
};

}  // namespace joulespool::bridge
