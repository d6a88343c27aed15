// What every RecordSink and RecordSource promises. A test program includes this once and defines make_contract_peer();
// the same tests run on the fake and on the real thing.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cloud-bridge/sink/record_sink.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::sink {

class ContractPeer {
 public:
  virtual ~ContractPeer() = default;
  // A new, empty stream that takes records; its name.
  virtual std::string create_stream(int shards) = 0;
  virtual std::unique_ptr<RecordSink> make_sink(const std::string& stream) = 0;
  virtual std::unique_ptr<RecordSource> make_source(const std::string& stream) = 0;
};

std::unique_ptr<ContractPeer> make_contract_peer();

namespace contract {

constexpr const char* missing_stream = "no-such-stream";

struct Item {
  std::string key;
  wire::Bytes data;
};

inline wire::Bytes bytes_of(std::string_view text) {
  wire::Bytes bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

inline std::string text_of(const wire::Bytes& bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += static_cast<char>(byte);
  return text;
}

inline std::vector<Record> views(const std::vector<Item>& items) {
  std::vector<Record> records;
  for (const Item& item : items) records.push_back({item.key, item.data});
  return records;
}

inline void put_all(RecordSink& sink, const std::vector<Item>& items) {
  const auto outcomes = sink.put(views(items));
  REQUIRE_MESSAGE(outcomes.ok(), (outcomes.ok() ? std::string() : outcomes.error().message));
  REQUIRE(outcomes->size() == items.size());
  for (const PutOutcome& outcome : *outcomes) REQUIRE(outcome.kind == PutOutcome::Kind::stored);
}

inline std::string only_shard(RecordSource& source) {
  const auto shards = source.shards();
  REQUIRE(shards.ok());
  REQUIRE(shards->size() == 1);
  return shards->front();
}

// Reads until the source says that the end is reached.
inline std::vector<StoredRecord> read_to_end(RecordSource& source, const std::string& shard) {
  std::vector<StoredRecord> all;
  for (int reads = 0; reads < 1000; ++reads) {
    auto batch = source.read(shard);
    REQUIRE_MESSAGE(batch.ok(), (batch.ok() ? std::string() : batch.error().message));
    for (StoredRecord& record : batch->records) all.push_back(std::move(record));
    if (batch->behind_ms == 0) return all;
  }
  FAIL("the end is never reached");
  return all;
}

inline std::vector<StoredRecord> read_everything(RecordSource& source) {
  std::vector<StoredRecord> all;
  const auto shards = source.shards();
  REQUIRE(shards.ok());
  for (const std::string& shard : *shards) {
    REQUIRE(source.open(shard, StartAt::oldest).ok());
    for (StoredRecord& record : read_to_end(source, shard)) all.push_back(std::move(record));
  }
  return all;
}

inline Errc put_error(RecordSink& sink, const std::vector<Item>& items) {
  const auto outcomes = sink.put(views(items));
  REQUIRE_FALSE(outcomes.ok());
  return outcomes.error().code;
}

inline std::vector<Item> numbered(int count, const std::string& key, int first = 0) {
  std::vector<Item> items;
  for (int i = 0; i < count; ++i) items.push_back({key, bytes_of(std::to_string(first + i))});
  return items;
}

}  // namespace contract

TEST_CASE("record sink contract: every record has an outcome, and each key's records are read back in their order") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(2);
  const auto sink = peer->make_sink(stream);
  std::map<std::string, std::string> shard_of_key;
  std::map<std::string, std::vector<std::string>> sent;
  for (int request = 0; request < 5; ++request) {
    std::vector<Item> items;
    for (int i = 0; i < 40; ++i) {
      items.push_back({"device-" + std::to_string(i % 8), bytes_of(std::to_string(request * 1000 + i))});
      sent[items.back().key].push_back(text_of(items.back().data));
    }
    const auto outcomes = sink->put(views(items));
    REQUIRE(outcomes.ok());
    REQUIRE(outcomes->size() == items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      CHECK((*outcomes)[i].kind == PutOutcome::Kind::stored);
      CHECK_FALSE((*outcomes)[i].sequence_number.empty());
      CHECK(shard_of_key.emplace(items[i].key, (*outcomes)[i].shard).first->second == (*outcomes)[i].shard);
    }
  }
  const auto source = peer->make_source(stream);
  REQUIRE(source->shards().ok());
  CHECK(source->shards()->size() == 2);
  std::map<std::string, std::vector<std::string>> received;
  for (const StoredRecord& record : read_everything(*source)) received[record.partition_key].push_back(text_of(record.data));
  CHECK(received == sent);
}

TEST_CASE("record sink contract: outcomes carry the sequence numbers under which the records are read") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  const auto sink = peer->make_sink(stream);
  const auto items = numbered(3, "device");
  const auto outcomes = sink->put(views(items));
  REQUIRE(outcomes.ok());
  const auto stored = read_everything(*peer->make_source(stream));
  REQUIRE(stored.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(stored[i].sequence_number == (*outcomes)[i].sequence_number);
    CHECK(stored[i].arrival_utc_ns > 1'600'000'000'000'000'000);
    CHECK(stored[i].arrival_utc_ns % 1'000'000 == 0);
  }
}

TEST_CASE("record sink contract: data is bytes, of any value and length") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  std::vector<Item> items;
  for (size_t length = 0; length < 10; ++length) items.push_back({"device", wire::Bytes(length, std::byte{0xff})});
  wire::Bytes every_byte;
  for (int i = 0; i < 1000; ++i) every_byte.push_back(static_cast<std::byte>(i * 7));
  items.push_back({"device", every_byte});
  put_all(*peer->make_sink(stream), items);
  const auto stored = read_everything(*peer->make_source(stream));
  REQUIRE(stored.size() == items.size());
  for (size_t i = 0; i < items.size(); ++i) CHECK(stored[i].data == items[i].data);
}

