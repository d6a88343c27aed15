#include "cloud-bridge/app/pipeline.h"

namespace joulespool::bridge {
namespace {

constexpr std::string_view too_large_reason = "too_large_for_kinesis";

std::optional<std::string_view> previous_of(const mqtt::Message& message) {
  for (const auto& [name, value] : message.user_properties)
    if (name == wire::previous_property) return value;
  return std::nullopt;
}

batch::RecordOutcome outcome_of(const sink::PutOutcome& outcome) {
  switch (outcome.kind) {
    case sink::PutOutcome::Kind::stored: return batch::RecordOutcome::stored;
    case sink::PutOutcome::Kind::throttled: return batch::RecordOutcome::throttled;
    case sink::PutOutcome::Kind::failed: break;
  }
  return batch::RecordOutcome::failed;
}

}  // namespace

Pipeline::Pipeline(const PipelineSettings& settings, uint64_t seed)
    : parts_(settings.parts), dead_letters_(settings.dead_letter_folder, settings.dead_letters), batcher_(settings.batch, seed) {}

Intake Pipeline::take(mqtt::Message&& message, const Instant& now) {
  ++stats_.frames_received;
  auto checked = ingest::check_message(message.topic, message.payload, previous_of(message), parts_);
  if (const auto* bad = std::get_if<ingest::Reject>(&checked)) return reject(bad->reason, bad->detail, message.payload, now);
  return judge(std::move(std::get<ingest::CheckedFrame>(checked)), std::move(message.payload), now);
}

Intake Pipeline::judge(ingest::CheckedFrame&& checked, wire::Bytes&& bytes, const Instant& now) {
  const wire::FrameId frame = checked.header.id();
  const route::SourceSequence source{std::move(checked.header.host), frame.sequence};
  switch (router_.judge(source, frame.seq, checked.prev)) {
    case route::Decision::accept: return accept(source, frame.seq, std::move(bytes), now);
    case route::Decision::duplicate_stored:
      ++stats_.duplicates_stored;
      acks_.add_stored(source, frame.seq);
      return {Intake::Kind::duplicate, {}, {}};
    case route::Decision::duplicate_in_flight: ++stats_.duplicates_in_flight; return {Intake::Kind::duplicate, {}, {}};
    case route::Decision::out_of_order: break;
  }
  ++stats_.out_of_order;
  return {Intake::Kind::out_of_order, {}, {}};
}

Intake Pipeline::accept(const route::SourceSequence& source, uint64_t seq, wire::Bytes&& bytes, const Instant& now) {
  const std::string key = route::partition_key(source.sequence);
  if (!batcher_.can_take(key, bytes.size())) {
    router_.on_accepted(source, seq);  // its successors may follow
    router_.on_rejected(source, seq);
    acks_.add_rejected(source, seq, std::string(too_large_reason));
    return reject(too_large_reason, std::to_string(bytes.size()) + " bytes", bytes, now);
  }
  if (!batcher_.has_room(key, bytes.size())) {
    ++stats_.refused_full;
    return {Intake::Kind::refused_full, {}, {}};
  }
  router_.on_accepted(source, seq);
  batch::HeldRecord record;
  record.partition_key = key;
  record.host = source.host;
  record.frame = {source.sequence, seq};
  record.data = std::move(bytes);
  record.held_since_ns = now.monotonic_ns;
  batcher_.add(std::move(record));
  ++stats_.frames_accepted;
  return {Intake::Kind::accepted, {}, {}};
}

Intake Pipeline::reject(std::string_view reason, std::string detail, wire::ByteView bytes, const Instant& now) {
  dead_letters_.keep(reason, bytes, now.utc_ns);
  return {Intake::Kind::rejected, std::string(reason), std::move(detail)};
}

std::optional<batch::Request> Pipeline::next_request(int64_t now_ns) {
  auto request = batcher_.next_request(now_ns);
  if (request) ++stats_.requests;
  return request;
}

void Pipeline::finish(batch::Request&& request, const Result<std::vector<sink::PutOutcome>>& result, int64_t now_ns) {
  if (!result || result->size() != request.records.size()) {
    ++stats_.requests_failed;
    last_error_ = result ? "sink: not one outcome per record" : result.error().message;
    batcher_.on_error(std::move(request), now_ns);
    return;
  }
  std::vector<batch::RecordOutcome> outcomes;
  outcomes.reserve(result->size());
  for (const sink::PutOutcome& outcome : *result) {
    outcomes.push_back(outcome_of(outcome));
    if (outcome.kind != sink::PutOutcome::Kind::stored) last_error_ = outcome.message;
  }
  const batch::Completed completed = batcher_.on_outcomes(std::move(request), outcomes, now_ns);
  stats_.records_throttled += completed.throttled;
  stats_.records_failed += completed.failed;
  stats_.frames_stored += completed.stored.size();
  for (const batch::HeldRecord& record : completed.stored) {
    const route::SourceSequence source{record.host, record.frame.sequence};
    router_.on_stored(source, record.frame.seq);
    acks_.add_stored(source, record.frame.seq);
    stats_.bytes_stored += record.data.size();
  }
}

void Pipeline::count(BridgeStats& stats) const {
  stats = stats_;
  const ingest::DeadLetterCounts& counts = dead_letters_.counts();
  stats.rejected.insert(counts.rejected.begin(), counts.rejected.end());
  stats.dead_letters_not_written = counts.not_written;
  stats.acks_lost = acks_.dropped();
  stats.sequences_forgotten = router_.forgotten();
  stats.held_bytes = batcher_.held_bytes();
  stats.held_records = batcher_.held_records();
}

}  // namespace joulespool::bridge
