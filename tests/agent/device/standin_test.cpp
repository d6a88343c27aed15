// The stand-in driver has the traps of the real one: each test is named after the mistake that it catches.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <set>

#include "tests/support/standin/driver_client.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

// Holds every callback up until it is let go.
class Obstacle {
 public:
  static void on_value(void* user_data, const char*, const abi::Value*) {
    auto& self = *static_cast<Obstacle*>(user_data);
    std::unique_lock lock(self.mutex_);
    ++self.calls_;
    self.changed_.notify_all();
    self.changed_.wait(lock, [&] { return self.free_; });
  }
  void wait_for_call() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ > 0; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  bool free_ = false;
};

// What a call took.
int64_t elapsed_ms(const std::function<void()>& call) {
  SystemClock clock;
  const int64_t start = clock.monotonic_ns();
  call();
  return (clock.monotonic_ns() - start) / ns_per_ms;
}

// Another process that opens an instrument; its return code.
class OtherProcess {
 public:
  explicit OtherProcess(const std::string& prefix) {
    int to_child[2], from_child[2];
    REQUIRE((::pipe(to_child) == 0 && ::pipe(from_child) == 0));
    pid_ = ::fork();
    if (pid_ == 0) hold(prefix, to_child, from_child);
    ::close(to_child[0]);
    ::close(from_child[1]);
    hold_ = to_child[1];
    REQUIRE(::read(from_child[0], &rc_, sizeof rc_) == sizeof rc_);
    ::close(from_child[0]);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  ~OtherProcess() {
    ::close(hold_);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] int32_t open_rc() const { return rc_; }

 private:
  [[noreturn]] static void hold(const std::string& prefix, const int* to_child, const int* from_child) {
    ::close(to_child[1]);
    ::close(from_child[0]);
    DriverClient client;
    const int32_t rc = client.open(prefix);
    char end = 0;
    if (::write(from_child[1], &rc, sizeof rc) != sizeof rc || ::read(to_child[0], &end, 1) != 0) ::_exit(1);
    ::_exit(0);
  }
  pid_t pid_ = -1;
  int hold_ = -1;
  int32_t rc_ = 0;
};

}  // namespace

