#include "cloud-bridge/app/pipeline.h"

#include <doctest/doctest.h>

#include "tests/cloud-bridge/app/rig.h"

using namespace joulespool;
using bridge::Intake;
using bridge::Pipeline;
using sink::PutOutcome;

namespace {

bridge::PipelineSettings settings() {
  bridge::PipelineSettings made;
  made.parts.set();
  return made;
}

mqtt::Message message(uint64_t seq, uint64_t prev, size_t payload = 40) {
  return {wire::data_topic("lab-1", wire::Lane::stat),
          test::make_frame("lab-1", "js220-001122", wire::Lane::stat, seq, payload),
          false,
          {{"other", "x"}, {std::string(wire::previous_property), std::to_string(prev)}}};
}

std::vector<PutOutcome> all_stored(const batch::Request& request) {
  std::vector<PutOutcome> outcomes(request.records.size());
  for (PutOutcome& outcome : outcomes) outcome.kind = PutOutcome::Kind::stored;
  return outcomes;
}

}  // namespace

TEST_CASE("pipeline: an accepted frame is acknowledged when it is stored, not before") {
  Pipeline pipeline(settings(), 1);
  CHECK(pipeline.take(message(1, 0), {}).kind == Intake::Kind::accepted);
  CHECK(pipeline.take(message(1, 0), {}).kind == Intake::Kind::duplicate);
  CHECK(pipeline.take(message(3, 2), {}).kind == Intake::Kind::out_of_order);
  CHECK(pipeline.acks().empty());
  auto request = pipeline.next_request(0);
  REQUIRE(request);
  const auto outcomes = all_stored(*request);
  pipeline.finish(std::move(*request), outcomes, 0);
  const auto ack = pipeline.acks().take();
  REQUIRE(ack);
  CHECK(ack->entries.at(0).stored == std::vector<wire::SeqRange>{{1, 1}});
  CHECK(pipeline.take(message(1, 0), {}).kind == Intake::Kind::duplicate);
  CHECK_FALSE(pipeline.acks().empty());
}

TEST_CASE("pipeline: a record that Kinesis can never take is rejected with an ack, and its lane goes on") {
  auto small = settings();
  small.batch.record_bytes = 1000;
  Pipeline pipeline(small, 1);
  CHECK(pipeline.take(message(1, 0, 2000), {}).kind == Intake::Kind::rejected);
  CHECK(pipeline.take(message(2, 1), {}).kind == Intake::Kind::accepted);
  const auto ack = pipeline.acks().take();
  REQUIRE(ack);
  CHECK(ack->entries.at(0).rejected == std::vector<wire::Rejection>{{1, "too_large_for_kinesis"}});
  bridge::BridgeStats stats;
  pipeline.count(stats);
  CHECK(stats.rejected.at("too_large_for_kinesis") == 1);
}

TEST_CASE("pipeline: a frame refused for want of room leaves no trace and may come again") {
  auto small = settings();
  small.batch.held_bytes = 1500;
  Pipeline pipeline(small, 1);
  CHECK(pipeline.take(message(1, 0, 800), {}).kind == Intake::Kind::accepted);
  CHECK(pipeline.take(message(2, 1, 800), {}).kind == Intake::Kind::refused_full);
  CHECK(pipeline.take(message(3, 2), {}).kind == Intake::Kind::out_of_order);
  auto request = pipeline.next_request(0);
  const auto outcomes = all_stored(*request);
  pipeline.finish(std::move(*request), outcomes, 0);
  CHECK(pipeline.take(message(2, 1, 800), {}).kind == Intake::Kind::accepted);
}

TEST_CASE("pipeline: an answer with the wrong number of outcomes counts as none") {
  Pipeline pipeline(settings(), 1);
  CHECK(pipeline.take(message(1, 0), {}).kind == Intake::Kind::accepted);
  auto request = pipeline.next_request(0);
  pipeline.finish(std::move(*request), std::vector<PutOutcome>(2), 0);
  CHECK(pipeline.acks().empty());
  CHECK(pipeline.batcher().held_records() == 1);
  CHECK(pipeline.batcher().endpoint_failures() == 1);
}
