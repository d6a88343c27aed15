#include "agent/device/joulescope_stream.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/support/collecting_sink.h"

namespace {

using namespace joulespool;
using device::InstrumentSelection;
using device::InstrumentStream;
using device::SourceEvent;
using signal::SignalId;
using test::CollectingSink;

namespace abi = device::abi;

// A message of the driver, in memory of its own.
class Message {
 public:
  Message(uint64_t sample_id, uint32_t count, uint8_t bits, uint32_t decimation, uint32_t rate_hz = 2'000'000)
      : bytes_(abi::stream_header_bytes + (count * bits + 7) / 8) {
    put(offsetof(abi::StreamSignal, version), abi::struct_version);
    put(offsetof(abi::StreamSignal, sample_id), sample_id);
    put(offsetof(abi::StreamSignal, element_type), bits == 32 ? abi::Element::floating : abi::Element::unsigned_integer);
    put(offsetof(abi::StreamSignal, element_size_bits), bits);
    put(offsetof(abi::StreamSignal, element_count), count);
    put(offsetof(abi::StreamSignal, sample_rate), rate_hz);
    put(offsetof(abi::StreamSignal, decimate_factor), decimation);
    put(offsetof(abi::StreamSignal, time_map), abi::TimeMap{int64_t{280'000'000} << 30, 0, static_cast<double>(rate_hz)});
  }
  template <class T>
  void put(size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }
  [[nodiscard]] abi::Value value() const {
    abi::Value made;
    made.type = abi::ValueType::binary;
    made.app = abi::Payload::stream;
    made.size = static_cast<uint32_t>(bytes_.size());
    made.binary = bytes_.data();
    return made;
  }

 private:
  std::vector<uint8_t> bytes_;
};

struct Rig {
  explicit Rig(const char* model, InstrumentSelection chosen = {})
      : selection(std::move(chosen)),
        stream(clock, sink, wire::device_identity(model, "1"), *device::find_model(model), selection) {
    stream.begin("1.2.3");
  }
  // Current and voltage, value = true position, which is the id of the driver plus `lost`.
  void pair(uint64_t driver_id, uint32_t count, uint32_t decimation = 1, uint64_t lost = 0) {
    for (const SignalId signal : {SignalId::current, SignalId::voltage}) {
      Message message(driver_id, count, 32, decimation);
      for (uint32_t n = 0; n < count; ++n)
        message.put(abi::stream_header_bytes + 4 * n, static_cast<float>(driver_id + lost + uint64_t{n} * decimation));
      stream.on_samples(signal, message.value());
    }
  }
  std::vector<SourceEvent> events(SourceEvent::Kind kind) {
    std::vector<SourceEvent> found;
    for (const auto& call : sink.calls(id()))
      if (!call.is_block && call.event.kind == kind) found.push_back(call.event);
    return found;
  }
  std::vector<test::KeptBlock> blocks() { return sink.blocks(id()); }
  std::string id() { return stream.identity().id; }

  ManualClock clock;
  CollectingSink sink;
  InstrumentSelection selection;
  InstrumentStream stream;
};

void check_unshifted(const std::vector<test::KeptBlock>& blocks) {
  for (const test::KeptBlock& block : blocks)
    for (size_t n = 0; n < block.i.size(); ++n)
      REQUIRE(block.i[n] == static_cast<float>(block.sample_id + n * block.axis.decimation));
}

}  // namespace