TEST_CASE("stand-in: i and v of a js220 come as messages of 50,022 samples that the simulated device measures, too") {
  StandinWorld world;
  world.plug(js220_keys({{"counter_start", "10000000000"}}));
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i", "s/v"}, recorder);
  REQUIRE(recorder.wait_for(3, "s/i/!data"));
  REQUIRE(recorder.wait_for(3, "s/v/!data"));
  for (const std::string topic : {"s/i/!data", "s/v/!data"}) {
    uint64_t next = 0;
    for (const KeptMessage& message : recorder.messages(topic)) {
      const StreamHead header = message.stream();
      CHECK(header.version == 1);
      CHECK(header.sample_id > 10'000'000'000);
      CHECK((next == 0 || header.sample_id == next));
      CHECK(header.element_count == 50'022);
      CHECK(header.sample_rate == 2'000'000);
      CHECK(header.decimate_factor == 2);
      CHECK(message.value.size == abi::stream_header_bytes + 4 * 50'022);
      CHECK(same_bits(message.floats(), expected("js220", topic == "s/i/!data", header.sample_id, 50'022)));
      next = header.sample_id_end();
    }
  }
}

TEST_CASE("stand-in: who takes 50,000 samples a message is told otherwise by a js110: 65,394, from sample_id 0 on") {
  StandinWorld world;
  world.plug(js110_keys());
  Recorder recorder;
  DriverClient client;
  stream(client, js110, {"s/i", "s/v"}, recorder);
  REQUIRE(recorder.wait_for(3, "s/i/!data"));
  uint64_t next = 0;
  for (const KeptMessage& message : recorder.messages("s/i/!data")) {
    const StreamHead header = message.stream();
    CHECK(header.sample_id == next);
    CHECK(header.element_count == 65'394);
    CHECK(header.decimate_factor == 1);
    CHECK(same_bits(message.floats(), expected("js110", true, header.sample_id, 65'394)));
    next = header.sample_id_end();
  }
}

TEST_CASE("stand-in: who publishes retained gets success and no data ever after a replug, who does not gets data") {
  for (const bool retained : {true, false}) {
    CAPTURE(retained);
    StandinWorld world;
    const std::string id = world.plug(js220_keys({{"speed", "4"}}));
    Recorder presence, samples;
    DriverClient client;
    REQUIRE(client.subscribe("@/!add", abi::subscribe_published, Recorder::on_value, &presence) == 0);
    REQUIRE(client.subscribe("@/!remove", abi::subscribe_published, Recorder::on_value, &presence) == 0);
    REQUIRE(client.subscribe(js220 + "/s/i/!data", abi::subscribe_published, Recorder::on_value, &samples) == 0);
    REQUIRE(client.open(js220) == 0);
    REQUIRE(client.publish(js220 + "/s/i/ctrl", u32_value(1, retained)) == 0);
    REQUIRE(samples.wait_for(1));
    world.unplug(id);
    REQUIRE(presence.wait_for(1, "@/!remove"));
    samples.clear();
    world.plug_again(id);
    REQUIRE(presence.wait_for(1, "@/!add"));
    REQUIRE(client.open(js220) == 0);
    CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(1, retained)) == 0);
    if (!retained) {
      CHECK(samples.wait_for(1));
      continue;
    }
    // The voltage tells that there was time enough for current.
    REQUIRE(client.subscribe(js220 + "/s/v/!data", abi::subscribe_published, Recorder::on_value, &samples) == 0);
    REQUIRE(client.publish(js220 + "/s/v/ctrl", 1) == 0);
    REQUIRE(samples.wait_for(20, "s/v/!data"));
    CHECK(samples.messages("s/i/!data").empty());
  }
}

TEST_CASE("stand-in: who publishes retained before opening has said it already: success and no data when it counts") {
  StandinWorld world;
  world.plug(js220_keys());
  Recorder recorder;
  DriverClient client;
  CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(1, true)) == abi::rc_closed);
  REQUIRE(client.open(js220) == 0);
  CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(1, true)) == 0);
  for (const char* topic : {"/s/i/!data", "/s/v/!data"})
    REQUIRE(client.subscribe(js220 + topic, abi::subscribe_published, Recorder::on_value, &recorder) == 0);
  REQUIRE(client.publish(js220 + "/s/v/ctrl", 1) == 0);
  REQUIRE(recorder.wait_for(3, "s/v/!data"));
  CHECK(recorder.messages("s/i/!data").empty());
  // The way out: another value first.
  CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(0, true)) == 0);
  CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(1, true)) == 0);
  CHECK(recorder.wait_for(1, "s/i/!data"));
}

