#include "cloud-bridge/sink/kinesis_sink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/scripted_http.h"

namespace joulespool::sink {
namespace {

std::unique_ptr<KinesisClient> scripted_client(HttpScript& script, Clock& clock) {
  return std::make_unique<KinesisClient>(*parse_url("http://127.0.0.1:4567"), "eu-central-1",
                                         std::make_unique<ScriptedHttp>(script),
                                         CredentialSource({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "S"}}), clock);
}

struct Fixture {
  HttpScript script;
  ManualClock clock;
  KinesisSink sink{scripted_client(script, clock), "frames"};
  wire::Bytes data{std::byte{'f'}, std::byte{'o'}, std::byte{'o'}};
  std::vector<Record> records(size_t count) { return std::vector<Record>(count, Record{"js220-000001", data}); }
};

std::string refusal(const std::string& type) { return R"({"__type":")" + type + R"("})"; }

std::string summary(const std::string& status) { return R"({"StreamDescriptionSummary":{"StreamStatus":")" + status + R"("}})"; }

std::vector<std::string> operations(const HttpScript& script) {
  std::vector<std::string> names;
  for (const HttpExchange& exchange : script.asked)
    names.push_back(std::string(find_header(exchange.headers, "x-amz-target")).substr(17));
  return names;
}

// Time passes only by waiting, and then at once.
class JumpingClock final : public Clock {
 public:
  int64_t realtime_ns() override { return now_ns_; }
  int64_t monotonic_ns() override { return now_ns_; }
  bool wait_until(int64_t deadline_ns, std::stop_token stop) override {
    now_ns_ = std::max(now_ns_, deadline_ns);
    return !stop.stop_requested();
  }

 private:
  int64_t now_ns_ = 1'767'323'045 * ns_per_s;
};

Status ensure(HttpScript& script, int timeout_ms = 10'000, std::stop_token stop = {}) {
  JumpingClock clock;
  return ensure_stream(*scripted_client(script, clock), "frames", 2, timeout_ms, clock, std::move(stop));
}

}  // namespace

TEST_CASE("kinesis sink: the request is one JSON object with base64 data and the key of each record") {
  Fixture fixture;
  fixture.script.answer(
      200, R"({"FailedRecordCount":0,"Records":[{"ShardId":"s0","SequenceNumber":"1"},{"ShardId":"s1","SequenceNumber":"2"}]})");
  const std::vector<Record> records{{"js220-\"1\"", fixture.data}, {"b", {}}};
  const auto outcomes = fixture.sink.put(records);
  REQUIRE(outcomes.ok());
  CHECK(fixture.script.asked[0].body ==
        R"({"StreamName":"frames","Records":[{"Data":"Zm9v","PartitionKey":"js220-\"1\""},{"Data":"","PartitionKey":"b"}]})");
  CHECK((*outcomes)[1].kind == PutOutcome::Kind::stored);
  CHECK((*outcomes)[1].shard == "s1");
  CHECK((*outcomes)[1].sequence_number == "2");
}

TEST_CASE("kinesis sink: throttled and failed records are told apart, in the order of the request") {
  Fixture fixture;
  fixture.script.answer(200, R"({"FailedRecordCount":2,"Records":[
    {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"},
    {"ShardId":"s0","SequenceNumber":"1"},
    {"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."}]})");
  const auto outcomes = fixture.sink.put(fixture.records(3));
  REQUIRE(outcomes.ok());
  CHECK((*outcomes)[0].kind == PutOutcome::Kind::throttled);
  CHECK((*outcomes)[0].message == "ProvisionedThroughputExceededException: Rate exceeded for shard");
  CHECK((*outcomes)[1].kind == PutOutcome::Kind::stored);
  CHECK((*outcomes)[2].kind == PutOutcome::Kind::failed);
}

TEST_CASE("kinesis sink: a result that is neither stored nor an error counts as failed") {
  Fixture fixture;
  fixture.script.answer(200,
                        R"({"Records":[{},7,null,{"ShardId":"s"},{"SequenceNumber":5},{"ErrorCode":"X","SequenceNumber":"1"}]})");
  const auto outcomes = fixture.sink.put(fixture.records(6));
  REQUIRE(outcomes.ok());
  for (const PutOutcome& outcome : *outcomes) CHECK(outcome.kind == PutOutcome::Kind::failed);
}

