// The contract on the real API: runs under kinesis_emulator.py, which sets KINESIS_ENDPOINT.
#include <unistd.h>

#include <cstdlib>

#include "agent/base/clock.h"
#include "cloud-bridge/sink/kinesis_sink.h"
#include "cloud-bridge/sink/kinesis_source.h"
#include "tests/contract/record_sink_contract.h"

namespace joulespool::sink {
namespace {

SystemClock& system_clock() {
  static SystemClock clock;
  return clock;
}

KinesisOptions options_for(const std::string& stream) {
  const char* endpoint = std::getenv("KINESIS_ENDPOINT");
  REQUIRE_MESSAGE(endpoint != nullptr, "KINESIS_ENDPOINT is not set: run this under tests/support/kinesis_emulator.py");
  return {"", endpoint, stream};
}

std::string new_stream(int shards) {
  static int number = 0;
  const std::string stream = "contract-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
  const Status ensured = ensure_stream(options_for(stream), shards, 20'000, system_clock());
  REQUIRE_MESSAGE(ensured.ok(), (ensured.ok() ? std::string() : ensured.error().message));
  return stream;
}

class EmulatorPeer final : public ContractPeer {
 public:
  std::string create_stream(int shards) override { return new_stream(shards); }
  std::unique_ptr<RecordSink> make_sink(const std::string& stream) override {
    auto sink = make_kinesis_sink(options_for(stream), system_clock());
    REQUIRE(sink.ok());
    return std::move(*sink);
  }
  std::unique_ptr<RecordSource> make_source(const std::string& stream) override {
    auto source = make_kinesis_source(options_for(stream), system_clock());
    REQUIRE(source.ok());
    return std::move(*source);
  }
};

}  // namespace

std::unique_ptr<ContractPeer> make_contract_peer() { return std::make_unique<EmulatorPeer>(); }

TEST_CASE("ensure stream: works again on a stream that exists, and leaves its shards") {
  const std::string stream = new_stream(2);
  REQUIRE(ensure_stream(options_for(stream), 5, 5'000, system_clock()).ok());
  EmulatorPeer peer;
  CHECK(peer.make_source(stream)->shards()->size() == 2);
}

TEST_CASE("kinesis source: a split shard is read to its end and closed, its children go on, no record is lost") {
  EmulatorPeer peer;
  const std::string stream = new_stream(1);
  const auto sink = peer.make_sink(stream);
  const auto source = peer.make_source(stream);
  const std::string parent = contract::only_shard(*source);
  contract::put_all(*sink, contract::numbered(10, "k"));
  auto client = make_kinesis_client(options_for(stream), system_clock());
  REQUIRE(client.ok());
  const auto split = (*client)->request("SplitShard", R"({"StreamName":")" + stream + R"(","ShardToSplit":")" + parent +
                                                          R"(","NewStartingHashKey":"170141183460469231731687303715884105728"})");
  REQUIRE_MESSAGE(split.ok(), (split.ok() ? std::string() : split.error().message));
  const int64_t deadline_ns = system_clock().monotonic_ns() + 10 * ns_per_s;
  while (source->shards()->size() != 3 && system_clock().monotonic_ns() < deadline_ns) {
  }
  REQUIRE(ensure_stream(options_for(stream), 1, 5'000, system_clock()).ok());
  contract::put_all(*sink, contract::numbered(10, "k", 10));

  REQUIRE(source->shards()->front() == parent);
  REQUIRE(source->open(parent, StartAt::oldest).ok());
  size_t of_parent = 0;
  for (bool closed = false; !closed && system_clock().monotonic_ns() < deadline_ns;) {
    const auto batch = source->read(parent);
    REQUIRE(batch.ok());
    of_parent += batch->records.size();
    closed = batch->closed;
  }
  CHECK(of_parent == 10);
  CHECK(source->read(parent)->closed);
  CHECK(contract::read_everything(*source).size() == 20);
}

}  // namespace joulespool::sink