TEST_CASE("stand-in: who sets the rate retained is back at full rate after closing and opening") {
  StandinWorld world;
  world.plug(js220_keys());
  DriverClient client;
  for (const uint32_t decimation : {20U, 2U}) {
    Recorder recorder;
    REQUIRE(client.open(js220) == 0);
    REQUIRE(client.publish(js220 + "/h/fs", u32_value(100'000, true)) == 0);
    REQUIRE(client.subscribe(js220 + "/s/i/!data", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
    REQUIRE(client.publish(js220 + "/s/i/ctrl", 1) == 0);
    REQUIRE(recorder.wait_for(1));
    const StreamHead header = recorder.messages().front().stream();
    CHECK(header.decimate_factor == decimation);
    CHECK(header.element_count == (decimation == 2 ? 50'022 : 5'002));
    REQUIRE(client.unsubscribe(js220 + "/s/i/!data", Recorder::on_value, &recorder) == 0);
    REQUIRE(client.close(js220) == 0);
  }
}

TEST_CASE("stand-in: who thinks that closing stops a js110 gets its samples again after opening, from sample_id 0") {
  StandinWorld world;
  world.plug(js110_keys());
  Recorder recorder;
  DriverClient client;
  stream(client, js110, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(2));
  REQUIRE(client.close(js110) == 0);
  recorder.clear();
  REQUIRE(client.open(js110) == 0);
  REQUIRE(recorder.wait_for(1));
  CHECK(recorder.messages().front().stream().sample_id == 0);
}

TEST_CASE("stand-in: who keeps a callback's pointers reads spoilt memory") {
  struct Naive {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<const float*> samples;
    std::vector<float> first;  // copied in time
    const char* topic = nullptr;
    static void on_value(void* user_data, const char* topic, const abi::Value* value) {
      auto& self = *static_cast<Naive*>(user_data);
      const std::lock_guard lock(self.mutex);
      self.topic = topic;
      self.samples.push_back(reinterpret_cast<const float*>(value->binary + abi::stream_header_bytes));
      if (self.first.empty()) self.first.assign(self.samples.back(), self.samples.back() + 1000);
      self.changed.notify_all();
    }
  } naive;
  StandinWorld world;
  world.plug(js220_keys());
  DriverClient client;
  REQUIRE(client.subscribe(js220 + "/s/i/!data", abi::subscribe_published, Naive::on_value, &naive) == 0);
  REQUIRE(client.open(js220) == 0);
  REQUIRE(client.publish(js220 + "/s/i/ctrl", 1) == 0);
  {
    std::unique_lock lock(naive.mutex);
    naive.changed.wait(lock, [&] { return naive.samples.size() >= 2; });
  }
  REQUIRE(client.close(js220) == 0);  // nothing more comes; one may still be in the queue
  REQUIRE(client.unsubscribe(js220 + "/s/i/!data", Naive::on_value, &naive) == 0);
  CHECK(naive.samples[0] == naive.samples[1]);  // one memory for all
  CHECK_FALSE(same_bits({naive.samples[0], naive.samples[0] + 1000}, naive.first));
  CHECK(std::string(naive.topic) != js220 + "/s/i/!data");
}

TEST_CASE("stand-in: who thinks that each device has a thread of its own is wrong: all callbacks come on one") {
  StandinWorld world;
  world.plug(js220_keys());
  world.plug(js110_keys());
  Recorder recorder;
  DriverClient client;
  stream(client, js220, {"s/i"}, recorder);
  stream(client, js110, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(2, "js220/001122/s/i/!data"));
  REQUIRE(recorder.wait_for(2, "js110/000456/s/i/!data"));
  std::set<uint64_t> threads;
  for (const KeptMessage& message : recorder.messages()) threads.insert(message.thread);
  CHECK(threads.size() == 1);
}

TEST_CASE("stand-in: who takes time in a callback finds that calls outlive their timeouts and that nothing is dropped") {
  StandinWorld world;
  world.plug(js220_keys({{"speed", "4"}}));
  Recorder recorder;
  Obstacle obstacle;
  DriverClient client;
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(client.subscribe(js220 + "/s/i/!data", abi::subscribe_published, Obstacle::on_value, &obstacle) == 0);
  obstacle.wait_for_call();
  constexpr uint32_t timeout_ms = 50;
  auto late = std::async(std::launch::async, [&] { return client.publish(js220 + "/s/v/ctrl", u32_value(1), timeout_ms); });
  CHECK(late.wait_for(std::chrono::milliseconds(10 * timeout_ms)) == std::future_status::timeout);
  obstacle.let_go();
  late.wait();
  REQUIRE(recorder.wait_for(40));  // half a second at this speed: what piled up, and more
  uint64_t next = 0;
  for (const KeptMessage& message : recorder.messages()) {
    CHECK((next == 0 || message.stream().sample_id == next));
    next = message.stream().sample_id_end();
  }
}

TEST_CASE("stand-in: who reads return codes as if models were alike is wrong") {
  StandinWorld world;
  world.plug(js220_keys());
  world.plug(js110_keys());
  DriverClient client;
  constexpr uint32_t timeout_ms = 60;
  const auto publish = [&](const std::string& topic, const abi::Value& value) {
    return client.publish(topic, value, timeout_ms);
  };
  // Not open.
  CHECK(publish(js220 + "/s/i/ctrl", u32_value(1)) == abi::rc_closed);
  CHECK(elapsed_ms([&] { CHECK(publish(js110 + "/s/i/ctrl", u32_value(1)) == abi::rc_timed_out); }) >= timeout_ms);
  CHECK(client.close(js220) == 0);
  // Opened twice.
  CHECK(client.open(js220) == 0);
  CHECK(client.open(js220) == abi::rc_in_use);
  CHECK(client.open(js110) == 0);
  CHECK(client.open(js110) == 0);
  // Unknown topics, wrong values.
  CHECK(publish(js220 + "/h/none", u32_value(1)) == abi::rc_parameter_invalid);
  CHECK(publish(js110 + "/h/none", u32_value(1)) == abi::rc_unavailable);
  abi::Value real = u32_value(0);
  real.type = abi::ValueType::f64;
  for (const std::string& device : {js220, js110}) {
    CHECK(publish(device + "/h/fs", u32_value(123)) == abi::rc_parameter_invalid);
    CHECK(publish(device + "/h/fs", real) == abi::rc_parameter_invalid);
    CHECK(publish(device + "/h/fs", text_value("100 kHz")) == 0);
    CHECK(publish(device + "/s/i/ctrl", text_value("off")) == 0);
    CHECK(elapsed_ms([&] { CHECK(publish(device + "/s/tooolong/ctrl", u32_value(1)) == abi::rc_timed_out); }) >= timeout_ms);
  }
  CHECK(publish(js110 + "/s/i/range/select", text_value("auto")) == 0);
  CHECK(publish(js220 + "/s/i/range/mode", text_value("auto")) == 0);
  // Nobody there.
  CHECK(elapsed_ms([&] { CHECK(publish("u/js220/999999/h/fs", u32_value(1)) == abi::rc_timed_out); }) >= timeout_ms);
  CHECK(elapsed_ms([&] { CHECK(publish("nobody/here", u32_value(1)) == abi::rc_timed_out); }) >= timeout_ms);
}

TEST_CASE("stand-in: who asks for a value that was never set gets success and nothing") {
  StandinWorld world;
  world.plug(js220_keys({{"firmware", "1.3.7"}}));
  DriverClient client;
  abi::Value value = u32_value(5);
  CHECK(client.query(js220 + "/h/fs", value) == 0);
  CHECK(value.type == abi::ValueType::null);
  CHECK(client.query(js220 + "/h/none", value) == abi::rc_not_found);
  CHECK(client.query("u/js220/999999/h/fs", value) == abi::rc_not_found);
  REQUIRE(client.open(js220) == 0);
  CHECK(client.query(js220 + "/c/fw/version", value) == 0);
  CHECK(value.u32 == 0x01030007);
  CHECK(client.query(js220 + "/h/state", value) == 0);
  CHECK(value.u32 == 3);
}

TEST_CASE("stand-in: who does not look at the version takes an old library") {
  StandinWorld world;
  abi::Value version;
  CHECK(DriverClient().query("@/version", version) == 0);
  CHECK(version.u32 == 0x02030004);
  world.set_driver("version", "0x02000002");
  CHECK(DriverClient().query("@/version", version) == 0);
  CHECK(version.u32 == 0x02000002);
  world.set_driver("initialize_rc", "2");
  abi::Context* none = nullptr;
  CHECK(driver_symbol<abi::Initialize>("jsdrv_initialize")(&none, nullptr, 0) == 2);
}

TEST_CASE("stand-in: who subscribes to @/!add without what is retained misses the devices that are there already") {
  StandinWorld world;
  world.plug(js220_keys());
  Recorder naive, careful, usual;
  DriverClient client;
  REQUIRE(client.subscribe("@/!add", abi::subscribe_published, Recorder::on_value, &naive) == 0);
  REQUIRE(client.subscribe("@/!add", abi::subscribe_published | abi::subscribe_retained, Recorder::on_value, &careful) == 0);
  REQUIRE(client.subscribe("@/!add", 0, Recorder::on_value, &usual) == 0);
  CHECK(naive.messages().empty());
  for (Recorder* recorder : {&careful, &usual}) {
    REQUIRE(recorder->messages().size() == 1);
    CHECK(recorder->messages().front().text() == js220);
  }
  world.plug(js110_keys());
  REQUIRE(naive.wait_for(1));
  CHECK(naive.messages().front().text() == js110);
  char buffer[64];
  abi::Value list = text_value(buffer);
  list.size = sizeof buffer;
  CHECK(client.query("@/list", list) == 0);
  CHECK(std::string(list.text).size() >= js220.size());
  list.size = 3;
  CHECK(client.query("@/list", list) == 14);
}

TEST_CASE("stand-in: who waits for an answer inside a callback gets success for anything") {
  struct Naive {
    DriverClient& client;
    std::promise<int32_t> answer;
    static void on_value(void* user_data, const char*, const abi::Value*) {
      auto& self = *static_cast<Naive*>(user_data);
      self.answer.set_value(self.client.publish("u/js220/001122/h/fs", u32_value(123)));
    }
  };
  StandinWorld world;
  world.plug(js220_keys());
  DriverClient client;
  Naive naive{client, {}};
  REQUIRE(client.subscribe("@/!add", abi::subscribe_published | abi::subscribe_retained, Naive::on_value, &naive) == 0);
  CHECK(naive.answer.get_future().get() == 0);
}

TEST_CASE("stand-in: who goes on with an unplugged device is told that it is not there, and its last message never comes whole") {
  StandinWorld world;
  const std::string id = world.plug(js220_keys());
  Recorder recorder;
  DriverClient client;
  REQUIRE(client.subscribe("@/!remove", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
  stream(client, js220, {"s/i"}, recorder);
  REQUIRE(recorder.wait_for(1, "s/i/!data"));
  world.unplug(id);
  REQUIRE(recorder.wait_for(1, "@/!remove"));
  CHECK(recorder.messages("@/!remove").front().text() == js220);
  CHECK(client.publish(js220 + "/s/i/ctrl", 1) == abi::rc_not_found);
  CHECK(client.open(js220) == abi::rc_not_found);
  CHECK(client.close(js220) == 0);
  for (const KeptMessage& message : recorder.messages("s/i/!data")) CHECK(message.stream().element_count == 50'022);
}

TEST_CASE("stand-in: who subscribes twice is called twice, and a subscription that does not exist cannot be ended") {
  StandinWorld world;
  Recorder recorder;
  DriverClient client;
  for (int n = 0; n < 2; ++n) REQUIRE(client.subscribe("@", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
  CHECK(client.unsubscribe("@/list", Recorder::on_value, &recorder) == abi::rc_not_found);
  world.plug(js220_keys());
  CHECK(recorder.wait_for(2, "@/!add"));
  CHECK(recorder.wait_for(2, "@/list"));
  CHECK(client.unsubscribe("@", Recorder::on_value, &recorder) == 0);
}

TEST_CASE("stand-in: who opens an instrument that another process has gets libusb's -6") {
  StandinWorld world;
  world.plug(js220_keys());
  auto other = std::make_unique<OtherProcess>(js220);
  CHECK(other->open_rc() == 0);
  DriverClient client;
  CHECK(client.open(js220) == abi::rc_usb_busy);
  other.reset();
  CHECK(client.open(js220) == 0);
  CHECK(DriverClient().open(js220) == abi::rc_usb_busy);
}

TEST_CASE("stand-in: what opening returns, and that nothing is answered, can be arranged") {
  StandinWorld world;
  const std::string id = world.plug(js220_keys({{"open_rc", "-3"}}));
  world.plug({{"model", "&js220"}, {"serial", "000777"}});
  DriverClient client;
  CHECK(client.open(js220) == abi::rc_usb_access);
  CHECK(std::string(driver_symbol<abi::ErrorText>("jsdrv_error_code_name")(-3)) == "UNKNOWN");
  CHECK(std::string(driver_symbol<abi::ErrorText>("jsdrv_error_code_name")(22)) == "CLOSED");
  CHECK(client.publish("u/&js220/000777/@/!open", i32_value(0), 50) == abi::rc_timed_out);
  world.set(id, "deaf", "1");
  world.set(id, "open_rc", "");
  const auto is_deaf = [&] { return client.publish(js220 + "/@/!open", i32_value(0), 50) == abi::rc_timed_out; };
  bool deaf = false;  // the change is seen within milliseconds
  for (int n = 0; n < 100 && !deaf; ++n) deaf = is_deaf();
  CHECK(deaf);
}

TEST_CASE("stand-in: every call is on record, with its flags") {
  StandinWorld world;
  world.plug(js220_keys());
  DriverClient client;
  REQUIRE(client.open(js220) == 0);
  REQUIRE(client.publish(js220 + "/s/i/range/mode", text_value("auto")) == 0);
  REQUIRE(client.publish(js220 + "/s/i/ctrl", u32_value(1, true)) == 0);
  const auto calls = world.calls();
  REQUIRE(calls.size() == 3);
  CHECK(calls[0].topic == js220 + "/@/!open");
  CHECK(calls[0].value == "0");
  CHECK(calls[0].pid == ::getpid());
  CHECK(calls[1].value == "auto");
  CHECK(calls[1].flags == 0);
  CHECK(calls[2].flags == 1);
}
