#include "cloud-bridge/sink/kinesis_source.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/scripted_http.h"

namespace joulespool::sink {
namespace {

using Json = nlohmann::json;

constexpr int64_t at_2026_01_02_03_04_05 = 1'767'323'045 * ns_per_s;

struct Fixture {
  HttpScript script;
  ManualClock clock{at_2026_01_02_03_04_05};
  KinesisSource source{
      std::make_unique<KinesisClient>(*parse_url("http://127.0.0.1:4567"), "eu-central-1", std::make_unique<ScriptedHttp>(script),
                                      CredentialSource({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "S"}}), clock),
      "frames"};

  void open(StartAt start, const std::string& iterator = "it-0") {
    script.answer(200, R"({"ShardIterator":")" + iterator + R"("})");
    REQUIRE(source.open("shard", start).ok());
  }
  Json last_query() { return Json::parse(script.asked.back().body); }
  Json query(size_t request) { return Json::parse(script.asked.at(request).body); }
};

// A GetRecords answer with so many records, numbered on from `first`.
std::string records(int count, const std::string& next_iterator, int64_t behind_ms = 0, int first = 1) {
  Json answer = {{"MillisBehindLatest", behind_ms}, {"Records", Json::array()}};
  for (int i = 0; i < count; ++i)
    answer["Records"].push_back({{"Data", "Zm9v"},
                                 {"PartitionKey", "k"},
                                 {"SequenceNumber", std::to_string(first + i)},
                                 {"ApproximateArrivalTimestamp", 1767323044.5}});
  if (!next_iterator.empty()) answer["NextShardIterator"] = next_iterator;
  return answer.dump();
}

std::string refusal(const std::string& type) { return R"({"__type":")" + type + R"("})"; }

}  // namespace

TEST_CASE("kinesis source: shards come page by page, parents before children, whatever the order of the answer") {
  Fixture fixture;
  fixture.script.answer(200, R"({"NextToken":"t","Shards":[{"ShardId":"d","ParentShardId":"b","AdjacentParentShardId":"c"},
                                 {"ShardId":"b","ParentShardId":"a"},{"ShardId":"e","ParentShardId":"expired"}]})");
  fixture.script.answer(200, R"({"Shards":[{"ShardId":"c","ParentShardId":"a"},{"ShardId":"a"}]})");
  const auto shards = fixture.source.shards();
  REQUIRE(shards.ok());
  CHECK(*shards == std::vector<std::string>{"e", "a", "b", "c", "d"});
  CHECK(fixture.query(0) == Json{{"StreamName", "frames"}, {"MaxResults", 1000}});
  CHECK(fixture.query(1) == Json{{"NextToken", "t"}, {"MaxResults", 1000}});
}

TEST_CASE("kinesis source: damaged lists of shards are refused, a circle of parents does not hang") {
  for (const char* body : {"", "[]", "{}", R"({"Shards":7})", R"({"Shards":[7]})", R"({"Shards":[{}]})"}) {
    Fixture fixture;
    fixture.script.answer(200, body);
    const auto shards = fixture.source.shards();
    REQUIRE_FALSE(shards.ok());
    CHECK(shards.error().code == Errc::damaged);
  }
  Fixture fixture;
  fixture.script.answer(200, R"({"Shards":[{"ShardId":"a","ParentShardId":"b"},{"ShardId":"b","ParentShardId":"a"}]})");
  CHECK(fixture.source.shards()->size() == 2);
}

TEST_CASE("kinesis source: open asks for the oldest or the newest, read goes on with the iterator of the last answer") {
  Fixture fixture;
  fixture.open(StartAt::newest);
  CHECK(fixture.last_query() == Json{{"StreamName", "frames"}, {"ShardId", "shard"}, {"ShardIteratorType", "LATEST"}});
  fixture.open(StartAt::oldest);
  CHECK(fixture.last_query()["ShardIteratorType"] == "TRIM_HORIZON");
  fixture.script.answer(200, records(2, "it-1", 1500));
  fixture.script.answer(200, records(0, "it-2"));
  const auto first = fixture.source.read("shard");
  REQUIRE(first.ok());
  CHECK(fixture.last_query()["ShardIterator"] == "it-0");
  CHECK(first->behind_ms == 1500);
  REQUIRE(first->records.size() == 2);
  CHECK(first->records[1].sequence_number == "2");
  CHECK(first->records[1].data.size() == 3);
  CHECK(first->records[1].arrival_utc_ns == 1'767'323'044'500'000'000);
  CHECK(fixture.source.read("shard")->behind_ms == 0);
  CHECK(fixture.last_query()["ShardIterator"] == "it-1");
}

