// The fake keeps the same promises as the real thing, and fails as it is told.
#include "tests/support/fake_kinesis.h"

#include "tests/contract/record_sink_contract.h"

namespace joulespool::sink {
namespace {

class FakePeer final : public ContractPeer {
 public:
  std::string create_stream(int shards) override {
    kinesis_.create_stream("stream", shards);
    return "stream";
  }
  std::unique_ptr<RecordSink> make_sink(const std::string& stream) override { return kinesis_.make_sink(stream); }
  std::unique_ptr<RecordSource> make_source(const std::string& stream) override { return kinesis_.make_source(stream); }

 private:
  SystemClock clock_;
  FakeKinesis kinesis_{clock_};
};

struct Fixture {
  ManualClock clock;
  FakeKinesis kinesis{clock};
  std::unique_ptr<RecordSink> sink;
  Fixture() {
    kinesis.create_stream("s", 1);
    sink = kinesis.make_sink("s");
  }
};

}  // namespace

std::unique_ptr<ContractPeer> make_contract_peer() { return std::make_unique<FakePeer>(); }

TEST_CASE("fake kinesis: a script says what becomes of each record of the next request, once") {
  Fixture fixture;
  fixture.kinesis.script({{}, false, {PutOutcome::Kind::throttled, PutOutcome::Kind::stored, PutOutcome::Kind::failed}});
  const auto items = contract::numbered(4, "k");
  const auto outcomes = fixture.sink->put(contract::views(items));
  REQUIRE(outcomes.ok());
  CHECK((*outcomes)[0].kind == PutOutcome::Kind::throttled);
  CHECK((*outcomes)[2].kind == PutOutcome::Kind::failed);
  CHECK((*outcomes)[3].kind == PutOutcome::Kind::stored);
  CHECK(fixture.kinesis.stored("s").size() == 2);
  contract::put_all(*fixture.sink, items);
}

TEST_CASE("fake kinesis: a request may fail with nothing stored, or with everything stored") {
  Fixture fixture;
  fixture.kinesis.script({Error{Errc::unreachable, "down"}, false, {}});
  fixture.kinesis.script({Error{Errc::unreachable, "lost"}, true, {}});
  CHECK(contract::put_error(*fixture.sink, contract::numbered(1, "k")) == Errc::unreachable);
  CHECK(fixture.kinesis.stored("s").empty());
  CHECK(contract::put_error(*fixture.sink, contract::numbered(1, "k")) == Errc::unreachable);
  CHECK(fixture.kinesis.stored("s").size() == 1);
}

TEST_CASE("fake kinesis: it can be down until told otherwise") {
  Fixture fixture;
  fixture.kinesis.fail_always(Error{Errc::unreachable, "down"});
  for (int i = 0; i < 3; ++i) CHECK(contract::put_error(*fixture.sink, contract::numbered(1, "k")) == Errc::unreachable);
  fixture.kinesis.fail_always({});
  contract::put_all(*fixture.sink, contract::numbered(1, "k"));
  CHECK(fixture.kinesis.put_count() == 4);
}

TEST_CASE("fake kinesis: a split shard closes at its end and its keys go on in its children") {
  Fixture fixture;
  contract::put_all(*fixture.sink, contract::numbered(3, "k"));
  fixture.kinesis.split_shard("s", "shardId-000000000000");
  contract::put_all(*fixture.sink, contract::numbered(2, "k", 3));
  const auto source = fixture.kinesis.make_source("s");
  const auto shards = source->shards();
  REQUIRE(shards->size() == 3);
  REQUIRE(source->open(shards->front(), StartAt::oldest).ok());
  const auto batch = source->read(shards->front());
  CHECK(batch->records.size() == 3);
  CHECK(batch->closed);
  CHECK(contract::read_everything(*source).size() == 5);
}

TEST_CASE("fake kinesis: behind_ms is the age of the next record") {
  Fixture fixture;
  fixture.kinesis.set_read_limit(1);
  contract::put_all(*fixture.sink, contract::numbered(2, "k"));
  fixture.clock.advance(1500 * ns_per_ms);
  const auto source = fixture.kinesis.make_source("s");
  REQUIRE(source->open("shardId-000000000000", StartAt::oldest).ok());
  CHECK(source->read("shardId-000000000000")->behind_ms == 1500);
  CHECK(source->read("shardId-000000000000")->behind_ms == 0);
}

}  // namespace joulespool::sink
