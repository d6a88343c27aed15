#include "tests/support/fake_kinesis.h"

#include <algorithm>
#include <utility>

namespace joulespool::sink {
namespace {

uint32_t hash_of(std::string_view key) {
  uint32_t hash = 2166136261U;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

std::string padded(uint64_t number, size_t width) {
  const std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

std::string shard_id(size_t index) { return "shardId-" + padded(index, 12); }

Error no_such(const std::string& what) { return {Errc::usage, "ResourceNotFoundException: " + what}; }

Status check_limits(std::span<const Record> records) {
  size_t total = 0;
  for (const Record& record : records) {
    const size_t size = record.partition_key.size() + record.data.size();
    if (record.partition_key.empty() || record.partition_key.size() > 256) return Error{Errc::usage, "partition key"};
    if (size > record_bytes_max) return Error{Errc::usage, "record too large"};
    total += size;
  }
  if (records.size() > records_per_request_max || total > request_bytes_max) return Error{Errc::usage, "request too large"};
  return {};
}

PutOutcome refused(PutOutcome::Kind kind) {
  const bool throttled = kind == PutOutcome::Kind::throttled;
  return {kind, "", "", throttled ? "ProvisionedThroughputExceededException: rate exceeded" : "InternalFailure: internal error"};
}

}  // namespace

class FakeSink final : public RecordSink {
 public:
  FakeSink(FakeKinesis& kinesis, std::string stream) : kinesis_(kinesis), stream_(std::move(stream)) {}
  Result<std::vector<PutOutcome>> put(std::span<const Record> records) override { return kinesis_.put(stream_, records); }

 private:
  FakeKinesis& kinesis_;
  const std::string stream_;
};

class FakeSource final : public RecordSource {
 public:
  FakeSource(FakeKinesis& kinesis, std::string stream) : kinesis_(kinesis), stream_(std::move(stream)) {}
  Result<std::vector<std::string>> shards() override { return kinesis_.shards(stream_); }

  Status open(const std::string& shard, StartAt start) override {
    const auto position = kinesis_.position(stream_, shard, start);
    if (!position) return position.error();
    positions_[shard] = *position;
    return {};
  }

  Result<RecordBatch> read(const std::string& shard) override {
    const auto position = positions_.find(shard);
    if (position == positions_.end()) return Error{Errc::usage, "shard " + shard + ": read before open"};
    return kinesis_.read(stream_, shard, position->second);
  }

 private:
  FakeKinesis& kinesis_;
  const std::string stream_;
  std::map<std::string, size_t> positions_;
};

void FakeKinesis::create_stream(const std::string& stream, int shards) {
  const std::lock_guard lock(mutex_);
  const uint64_t count = static_cast<uint64_t>(shards);
  for (uint64_t i = 0; i < count; ++i)
    streams_[stream].push_back(
        {shard_id(i), static_cast<uint32_t>((i << 32) / count), static_cast<uint32_t>((((i + 1) << 32) / count) - 1), false, {}});
}

void FakeKinesis::split_shard(const std::string& stream, const std::string& shard) {
  const std::lock_guard lock(mutex_);
  Stream& shards = streams_.at(stream);
  const auto parent = std::find_if(shards.begin(), shards.end(), [&](const Shard& each) { return each.id == shard; });
  parent->closed = true;
  const uint32_t first = parent->hash_first;
  const uint32_t last = parent->hash_last;
  const uint32_t middle = first + (last - first) / 2;
  const size_t count = shards.size();
  shards.push_back({shard_id(count), first, middle, false, {}});
  shards.push_back({shard_id(count + 1), middle + 1, last, false, {}});
}

std::unique_ptr<RecordSink> FakeKinesis::make_sink(const std::string& stream) {
  return std::make_unique<FakeSink>(*this, stream);
}

std::unique_ptr<RecordSource> FakeKinesis::make_source(const std::string& stream) {
  return std::make_unique<FakeSource>(*this, stream);
}

void FakeKinesis::script(PutScript next) {
  const std::lock_guard lock(mutex_);
  scripts_.push_back(std::move(next));
}

void FakeKinesis::fail_always(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  always_ = std::move(error);
}

void FakeKinesis::set_read_limit(size_t records) {
  const std::lock_guard lock(mutex_);
  read_limit_ = records;
}

std::vector<StoredRecord> FakeKinesis::stored(const std::string& stream) const {
  const std::lock_guard lock(mutex_);
  std::vector<StoredRecord> all;
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return all;
  for (const Shard& shard : found->second) all.insert(all.end(), shard.records.begin(), shard.records.end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.sequence_number < b.sequence_number; });
  return all;
}

size_t FakeKinesis::put_count() const {
  const std::lock_guard lock(mutex_);
  return put_count_;
}

PutScript FakeKinesis::next_script() {
  if (scripts_.empty()) return {always_, false, {}};
  PutScript script = std::move(scripts_.front());
  scripts_.pop_front();
  return script;
}

PutOutcome FakeKinesis::store(Stream& stream, const Record& record) {
  const uint32_t hash = hash_of(record.partition_key);
  for (Shard& shard : stream) {
    if (shard.closed || hash < shard.hash_first || hash > shard.hash_last) continue;
    const int64_t arrival_ns = clock_.realtime_ns() / ns_per_ms * ns_per_ms;
    const std::string sequence = padded(++last_sequence_, 20);
    shard.records.push_back({std::string(record.partition_key), sequence, arrival_ns, {record.data.begin(), record.data.end()}});
    return {PutOutcome::Kind::stored, shard.id, sequence, ""};
  }
  return refused(PutOutcome::Kind::failed);
}

Result<std::vector<PutOutcome>> FakeKinesis::put(const std::string& stream, std::span<const Record> records) {
  const std::lock_guard lock(mutex_);
  if (records.empty()) return std::vector<PutOutcome>{};
  ++put_count_;
  if (const Status within = check_limits(records); !within) return within.error();
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return no_such("stream " + stream);
  const PutScript script = next_script();
  if (script.error && !script.stored_despite_error) return *script.error;
  std::vector<PutOutcome> outcomes;
  for (size_t i = 0; i < records.size(); ++i) {
    const auto kind = i < script.outcomes.size() ? script.outcomes[i] : PutOutcome::Kind::stored;
    outcomes.push_back(kind == PutOutcome::Kind::stored ? store(found->second, records[i]) : refused(kind));
  }
  if (script.error) return *script.error;
  return outcomes;
}

Result<std::vector<std::string>> FakeKinesis::shards(const std::string& stream) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return no_such("stream " + stream);
  std::vector<std::string> ids;
  for (const Shard& shard : found->second) ids.push_back(shard.id);
  return ids;
}

const FakeKinesis::Shard* FakeKinesis::find(const std::string& stream, const std::string& shard) const {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return nullptr;
  for (const Shard& each : found->second)
    if (each.id == shard) return &each;
  return nullptr;
}

Result<size_t> FakeKinesis::position(const std::string& stream, const std::string& shard, StartAt start) const {
  const std::lock_guard lock(mutex_);
  const Shard* found = find(stream, shard);
  if (found == nullptr) return no_such("shard " + shard + " of stream " + stream);
  return start == StartAt::oldest ? 0 : found->records.size();
}

Result<RecordBatch> FakeKinesis::read(const std::string& stream, const std::string& shard, size_t& position) const {
  const std::lock_guard lock(mutex_);
  const Shard* found = find(stream, shard);
  if (found == nullptr) return no_such("shard " + shard + " of stream " + stream);
  const size_t end = std::min(position + read_limit_, found->records.size());
  RecordBatch batch;
  for (; position < end; ++position) batch.records.push_back(found->records[position]);
  const bool at_end = end == found->records.size();
  batch.closed = at_end && found->closed;
  if (!at_end) batch.behind_ms = std::max<int64_t>(1, (clock_.realtime_ns() - found->records[end].arrival_utc_ns) / ns_per_ms);
  return batch;
}

}  // namespace joulespool::sink