TEST_CASE("kinesis source: an expired iterator is renewed after the last record that was read") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.answer(200, records(2, "it-1"));
  REQUIRE(fixture.source.read("shard").ok());
  fixture.script.answer(400, refusal("ExpiredIteratorException"));
  fixture.script.answer(200, R"({"ShardIterator":"it-9"})");
  fixture.script.answer(200, records(1, "it-10", 0, 3));
  const auto batch = fixture.source.read("shard");
  REQUIRE(batch.ok());
  CHECK(batch->records.front().sequence_number == "3");
  CHECK(fixture.query(3)["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER");
  CHECK(fixture.query(3)["StartingSequenceNumber"] == "2");
  CHECK(fixture.query(4)["ShardIterator"] == "it-9");
}

TEST_CASE("kinesis source: an iterator that expires before the first record begins where it was opened, not at the newest") {
  Fixture fixture;
  fixture.open(StartAt::newest);
  fixture.clock.advance(600 * ns_per_s);
  fixture.script.answer(400, refusal("ExpiredIteratorException"));
  fixture.script.answer(200, R"({"ShardIterator":"it-9"})");
  fixture.script.answer(200, records(1, "it-10"));
  REQUIRE(fixture.source.read("shard").ok());
  CHECK(fixture.query(2)["ShardIteratorType"] == "AT_TIMESTAMP");
  CHECK(fixture.query(2)["Timestamp"] == 1767323045.0);
}

TEST_CASE("kinesis source: an iterator that is expired again at once is an error, not a loop") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.answer(400, refusal("ExpiredIteratorException"));
  fixture.script.answer(200, R"({"ShardIterator":"it-9"})");
  fixture.script.answer(400, refusal("ExpiredIteratorException"));
  CHECK_FALSE(fixture.source.read("shard").ok());
}

TEST_CASE("kinesis source: a failed read skips nothing") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.fail({Errc::unreachable, "reset"});
  fixture.script.answer(400, refusal("ProvisionedThroughputExceededException"));
  fixture.script.answer(200, R"({"Records":[{"SequenceNumber":"1","Data":"@"}]})");
  fixture.script.answer(200, records(1, "it-1"));
  CHECK(fixture.source.read("shard").error().code == Errc::unreachable);
  CHECK(fixture.source.read("shard").error().code == Errc::unreachable);
  CHECK(fixture.source.read("shard").error().code == Errc::damaged);
  CHECK(fixture.source.read("shard").ok());
  CHECK(fixture.last_query()["ShardIterator"] == "it-0");
}

TEST_CASE("kinesis source: a closed shard says so, and again, without asking") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.answer(200, records(1, "", 99));
  const auto last = fixture.source.read("shard");
  REQUIRE(last.ok());
  CHECK(last->closed);
  CHECK(last->behind_ms == 0);
  CHECK(last->records.size() == 1);
  const size_t asked = fixture.script.asked.size();
  CHECK(fixture.source.read("shard")->closed);
  CHECK(fixture.script.asked.size() == asked);
}

TEST_CASE("kinesis source: an answer above the HTTP client's limit is asked for again with fewer records") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.fail({Errc::full, "answer above the limit"});
  fixture.script.answer(200, records(25, "it-1"));
  const auto batch = fixture.source.read("shard");
  REQUIRE(batch.ok());
  CHECK(fixture.query(1)["Limit"] == 100);
  CHECK(fixture.query(2)["Limit"] == 25);
  CHECK(batch->behind_ms > 0);  // a full answer is not the end, even if it says so
}

TEST_CASE("kinesis source: small records are asked for in growing numbers") {
  Fixture fixture;
  fixture.open(StartAt::oldest);
  fixture.script.answer(200, records(100, "it-1"));
  fixture.script.answer(200, records(10, "it-2", 0, 101));
  CHECK(fixture.source.read("shard")->behind_ms > 0);
  CHECK(fixture.source.read("shard")->behind_ms == 0);
  CHECK(fixture.query(1)["Limit"] == 100);
  CHECK(fixture.query(2)["Limit"] == 200);
}

TEST_CASE("get records answer: what is not one is damaged") {
  std::string next;
  for (const char* body :
       {"", "{", "[]", "{}", R"({"Records":{}})", R"({"Records":[7]})", R"({"Records":[{"Data":"Zm9v"}]})",
        R"({"Records":[{"SequenceNumber":"1"}]})", R"({"Records":[{"SequenceNumber":"1","Data":7}]})",
        R"({"Records":[{"SequenceNumber":"1","Data":"Zm9"}]})", R"({"Records":[{"SequenceNumber":1,"Data":""}]})"}) {
    const auto batch = read_get_records_answer(body, next);
    REQUIRE_FALSE_MESSAGE(batch.ok(), body);
    CHECK(batch.error().code == Errc::damaged);
  }
}

}  // namespace joulespool::sink