TEST_CASE("record sink contract: a partition key may hold quotes, backslashes, control characters and any script") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  const std::vector<std::string> keys = {"a\"b", "a\\b", "a\nb\tc\x01", "Zähler-Ω-電力", std::string(256, 'k')};
  std::vector<Item> items;
  for (const std::string& key : keys) items.push_back({key, bytes_of(key)});
  put_all(*peer->make_sink(stream), items);
  const auto stored = read_everything(*peer->make_source(stream));
  REQUIRE(stored.size() == keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(stored[i].partition_key == keys[i]);
    CHECK(text_of(stored[i].data) == keys[i]);
  }
}

TEST_CASE("record sink contract: a request may be as large as the limits, and one above them stores nothing") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  const auto sink = peer->make_sink(stream);
  const std::string key = "device";
  put_all(*sink, numbered(static_cast<int>(records_per_request_max), key));
  const wire::Bytes largest(record_bytes_max - key.size(), std::byte{0x5a});
  put_all(*sink, std::vector<Item>(request_bytes_max / record_bytes_max, Item{key, largest}));
  const size_t stored_before = read_everything(*peer->make_source(stream)).size();

  wire::Bytes too_large = largest;
  too_large.push_back(std::byte{0});
  std::vector<Item> too_much(request_bytes_max / record_bytes_max, Item{key, largest});
  too_much.push_back({key, {}});
  CHECK(put_error(*sink, numbered(static_cast<int>(records_per_request_max) + 1, key)) == Errc::usage);
  CHECK(put_error(*sink, {Item{key, too_large}}) == Errc::usage);
  CHECK(put_error(*sink, too_much) == Errc::usage);
  CHECK(put_error(*sink, {Item{"", {}}}) == Errc::usage);
  CHECK(put_error(*sink, {Item{std::string(257, 'k'), {}}}) == Errc::usage);
  CHECK(read_everything(*peer->make_source(stream)).size() == stored_before);
}

TEST_CASE("record sink contract: no records is no request and well") {
  const auto peer = make_contract_peer();
  const auto outcomes = peer->make_sink(contract::missing_stream)->put({});
  REQUIRE(outcomes.ok());
  CHECK(outcomes->empty());
}

TEST_CASE("record sink contract: a stream or shard that does not exist is an error that asks for somebody to act") {
  using namespace contract;
  const auto peer = make_contract_peer();
  CHECK(put_error(*peer->make_sink(missing_stream), numbered(1, "device")) == Errc::usage);
  const auto source = peer->make_source(missing_stream);
  REQUIRE_FALSE(source->shards().ok());
  CHECK(source->shards().error().code == Errc::usage);
  const auto existing = peer->make_source(peer->create_stream(1));
  const Status opened = existing->open("shardId-000000000077", StartAt::oldest);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == Errc::usage);
}

TEST_CASE("record source contract: reading a shard that was not opened is refused") {
  const auto peer = make_contract_peer();
  const auto source = peer->make_source(peer->create_stream(1));
  const auto batch = source->read("shardId-000000000000");
  REQUIRE_FALSE(batch.ok());
  CHECK(batch.error().code == Errc::usage);
}

TEST_CASE("record source contract: an empty shard is at its end") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const auto source = peer->make_source(peer->create_stream(1));
  const std::string shard = only_shard(*source);
  for (const StartAt start : {StartAt::oldest, StartAt::newest}) {
    REQUIRE(source->open(shard, start).ok());
    const auto batch = source->read(shard);
    REQUIRE(batch.ok());
    CHECK(batch->records.empty());
    CHECK(batch->behind_ms == 0);
    CHECK_FALSE(batch->closed);
  }
}

TEST_CASE("record source contract: reads continue where the last one ended, through many batches, and again after more came") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  const auto sink = peer->make_sink(stream);
  for (int i = 0; i < 3; ++i) put_all(*sink, numbered(400, "device", i * 400));
  const auto source = peer->make_source(stream);
  const std::string shard = only_shard(*source);
  REQUIRE(source->open(shard, StartAt::oldest).ok());
  const auto first = read_to_end(*source, shard);
  REQUIRE(first.size() == 1200);
  for (int i = 0; i < 1200; ++i) CHECK(text_of(first[static_cast<size_t>(i)].data) == std::to_string(i));
  CHECK(read_to_end(*source, shard).empty());
  put_all(*sink, numbered(2, "device", 1200));
  const auto more = read_to_end(*source, shard);
  REQUIRE(more.size() == 2);
  CHECK(text_of(more[0].data) == "1200");
  CHECK(more[0].sequence_number > first.back().sequence_number);
}

TEST_CASE("record source contract: newest begins after what is there when the shard is opened, oldest at the beginning again") {
  using namespace contract;
  const auto peer = make_contract_peer();
  const std::string stream = peer->create_stream(1);
  const auto sink = peer->make_sink(stream);
  put_all(*sink, numbered(5, "device"));
  const auto source = peer->make_source(stream);
  const std::string shard = only_shard(*source);
  REQUIRE(source->open(shard, StartAt::newest).ok());
  put_all(*sink, numbered(2, "device", 5));
  const auto newer = read_to_end(*source, shard);
  REQUIRE(newer.size() == 2);
  CHECK(text_of(newer[0].data) == "5");
  REQUIRE(source->open(shard, StartAt::oldest).ok());
  CHECK(read_to_end(*source, shard).size() == 7);
}

}  // namespace joulespool::sink
