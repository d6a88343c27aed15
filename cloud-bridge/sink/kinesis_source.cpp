#include "cloud-bridge/sink/kinesis_source.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cloud-bridge/sink/base64.h"

namespace joulespool::sink {
namespace {

using Json = nlohmann::json;

// Kinesis ends an answer at 10 MiB of data, emulators do not. So the number of records asked for follows the size of the
// answers, far below the HTTP client's limit; an answer above that is asked for again with a quarter of the records.
constexpr int records_per_read_first = 100;
constexpr int records_per_read_max = 10'000;  // Kinesis' limit
constexpr size_t small_answer_bytes = 4 * 1024 * 1024;
constexpr size_t large_answer_bytes = 24 * 1024 * 1024;
constexpr int shard_pages_max = 1000;  // 1000 shards each: far above any account's quota; ends a loop of a server gone wrong

struct ShardLink {
  std::string id;
  std::string parent, adjacent_parent;  // empty: none
};

std::string text_member(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Parents that are no longer listed (their records have expired) do not count.
std::vector<std::string> parents_first(std::vector<ShardLink> shards) {
  std::set<std::string> waiting;
  for (const ShardLink& shard : shards) waiting.insert(shard.id);
  std::vector<std::string> ordered;
  while (!shards.empty()) {
    const auto ready = [&](const ShardLink& shard) {
      return !waiting.contains(shard.parent) && !waiting.contains(shard.adjacent_parent);
    };
    auto pending = std::stable_partition(shards.begin(), shards.end(), ready);
    if (pending == shards.begin()) pending = shards.end();  // a circle cannot be; if it is, list it as it came
    for (auto shard = shards.begin(); shard != pending; ++shard) ordered.push_back(shard->id);
    for (auto shard = shards.begin(); shard != pending; ++shard) waiting.erase(shard->id);
    shards.erase(shards.begin(), pending);
  }
  return ordered;
}

// Appends one page of ListShards; the token of the next page (empty: this was the last).
Result<std::string> read_shard_page(const std::string& body, std::vector<ShardLink>& shards) {
  const Error damaged{Errc::damaged, "Kinesis ListShards: answer without shards"};
  const Json json = Json::parse(body, nullptr, false);
  const auto list = json.is_object() ? json.find("Shards") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array()) return damaged;
  for (const Json& shard : *list) {
    if (!shard.is_object() || text_member(shard, "ShardId").empty()) return damaged;
    shards.push_back(
        {text_member(shard, "ShardId"), text_member(shard, "ParentShardId"), text_member(shard, "AdjacentParentShardId")});
  }
  return text_member(json, "NextToken");
}

int next_limit(int limit, bool is_full, size_t answer_bytes) {
  if (answer_bytes > large_answer_bytes) return std::max(1, limit / 2);
  return is_full && answer_bytes < small_answer_bytes ? std::min(limit * 2, records_per_read_max) : limit;
}

bool read_record(const Json& json, StoredRecord& record) {
  if (!json.is_object()) return false;
  record.partition_key = text_member(json, "PartitionKey");
  record.sequence_number = text_member(json, "SequenceNumber");
  const auto arrival = json.find("ApproximateArrivalTimestamp");
  if (arrival != json.end() && arrival->is_number())
    record.arrival_utc_ns = std::llround(arrival->get<double>() * 1000.0) * ns_per_ms;
  const auto data = json.find("Data");
  return !record.sequence_number.empty() && data != json.end() && data->is_string() &&
         decode_base64(data->get_ref<const std::string&>(), record.data);
}

}  // namespace

Result<RecordBatch> read_get_records_answer(const std::string& body, std::string& next_iterator) {
  const Json json = Json::parse(body, nullptr, false);
  const auto records = json.is_object() ? json.find("Records") : json.end();
  if (!json.is_object() || records == json.end() || !records->is_array())
    return Error{Errc::damaged, "Kinesis GetRecords: answer without records"};
  RecordBatch batch;
  batch.records.resize(records->size());
  for (size_t i = 0; i < batch.records.size(); ++i)
    if (!read_record((*records)[i], batch.records[i]))
      return Error{Errc::damaged, "Kinesis GetRecords: record " + std::to_string(i) + " of the answer is not readable"};
  next_iterator = text_member(json, "NextShardIterator");
  batch.closed = next_iterator.empty();
  const auto behind = json.find("MillisBehindLatest");
  if (!batch.closed && behind != json.end() && behind->is_number()) batch.behind_ms = behind->get<int64_t>();
  return batch;
}

KinesisSource::KinesisSource(std::unique_ptr<KinesisClient> client, std::string stream)
    : client_(std::move(client)), stream_(std::move(stream)) {}

Result<std::vector<std::string>> KinesisSource::shards() {
  std::vector<ShardLink> shards;
  Json query = {{"StreamName", stream_}, {"MaxResults", 1000}};
  for (int page = 0; page < shard_pages_max; ++page) {
    const auto body = client_->request("ListShards", query.dump());
    if (!body) return body.error();
    const auto token = read_shard_page(*body, shards);
    if (!token) return token.error();
    if (token->empty()) return parents_first(std::move(shards));
    query = {{"NextToken", *token}, {"MaxResults", 1000}};  // Kinesis refuses a token together with the stream's name
  }
  return Error{Errc::damaged, "Kinesis ListShards: more than " + std::to_string(shard_pages_max) + " pages"};
}

Result<std::string> KinesisSource::find_iterator(const std::string& shard, const Position& position, bool renewed) {
  Json query = {{"StreamName", stream_}, {"ShardId", shard}};
  if (!position.last_sequence.empty()) {
    query["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER";
    query["StartingSequenceNumber"] = position.last_sequence;
  } else if (position.start == StartAt::oldest) {
    query["ShardIteratorType"] = "TRIM_HORIZON";
  } else if (!renewed) {
    query["ShardIteratorType"] = "LATEST";
  } else {  // LATEST would now skip what came since open()
    query["ShardIteratorType"] = "AT_TIMESTAMP";
    query["Timestamp"] = static_cast<double>(position.opened_at_ns / ns_per_ms) / 1000.0;
  }
  const auto body = client_->request("GetShardIterator", query.dump());
  if (!body) return body.error();
  const Json json = Json::parse(*body, nullptr, false);
  std::string iterator = json.is_object() ? text_member(json, "ShardIterator") : std::string();
  if (iterator.empty()) return Error{Errc::damaged, "Kinesis GetShardIterator: answer without iterator"};
  return iterator;
}

Status KinesisSource::open(const std::string& shard, StartAt start) {
  Position position;
  position.start = start;
  position.opened_at_ns = client_->realtime_ns();
  position.limit = records_per_read_first;
  auto iterator = find_iterator(shard, position, false);
  if (!iterator) return iterator.error().in("shard " + shard);
  position.iterator = *iterator;
  positions_[shard] = std::move(position);
  return {};
}

// One answer to GetRecords that is neither too large nor a complaint about the iterator's age.
Result<KinesisAnswer> KinesisSource::get_records(const std::string& shard, Position& position) {
  bool renewed = false;
  for (;;) {
    const Json query = {{"ShardIterator", position.iterator}, {"Limit", position.limit}};
    auto answer = client_->call("GetRecords", query.dump());
    if (!answer && answer.error().code == Errc::full && position.limit > 1) {
      position.limit = std::max(1, position.limit / 4);
      continue;
    }
    const bool expired = answer && answer->error_type == "ExpiredIteratorException";
    if (!expired || renewed) return answer;
    auto iterator = find_iterator(shard, position, true);
    if (!iterator) return iterator.error();
    position.iterator = *iterator;
    renewed = true;
  }
}

Result<RecordBatch> KinesisSource::read(const std::string& shard) {
  const auto found = positions_.find(shard);
  if (found == positions_.end()) return Error{Errc::usage, "shard " + shard + ": read before open"};
  Position& position = found->second;
  if (position.iterator.empty()) return RecordBatch{{}, 0, true};
  auto answer = get_records(shard, position);
  if (!answer) return answer.error().in("shard " + shard);
  if (!answer->ok()) return to_error(*answer, "GetRecords").in("shard " + shard);
  std::string next_iterator;
  auto batch = read_get_records_answer(answer->body, next_iterator);
  if (!batch) return batch.error().in("shard " + shard);
  position.iterator = std::move(next_iterator);
  if (batch->records.empty()) return batch;
  position.last_sequence = batch->records.back().sequence_number;
  const bool is_full = batch->records.size() >= static_cast<size_t>(position.limit);
  position.limit = next_limit(position.limit, is_full, answer->body.size());
  // A full answer does not prove that this was the end, whatever it says (emulators say 0 always).
  if (is_full && batch->behind_ms == 0 && !batch->closed)
    batch->behind_ms = std::max<int64_t>(1, (client_->realtime_ns() - batch->records.back().arrival_utc_ns) / ns_per_ms);
  return batch;
}

Result<std::unique_ptr<RecordSource>> make_kinesis_source(const KinesisOptions& options, Clock& clock) {
  auto client = make_kinesis_client(options, clock);
  if (!client) return client.error();
  return std::unique_ptr<RecordSource>(std::make_unique<KinesisSource>(std::move(*client), options.stream));
}

}  // namespace joulespool::sink
