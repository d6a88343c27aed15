#include "cloud-bridge/sink/kinesis_sink.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "cloud-bridge/sink/base64.h"

namespace joulespool::sink {
namespace {

constexpr size_t partition_key_bytes_max = 256;
constexpr int64_t poll_first_ns = 20 * ns_per_ms;  // an emulator is ready at once
constexpr int64_t poll_max_ns =
    2'000 * ns_per_ms;  // AWS takes about half a minute, and allows 10 to 20 calls a second per account

void append_json_string(std::string& text, std::string_view value) {
  text += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (static_cast<unsigned char>(c) >= ' ') {
      text += c;
      continue;
    }
    std::array<char, 8> escape{};
    std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
    text += escape.data();
  }
  text += '"';
}

// Why this request would be refused; empty: it is within the limits.
std::string find_excess(std::span<const Record> records) {
  if (records.size() > records_per_request_max)
    return std::to_string(records.size()) + " records in one request, at most " + std::to_string(records_per_request_max);
  size_t total = 0;
  for (const Record& record : records) {
    const size_t size = record.partition_key.size() + record.data.size();
    if (record.partition_key.empty() || record.partition_key.size() > partition_key_bytes_max)
      return "a partition key of " + std::to_string(record.partition_key.size()) + " bytes, must be 1..256";
    if (size > record_bytes_max)
      return "a record of " + std::to_string(size) + " bytes, at most " + std::to_string(record_bytes_max);
    total += size;
  }
  if (total > request_bytes_max)
    return "a request of " + std::to_string(total) + " bytes, at most " + std::to_string(request_bytes_max);
  return {};
}

void write_body(std::string& body, const std::string& stream, std::span<const Record> records) {
  body.clear();
  body += R"({"StreamName":)";
  append_json_string(body, stream);
  body += R"(,"Records":[)";
  for (const Record& record : records) {
    body += &record == records.data() ? R"({"Data":")" : R"(,{"Data":")";
    append_base64(body, record.data);
    body += R"(","PartitionKey":)";
    append_json_string(body, record.partition_key);
    body += '}';
  }
  body += "]}";
}

std::string text_member(const nlohmann::json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

PutOutcome read_outcome(const nlohmann::json& json) {
  PutOutcome outcome;
  if (!json.is_object()) return outcome.message = "no object in the answer", outcome;
  outcome.shard = text_member(json, "ShardId");
  outcome.sequence_number = text_member(json, "SequenceNumber");
  const std::string code = text_member(json, "ErrorCode");
  const bool throttled = code == "ProvisionedThroughputExceededException" || code == "ThrottlingException";
  if (code.empty() && !outcome.sequence_number.empty()) outcome.kind = PutOutcome::Kind::stored;
  else outcome.kind = throttled ? PutOutcome::Kind::throttled : PutOutcome::Kind::failed;
  if (outcome.kind != PutOutcome::Kind::stored) outcome.message = code + ": " + text_member(json, "ErrorMessage");
  return outcome;
}

// An answer that makes no sense says nothing of any record, like no answer: unreachable.
Result<std::vector<PutOutcome>> read_outcomes(const std::string& body, size_t expected) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto records = json.is_object() ? json.find("Records") : json.end();
  if (!json.is_object() || records == json.end() || !records->is_array() || records->size() != expected)
    return Error{Errc::unreachable,
                 "Kinesis PutRecords: HTTP 200, but not one result for each of " + std::to_string(expected) + " records"};
  std::vector<PutOutcome> outcomes;
  outcomes.reserve(expected);
  for (const auto& record : *records) outcomes.push_back(read_outcome(record));
  return outcomes;
}

// "ACTIVE", "CREATING", ...; empty: no such stream. Emulators may know only the older call.
Result<std::string> stream_status(KinesisClient& client, const std::string& stream) {
  const std::string name = nlohmann::json{{"StreamName", stream}}.dump();
  const char* operation = "DescribeStreamSummary";
  const char* member = "StreamDescriptionSummary";
  auto answer = client.call(operation, name);
  if (answer && answer->error_type == "UnknownOperationException") {
    operation = "DescribeStream";
    member = "StreamDescription";
    answer = client.call(operation, name);
  }
  if (!answer) return answer.error();
  if (answer->error_type == "ResourceNotFoundException") return std::string();
  if (!answer->ok()) return to_error(*answer, operation);
  const auto json = nlohmann::json::parse(answer->body, nullptr, false);
  const auto description = json.is_object() ? json.find(member) : json.end();
  const bool readable = json.is_object() && description != json.end() && description->is_object();
  const std::string status = readable ? text_member(*description, "StreamStatus") : std::string();
  if (status.empty()) return Error{Errc::unreachable, std::string("Kinesis ") + operation + ": answer without StreamStatus"};
  return status;
}

Status create_stream(KinesisClient& client, const std::string& stream, int shards) {
  auto answer = client.call("CreateStream", nlohmann::json{{"StreamName", stream}, {"ShardCount", shards}}.dump());
  if (!answer) return answer.error();
  const bool somebody_was_faster = answer->error_type == "ResourceInUseException";
  if (!answer->ok() && !somebody_was_faster) return to_error(*answer, "CreateStream");
  return {};
}

// One look, and creation if there is nothing. True: the stream takes records.
Result<bool> advance(KinesisClient& client, const std::string& stream, int shards) {
  const auto status = stream_status(client, stream);
  if (!status) return status.error();
  if (*status == "ACTIVE" || *status == "UPDATING") return true;
  if (!status->empty()) return false;
  if (const Status created = create_stream(client, stream, shards); !created) return created.error();
  return false;
}

}  // namespace

