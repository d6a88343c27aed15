// What the stand-in's instruments do wrong on request, and what they send beside i and v.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>

#include "agent/base/int128.h"
#include "agent/device/waveform.h"
#include "tests/support/standin/driver_client.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

struct LogClient {
  explicit LogClient(Recorder& log) : log_(log) {
    driver_symbol<abi::LogInitialize>("jsdrv_log_initialize")();
    driver_symbol<abi::LogRegister>("jsdrv_log_register")(Recorder::on_log, &log_);
    driver_symbol<abi::LogLevelSet>("jsdrv_log_level_set")(abi::log_level_warning);
  }
  LogClient(const LogClient&) = delete;
  LogClient& operator=(const LogClient&) = delete;
  ~LogClient() {
    driver_symbol<Unregister>("jsdrv_log_unregister")(Recorder::on_log, &log_);
    driver_symbol<abi::LogInitialize>("jsdrv_log_finalize")();
  }
  Recorder& log_;
};

// Ticks of a counter that began at counter_start when it was plugged in: a fault so far ahead that streaming begins before it.
constexpr uint64_t soon = 6'000'000;
StandinWorld::Keys from_zero(const std::string& key, const std::string& value) {
  return js220_keys({{key, value}, {"speed", "4"}});
}

std::vector<StreamHead> heads(Recorder& recorder, const std::string& topic) {
  std::vector<StreamHead> all;
  for (const KeptMessage& message : recorder.messages(topic)) all.push_back(message.stream());
  return all;
}

bool reached(Recorder& recorder, const std::string& topic, uint64_t sample_id) {
  return recorder.wait_until([&](const std::vector<KeptMessage>& messages) {
    return !messages.empty() && messages.back().topic.ends_with(topic) && messages.back().stream().sample_id_end() > sample_id;
  });
}

std::vector<std::pair<uint64_t, uint64_t>> holes(const std::vector<StreamHead>& messages) {
  std::vector<std::pair<uint64_t, uint64_t>> found;
  for (size_t n = 1; n < messages.size(); ++n)
    if (messages[n].sample_id != messages[n - 1].sample_id_end())
      found.emplace_back(messages[n - 1].sample_id_end(), messages[n].sample_id);
  return found;
}

double utc_s(const abi::TimeMap& map) { return static_cast<double>(map.offset_time) / 0x1p30 + 1'514'764'800; }

int128 join(const uint64_t* words) { return join_halves(static_cast<int64_t>(words[1]), words[0]); }

}  // namespace

TEST_CASE("stand-in: who takes messages to be of one size loses the tail before a gap of a js220") {
  const uint64_t first = soon, end = soon + 2 * 12'600;
  StandinWorld world;
  world.plug(from_zero("lost", std::to_string(first) + "-" + std::to_string(end)));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i", "s/v"}, recorder);
  REQUIRE(reached(recorder, "s/v/!data", end));
  for (const std::string topic : {"s/i/!data", "s/v/!data"}) {
    CHECK(holes(heads(recorder, topic)) == std::vector<std::pair<uint64_t, uint64_t>>{{first, end}});
    bool has_short = false;
    for (const KeptMessage& message : recorder.messages(topic)) {
      const StreamHead head = message.stream();
      has_short = has_short || head.element_count < 50'022;
      CHECK(same_bits(message.floats(), expected("js220", topic == "s/i/!data", head.sample_id, head.element_count)));
    }
    CHECK(has_short);
  }
}