TEST_CASE("kinesis sink: a 200 that does not answer for every record says nothing of any: unreachable") {
  for (const char* body :
       {"", "{}", "[]", "{\"Records\":[]}", "{\"Records\":{}}", "{\"Records\":[{\"SequenceNumber\":\"1\"}]}", "\xff{"}) {
    Fixture fixture;
    fixture.script.answer(200, body);
    const auto outcomes = fixture.sink.put(fixture.records(2));
    REQUIRE_FALSE(outcomes.ok());
    CHECK(outcomes.error().code == Errc::unreachable);
  }
}

TEST_CASE("kinesis sink: a request above the limits is never sent") {
  Fixture fixture;
  CHECK(fixture.sink.put(fixture.records(records_per_request_max + 1)).error().code == Errc::usage);
  CHECK(fixture.script.asked.empty());
}

TEST_CASE("kinesis sink: one request follows the other with its own records only") {
  Fixture fixture;
  for (int i = 0; i < 2; ++i) fixture.script.answer(200, R"({"Records":[{"SequenceNumber":"1"}]})");
  CHECK(fixture.sink.put(fixture.records(1)).ok());
  CHECK(fixture.sink.put(fixture.records(1)).ok());
  CHECK(fixture.script.asked[0].body == fixture.script.asked[1].body);
}

TEST_CASE("ensure stream: an active stream is left as it is") {
  HttpScript script;
  script.answer(200, summary("ACTIVE"));
  CHECK(ensure(script).ok());
  CHECK(operations(script) == std::vector<std::string>{"DescribeStreamSummary"});
}

TEST_CASE("ensure stream: a missing stream is created with its shards and waited for") {
  HttpScript script;
  script.answer(400, refusal("ResourceNotFoundException"));
  script.answer(200, "");
  script.answer(200, summary("CREATING"));
  script.answer(200, summary("ACTIVE"));
  CHECK(ensure(script).ok());
  CHECK(operations(script) ==
        std::vector<std::string>{"DescribeStreamSummary", "CreateStream", "DescribeStreamSummary", "DescribeStreamSummary"});
  CHECK(nlohmann::json::parse(script.asked[1].body) == nlohmann::json{{"StreamName", "frames"}, {"ShardCount", 2}});
}

TEST_CASE("ensure stream: it does not matter if somebody else creates it at the same time, or Kinesis is busy for a while") {
  HttpScript script;
  script.fail({Errc::unreachable, "refused"});
  script.answer(400, refusal("ResourceNotFoundException"));
  script.answer(400, refusal("LimitExceededException"));
  script.answer(400, refusal("ResourceNotFoundException"));
  script.answer(400, refusal("ResourceInUseException"));
  script.answer(200, summary("ACTIVE"));
  CHECK(ensure(script).ok());
}

TEST_CASE("ensure stream: a server that knows only DescribeStream will do") {
  HttpScript script;
  script.answer(400, refusal("UnknownOperationException"));
  script.answer(200, R"({"StreamDescription":{"StreamStatus":"ACTIVE"}})");
  CHECK(ensure(script).ok());
}

TEST_CASE("ensure stream: the deadline ends it") {
  HttpScript script;
  for (int i = 0; i < 100; ++i) script.answer(200, summary("CREATING"));
  const Status result = ensure(script, 5'000);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::unreachable);
  CHECK(script.asked.size() > 3);
  CHECK(script.asked.size() < 30);
}

TEST_CASE("ensure stream: a refusal ends it at once") {
  HttpScript script;
  script.answer(400, refusal("AccessDeniedException"));
  const Status result = ensure(script);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::usage);
  CHECK(script.asked.size() == 1);
}

TEST_CASE("ensure stream: a request to stop ends it") {
  HttpScript script;
  script.answer(200, summary("CREATING"));
  std::stop_source stop;
  stop.request_stop();
  const Status result = ensure(script, 1'000, stop.get_token());
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::cancelled);
}

}  // namespace joulespool::sink