TEST_CASE("instrument stream: found comes before the first block and says the firmware") {
  Rig rig("js220");
  rig.pair(1000, 100, 2);
  REQUIRE(rig.blocks().size() == 1);
  CHECK(rig.blocks()[0].axis.counter_rate_hz == 2'000'000);
  CHECK(rig.blocks()[0].axis.decimation == 2);
  CHECK(rig.blocks()[0].utc.quality == wire::UtcQuality::instrument);
  CHECK(rig.blocks()[0].utc.utc_ns == (1'514'764'800 + 280'000'000) * ns_per_s);
  const auto found = rig.events(SourceEvent::Kind::found);
  REQUIRE(found.size() == 1);
  CHECK(found[0].firmware == "1.2.3");
  CHECK(found[0].identity.model == "js220");
}

TEST_CASE("instrument stream: packets that only the log shows become a hole of that length, and nothing slides") {
  Rig rig("js110");
  rig.pair(0, 1000);
  rig.stream.on_packets_lost(500);  // 63,000 samples
  rig.pair(1000, 1000, 1, 63'000);
  rig.stream.on_packets_lost(2);
  rig.pair(2000, 1000, 1, 63'252);
  const auto blocks = rig.blocks();
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[1].sample_id == 64'000);
  CHECK(blocks[2].sample_id == 65'252);
  check_unshifted(blocks);
  const auto gaps = rig.events(SourceEvent::Kind::gap);
  REQUIRE(gaps.size() == 2);
  CHECK(gaps[0].gap.reason == wire::GapReason::usb_drop);
  CHECK(gaps[0].gap.axis == blocks[1].axis.life);
  CHECK(gaps[0].gap.sample_id_first == 1000);
  CHECK(gaps[0].gap.sample_id_end == 64'000);
  CHECK(gaps[1].gap.sample_id_end - gaps[1].gap.sample_id_first == 252);
}

TEST_CASE("instrument stream: a loss in the middle of messages moves every signal at the same sample") {
  InstrumentSelection selection;
  selection.packed = {"range"};
  Rig rig("js110", selection);
  Message early(0, 1500, 4, 1);  // range is ahead of current and voltage
  rig.stream.on_samples(SignalId::current_range, early.value());
  rig.pair(0, 1000);
  rig.stream.on_packets_lost(1);
  rig.pair(1000, 1000);
  rig.stream.on_samples(SignalId::current_range, Message(1500, 1000, 4, 1).value());
  uint64_t samples = 0;
  for (const auto& block : rig.blocks()) {
    samples += block.i.size();
    CHECK((block.sample_id_end <= 1500 || block.sample_id >= 1626));
    REQUIRE(block.packed.size() == 1);
    CHECK(block.packed[0].run.sample_id == block.sample_id);
    CHECK(block.packed[0].run.count == block.i.size());
  }
  CHECK(samples == 2000);
  REQUIRE(rig.events(SourceEvent::Kind::gap).size() == 1);
  CHECK(rig.events(SourceEvent::Kind::gap)[0].gap.sample_id_first == 1500);
}

TEST_CASE("instrument stream: at a lower rate, lost packets keep the ids on the grid and no sample is forgotten") {
  InstrumentSelection selection;
  selection.rate_hz = 10'000;  // 200 ticks a sample
  Rig rig("js110", selection);
  rig.pair(0, 10, 200);
  rig.stream.on_packets_lost(1);  // 126 ticks: less than a sample
  rig.stream.on_packets_lost(1);  // 252 in all
  rig.pair(2000, 10, 200);
  rig.stream.on_packets_lost(2);  // 504: 252 more and 52 left over make 304
  rig.pair(4000, 10, 200);
  const auto blocks = rig.blocks();
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[1].sample_id == 2200);
  CHECK(blocks[2].sample_id == 4400);
  for (const auto& block : blocks) CHECK(block.sample_id % 200 == 0);
}

TEST_CASE("instrument stream: samples of another layout are refused with both versions") {
  Rig rig("js220");
  Message message(0, 10, 32, 2);
  message.put(offsetof(abi::StreamSignal, version), uint8_t{2});
  rig.stream.on_samples(SignalId::current, message.value());
  CHECK(rig.stream.refusal().find("layout version 2, and this program reads version 1") != std::string::npos);
  CHECK(rig.blocks().empty());
}

TEST_CASE("instrument stream: messages that contradict themselves are refused and not read beyond their end") {
  for (const auto& change : std::vector<std::function<void(Message&)>>{
           [](Message& m) { m.put(offsetof(abi::StreamSignal, element_count), uint32_t{1'000'000}); },
           [](Message& m) { m.put(offsetof(abi::StreamSignal, sample_rate), uint32_t{0}); },
           [](Message& m) { m.put(offsetof(abi::StreamSignal, decimate_factor), uint32_t{0}); },
           [](Message& m) { m.put(offsetof(abi::StreamSignal, element_size_bits), uint8_t{16}); },
           [](Message& m) { m.put(offsetof(abi::StreamSignal, element_type), abi::Element::integer); }}) {
    Rig rig("js220");
    Message message(0, 10, 32, 2);
    change(message);
    rig.stream.on_samples(SignalId::current, message.value());
    CHECK(!rig.stream.refusal().empty());
  }
  Rig rig("js220");
  abi::Value text;
  text.type = abi::ValueType::text;
  text.text = "?";
  rig.stream.on_samples(SignalId::current, text);
  CHECK(!rig.stream.refusal().empty());
}

TEST_CASE("instrument stream: messages from before streaming was enabled are left out") {
  Rig rig("js220");
  rig.pair(0, 10, 2);
  rig.stream.interrupt();
  rig.pair(20, 10, 2);
  CHECK(rig.blocks().size() == 1);
  rig.clock.advance(10'000);
  rig.stream.begin("");
  rig.pair(40, 10, 2);
  CHECK(rig.blocks().size() == 2);
  CHECK(rig.blocks()[1].axis.life == rig.blocks()[0].axis.life);  // the counter went on
  CHECK(rig.events(SourceEvent::Kind::found).size() == 2);
}

TEST_CASE("instrument stream: a counter that begins anew without a word is another life") {
  Rig rig("js220");
  rig.pair(50'000'000, 10, 2);
  rig.clock.advance(ns_per_s);
  rig.pair(0, 10, 2);
  REQUIRE(rig.blocks().size() == 2);
  CHECK(rig.blocks()[0].axis.life != rig.blocks()[1].axis.life);
  CHECK(rig.blocks()[1].sample_id == 0);
}

TEST_CASE("instrument stream: ids above 2^32 are ordinary") {
  Rig rig("js220");
  rig.pair((uint64_t{1} << 32) - 20, 20, 2);
  REQUIRE(rig.blocks().size() == 1);
  CHECK(rig.blocks()[0].sample_id_end == (uint64_t{1} << 32) + 20);
}

TEST_CASE("instrument stream: the instrument's own charge and energy are handed on as differences") {
  Rig rig("js220");
  abi::Statistics block;
  block.version = 1;
  block.decimate_factor = 2;
  block.block_sample_count = 1000;
  block.sample_freq = 2'000'000;
  const auto send = [&](uint64_t id, int64_t charge, uint64_t accumulated_from) {
    block.block_sample_id = id;
    block.accum_sample_id = accumulated_from;
    block.charge_i128[0] = static_cast<uint64_t>(charge);
    block.charge_i128[1] = charge < 0 ? UINT64_MAX : 0;
    block.energy_i128[0] = 7 * static_cast<uint64_t>(charge);
    block.energy_i128[1] = block.charge_i128[1];
    abi::Value value;
    value.type = abi::ValueType::binary;
    value.app = abi::Payload::statistics;
    value.size = sizeof block;
    value.binary = reinterpret_cast<const uint8_t*>(&block);
    rig.stream.on_statistics(value);
  };
  send(2000, 50, 0);
  send(4000, -25, 0);     // -75 within
  send(8000, 100, 0);     // 6000 is missing: what lies between is not this block's
  send(10'000, 5, 9000);  // summed up anew
  send(12'000, 9, 9000);
  const auto seen = rig.events(SourceEvent::Kind::statistics);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].statistics.sample_id_first == 4000);
  CHECK(seen[0].statistics.sample_id_end == 6000);
  CHECK(seen[0].statistics.charge == -75);
  CHECK(seen[1].statistics.charge == 4);
  CHECK(seen[1].statistics.energy == 28);
}