TEST_CASE("stand-in: who pairs the messages of i and v is wrong once only i has a gap") {
  StandinWorld world;
  world.plug(from_zero("lost_i", std::to_string(soon) + "-" + std::to_string(soon + 252)));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i", "s/v"}, recorder);
  REQUIRE(reached(recorder, "s/v/!data", soon + 200'000));
  CHECK(holes(heads(recorder, "s/i/!data")).size() == 1);
  CHECK(holes(heads(recorder, "s/v/!data")).empty());
  CHECK(heads(recorder, "s/i/!data").back().sample_id != heads(recorder, "s/v/!data").back().sample_id);
}

TEST_CASE("stand-in: who trusts the sample_id of a js110 never sees a lost packet: only the log tells") {
  constexpr uint64_t first = 2 * 65'394, packets = 500, ticks = 126 * packets;
  StandinWorld world;
  world.plug(js110_keys({{"skip", std::to_string(first) + "-" + std::to_string(first + ticks)}}));
  Recorder recorder;  // of both: their order counts
  const LogClient log(recorder);
  DriverClient client;
  stream(client, js110, {"s/i", "s/v"}, recorder);
  REQUIRE(recorder.wait_for(4, "s/v/!data"));
  CHECK(holes(heads(recorder, "s/i/!data")).empty());
  bool told = false;
  for (const KeptMessage& message : recorder.messages()) {
    if (message.topic == "log") {
      CHECK(message.text() == "pkt_index skip: expected 1038, received 1538");
      CHECK(message.value.u32 == 4);
      told = true;
      continue;
    }
    const StreamHead head = message.stream();
    CHECK((told || head.sample_id_end() <= first));      // before the message with the first sample after it
    if (message.topic.ends_with("s/v/!data")) continue;  // began a moment later: its messages lie across
    CHECK(told == (head.sample_id >= first));            // after the one before
    const uint64_t tick = head.sample_id + (head.sample_id >= first ? ticks : 0);
    CHECK(same_bits(message.floats(), expected("js110", true, tick, head.element_count)));
  }
  CHECK(told);
}

TEST_CASE("stand-in: who compares packet numbers as they are is wrong after 65,536 packets") {
  constexpr uint64_t first = 65'394 * 127;  // packet 65,913
  StandinWorld world;
  world.plug(js110_keys({{"skip", std::to_string(first) + "-" + std::to_string(first + 126 * 3)}, {"speed", "16"}}));
  Recorder recorder, log_lines;
  const LogClient log(log_lines);
  DriverClient client;
  stream(client, js110, {"s/i"}, recorder);
  REQUIRE(log_lines.wait_for(1));
  CHECK(log_lines.messages().front().text() == "pkt_index skip: expected 65913, received 380");
}

TEST_CASE("stand-in: who sums every sample of a js110 sums its first NaN, too") {
  StandinWorld world;
  world.plug(js110_keys({{"leading_nan", "71"}, {"nan", "70000-70126"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js110, {"s/i", "s/i/range"}, recorder);
  REQUIRE(recorder.wait_for(2, "s/i/!data"));
  REQUIRE(recorder.wait_for(1, "s/i/range/!data"));
  const auto messages = recorder.messages("s/i/!data");
  const std::vector<float> before = messages[0].floats(), after = messages[1].floats();
  const auto is_nan = [](float value) { return std::isnan(value); };
  CHECK(std::count_if(before.begin(), before.end(), is_nan) == 71);
  CHECK(std::count_if(before.begin(), before.begin() + 71, is_nan) == 71);
  CHECK(std::count_if(after.begin(), after.end(), is_nan) == 126);
  CHECK(std::count_if(after.begin() + 4'606, after.begin() + 4'732, is_nan) == 126);
  const KeptMessage range = recorder.messages("s/i/range/!data").front();
  CHECK(range.stream().element_count == 100'000);
  size_t missing = 0;  // 7 says so
  for (uint64_t k = 0, id = range.stream().sample_id; k < 100'000; ++k, ++id)
    missing += range.packed(k) == 7 && id >= 70'000 && id < 70'126 ? 1U : 0U;
  CHECK(missing == 126);
}

TEST_CASE("stand-in: who takes the map to UTC to be continuous is wrong when it steps") {
  StandinWorld world;
  world.plug(from_zero("map_step", std::to_string(soon) + ":250000000"));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(reached(recorder, "s/i/!data", soon + 200'000));
  const auto messages = heads(recorder, "s/i/!data");
  for (const StreamHead& head : {messages.front(), messages.back()}) {
    const double ticks = static_cast<double>(head.time_map.offset_counter);
    const double powered = static_cast<double>(std::stoll(world.get("js220-001122", "powered_utc_ns"))) / 1e9;
    const double step = head.sample_id >= soon ? 0.25 : 0;
    CHECK(utc_s(head.time_map) - powered == doctest::Approx(ticks / 8e6 + step).epsilon(1e-5));
    CHECK(head.time_map.counter_rate_hz == 8e6);  // it is four times as fast
  }
}

TEST_CASE("stand-in: who believes any clock writes samples of 1970") {
  StandinWorld world;
  world.plug(js220_keys({{"clock_1970", "1"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(1));
  CHECK(utc_s(heads(recorder, "s/i/!data").front().time_map) < 3600);
}

TEST_CASE("stand-in: who does not look at the version of a structure reads what he does not know") {
  StandinWorld world;
  world.plug(js220_keys({{"struct_version", "2"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(1));
  CHECK(heads(recorder, "s/i/!data").front().version == 2);
}

TEST_CASE("stand-in: who waits for the samples of a device that went silent waits until it opens it again") {
  StandinWorld world;
  world.plug(js220_keys());
  const std::string id = world.plug(js110_keys({{"mute_after", "100000"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js110, {"s/i"}, recorder);
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(8, "js220/001122/s/i/!data"));
  CHECK(recorder.messages("js110/000456/s/i/!data").size() == 1);
  world.set(id, "mute_after", "");
  REQUIRE(client.close(js110) == 0);
  REQUIRE(client.open(js110) == 0);
  CHECK(recorder.wait_for(4, "js110/000456/s/i/!data"));
}

TEST_CASE("stand-in: who has the library in his own process goes down with it") {
  StandinWorld world;
  world.plug(js110_keys({{"crash_at_tick", "50000"}}));
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGABRT, SIG_DFL);  // without the report of the test program
    DriverClient client;
    client.open(js110);
    client.publish(js110 + "/s/i/ctrl", 1);
    for (;;) ::pause();
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
}

TEST_CASE("stand-in: statistics of the instrument are exact sums since they were switched on") {
  for (const std::string scale : {"1", "1.01"}) {
    StandinWorld world;
    world.plug(js220_keys({{"stats_scale", scale}}));
    Recorder recorder;
    DriverClient client;
    REQUIRE(client.open(js220) == 0);
    REQUIRE(client.subscribe(js220 + "/s/stats/value", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
    REQUIRE(client.publish(js220 + "/s/stats/scnt", 100'000) == 0);
    REQUIRE(client.publish(js220 + "/s/stats/ctrl", 1) == 0);
    REQUIRE(recorder.wait_for(2));
    const abi::Statistics first = recorder.messages()[0].statistics(), second = recorder.messages()[1].statistics();
    CHECK(first.accum_sample_id == first.block_sample_id);
    CHECK(second.accum_sample_id == first.block_sample_id);
    CHECK(second.block_sample_id == first.block_sample_id + 200'000);
    CHECK(second.block_sample_count == 100'000);
    CHECK(second.sample_freq == 2'000'000);
    CHECK(second.decimate_factor == 2);
    const auto i = expected("js220", true, first.accum_sample_id, 200'000),
               v = expected("js220", false, first.accum_sample_id, 200'000);
    int128 charge = 0, energy = 0;
    for (size_t k = 0; k < i.size(); ++k) {
      charge += static_cast<int64_t>(static_cast<double>(i[k]) * 0x1p31);
      energy += static_cast<int128>(static_cast<int64_t>(static_cast<double>(i[k]) * 0x1p31)) *
                static_cast<int64_t>(static_cast<double>(v[k]) * 0x1p31);
    }
    const bool exact = scale == "1";
    const int128 rate = 1'000'000;
    CHECK((join(second.charge_i128) == charge / rate) == exact);
    CHECK((join(second.energy_i128) == energy / (rate << 31)) == exact);
    CHECK(second.charge_f64 == doctest::Approx(static_cast<double>(charge) / 1e6 / 0x1p31 * std::stod(scale)));
    // A subscriber who asks for what is retained gets the last one at once, however old.
    Recorder stale;
    REQUIRE(client.close(js220) == 0);
    REQUIRE(client.subscribe(js220 + "/s/stats/value", abi::subscribe_retained, Recorder::on_value, &stale) == 0);
    CHECK(stale.messages().size() == 1);
  }
}

TEST_CASE("stand-in: power of a js220 begins before current and voltage, with NaN") {
  StandinWorld world;
  world.plug(js220_keys({{"counter_start", "10000"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i", "s/v", "s/p"}, recorder);
  REQUIRE(recorder.wait_for(1, "s/p/!data"));
  const KeptMessage power = recorder.messages("s/p/!data").front();
  const std::vector<float> p = power.floats();
  size_t leading = 0;
  while (std::isnan(p[leading])) ++leading;
  CHECK(leading == 900);
  const uint64_t first = power.stream().sample_id + 2 * leading;
  const auto i = expected("js220", true, first, 100), v = expected("js220", false, first, 100);
  for (size_t k = 0; k < 100; ++k) CHECK(p[leading + k] == i[k] * v[k]);
}

TEST_CASE("stand-in: ranges and inputs of a js220 keep 2 MS/s at any rate of i and v, those of a js110 follow it") {
  for (const std::string model : {"js220", "js110"}) {
    CAPTURE(model);
    const bool is_js110 = model == "js110";
    const std::string prefix = is_js110 ? js110 : js220;
    StandinWorld world;
    world.plug(is_js110 ? js110_keys() : js220_keys());
    Recorder recorder;
    DriverClient client;
    REQUIRE(client.open(prefix) == 0);
    REQUIRE(client.publish(prefix + "/h/fs", 1000) == 0);
    for (const std::string topic : {"/s/i", "/s/i/range", "/s/gpi/1"}) {
      REQUIRE(client.subscribe(prefix + topic + "/!data", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
      REQUIRE(client.publish(prefix + topic + "/ctrl", 1) == 0);
    }
    for (const std::string topic : {"s/i/!data", "range/!data", "gpi/1/!data"}) REQUIRE(recorder.wait_for(2, topic));
    const KeptMessage current = recorder.messages("s/i/!data").back();
    CHECK(current.stream().decimate_factor == 2000);
    CHECK(current.stream().element_count == 50);
    CHECK(same_bits(current.floats(), expected(model, true, current.stream().sample_id, 50, 1000)));
    device::SimulatedDevice twin;
    twin.model = model;
    twin.seed = is_js110 ? 9 : 7;
    twin.load = is_js110 ? "ranges" : "cpu";
    twin.sample_rate_hz = 1000;
    for (const auto signal : {signal::SignalId::current_range, static_cast<signal::SignalId>(17)}) {
      const bool is_range = signal == signal::SignalId::current_range;
      const KeptMessage packed = recorder.messages(is_range ? "range/!data" : "gpi/1/!data").back();
      const StreamHead head = packed.stream();
      CHECK(head.element_size_bits == (is_range ? 4 : 1));
      CHECK(head.decimate_factor == (is_js110 ? 2000 : 1));
      CHECK(head.element_count == (is_js110 ? 50 : 100'800));
      std::vector<std::byte> ours(device::packed_bytes(signal, head.element_count));
      device::Waveform(twin).packed(signal, head.sample_id, head.element_count, ours);
      CHECK(ours == std::vector(packed.bytes.begin() + abi::stream_header_bytes, packed.bytes.end()));
    }
  }
}

TEST_CASE("stand-in: a js320 counts 16 MHz and has fewer rates") {
  const std::string prefix = "u/js320/X2VJ";
  StandinWorld world;
  world.plug({{"model", "js320"}, {"serial", "X2VJ"}, {"seed", "7"}, {"load", "cpu"}});
  Recorder recorder;
  DriverClient client;
  stream(client, prefix, {"s/i", "s/gpi/0"}, recorder);
  for (const uint32_t rate : {2'000'000U, 500'000U, 500U})
    CHECK(client.publish(prefix + "/h/fs", rate) == abi::rc_parameter_invalid);
  REQUIRE(recorder.wait_for(2, "s/i/!data"));
  REQUIRE(recorder.wait_for(1, "s/gpi/0/!data"));
  const KeptMessage current = recorder.messages("s/i/!data").back();
  const StreamHead head = current.stream();
  CHECK(head.sample_rate == 16'000'000);
  CHECK(head.decimate_factor == 16);
  CHECK(same_bits(current.floats(), expected("js220", true, head.sample_id / 8, head.element_count)));
  CHECK(recorder.messages("s/gpi/0/!data").front().stream().decimate_factor == 16);
}

TEST_CASE("stand-in: four times as fast means four times the samples, and none is missing") {
  StandinWorld world;
  world.plug(js220_keys({{"speed", "4"}}));
  Recorder recorder;
  DriverClient client;
  SystemClock clock;
  stream(client, js220, {"s/i"}, recorder);
  const int64_t start = clock.monotonic_ns();
  REQUIRE(recorder.wait_for(40));  // half a second; two, at the usual speed
  CHECK((clock.monotonic_ns() - start) / ns_per_ms < 1500);
  CHECK(holes(heads(recorder, "s/i/!data")).empty());
}