KinesisSink::KinesisSink(std::unique_ptr<KinesisClient> client, std::string stream)
    : client_(std::move(client)), stream_(std::move(stream)) {}

Result<std::vector<PutOutcome>> KinesisSink::put(std::span<const Record> records) {
  if (records.empty()) return std::vector<PutOutcome>{};
  if (const std::string excess = find_excess(records); !excess.empty())
    return Error{Errc::usage, "Kinesis PutRecords: " + excess};
  write_body(body_, stream_, records);
  const auto answer = client_->request("PutRecords", body_);
  if (!answer) return answer.error();
  return read_outcomes(*answer, records.size());
}

Result<std::unique_ptr<RecordSink>> make_kinesis_sink(const KinesisOptions& options, Clock& clock) {
  auto client = make_kinesis_client(options, clock);
  if (!client) return client.error();
  return std::unique_ptr<RecordSink>(std::make_unique<KinesisSink>(std::move(*client), options.stream));
}

Status ensure_stream(const KinesisOptions& options, int shards, int timeout_ms, Clock& clock, std::stop_token stop) {
  auto client = make_kinesis_client(options, clock);
  if (!client) return client.error();
  return ensure_stream(**client, options.stream, shards, timeout_ms, clock, std::move(stop));
}

Status ensure_stream(KinesisClient& client, const std::string& stream, int shards, int timeout_ms, Clock& clock,
                     std::stop_token stop) {
  const int64_t deadline_ns = clock.monotonic_ns() + timeout_ms * ns_per_ms;
  int64_t pause_ns = poll_first_ns;
  for (;;) {
    const auto ready = advance(client, stream, shards);
    if (ready && *ready) return {};
    if (!ready && ready.error().code != Errc::unreachable) return ready.error().in("stream " + stream);
    const int64_t now_ns = clock.monotonic_ns();
    if (now_ns >= deadline_ns)
      return ready ? Error{Errc::unreachable, "stream " + stream + ": not active after " + std::to_string(timeout_ms) + " ms"}
                   : ready.error().in("stream " + stream);
    if (!clock.wait_until(std::min(now_ns + pause_ns, deadline_ns), stop))
      return Error{Errc::cancelled, "stream " + stream + ": stopped before it was active"};
    pause_ns = std::min(pause_ns * 2, poll_max_ns);
  }
}

}  // namespace joulespool::sink
