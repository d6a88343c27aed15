#include "agent/device/driver_processes.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>

#include "agent/device/simulated_source.h"
#include "agent/device/waveform.h"
#include "tests/agent/device/driver_script.h"
#include "tests/contract/sample_source_contract.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using device::DriverLimits;
using device::DriverProcesses;
using device::FileDescriptor;
using device::JoulescopeSettings;
using device::SourceEvent;
using test::CollectingSink;
using test::KeptBlock;
using test::KeptCall;

namespace {

constexpr int patience_ms = 60'000;

std::string child_program() {
  const char* const program = std::getenv("DRIVER_HOST_CHILD");
  REQUIRE(program != nullptr);
  return program;
}

JoulescopeSettings settings_of(const std::string& script, const std::vector<std::string>& devices) {
  JoulescopeSettings settings{script, {{}}};
  settings.selections.front().devices = devices;
  return settings;
}

DriverLimits quick_limits() {
  DriverLimits limits;
  limits.restart = {ns_per_ms, 20 * ns_per_ms};
  return limits;
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

// A source whose processes do what the script says; checks that nothing is left of it.
struct Rig {
  explicit Rig(const std::string& script, const std::vector<std::string>& devices = {"js220-1"},
               DriverLimits limits = quick_limits())
      : source(clock, settings_of(script, devices), child_program(), limits) {}
  ~Rig() {
    source.stop();
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);  // no child, no zombie
    CHECK(open_descriptors() == descriptors);
    CHECK(!sink.saw_overlap());
    CHECK(!sink.saw_kept_memory());
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void start(const device::ResumePoints& resume = {}) { REQUIRE(source.start(sink, resume).ok()); }
  // Of events with such a text, under the sink's lock or after stop().
  size_t texts(const std::string& part) {
    size_t count = 0;
    for (const KeptCall& call : sink.calls("js220-1"))
      if (!call.is_block && call.event.text.find(part) != std::string::npos) ++count;
    return count;
  }
  void wait_for_text(const std::string& part, size_t count = 1) {
    REQUIRE_MESSAGE(sink.wait_for([&] { return texts(part) >= count; }), part);
  }
  // The number in the newest "pid <number>".
  pid_t pid() {
    pid_t found = 0;
    sink.wait_for([&] {
      for (const KeptCall& call : sink.calls("js220-1"))
        if (!call.is_block && call.event.text.starts_with("pid ")) found = std::stoi(call.event.text.substr(4));
      return true;
    });
    return found;
  }

  size_t descriptors = open_descriptors();
  SystemClock clock;
  CollectingSink sink;
  DriverProcesses source;
};

void check_values(const KeptBlock& block) {
  for (size_t k = 0; k < block.i.size(); ++k) {
    REQUIRE(block.i[k] == test::scripted_current(block.sample_id + 2 * k));
    REQUIRE(block.v[k] == test::scripted_voltage(block.sample_id + 2 * k));
  }
}

// Blocks and overruns from `next` on without a hole; gives the samples in gaps.
uint64_t check_account(const std::vector<KeptCall>& calls, uint64_t next) {
  uint64_t lost = 0;
  for (const KeptCall& call : calls) {
    if (call.is_block) {
      REQUIRE(call.block.sample_id == next);
      check_values(call.block);
      next = call.block.sample_id_end;
    } else if (call.event.kind == SourceEvent::Kind::gap) {
      REQUIRE(call.event.gap.reason == wire::GapReason::overrun);
      REQUIRE(call.event.gap.axis == 77);
      REQUIRE(call.event.gap.sample_id_first == next);
      next = call.event.gap.sample_id_end;
      lost += call.event.gap.samples_lost;
    }
  }
  return lost;
}

// Calls before the first event of that kind.
std::vector<KeptCall> calls_before(const std::vector<KeptCall>& calls, SourceEvent::Kind kind) {
  const auto at =
      std::find_if(calls.begin(), calls.end(), [&](const KeptCall& call) { return !call.is_block && call.event.kind == kind; });
  return {calls.begin(), at};
}

// A sink that does not return from on_samples() until open().
class GateSink final : public device::SampleSink {
 public:
  explicit GateSink(CollectingSink& sink) : sink_(sink) {}
  void on_samples(const std::string& device, const signal::SampleBlock& block) override {
    {
      std::unique_lock lock(mutex_);
      opened_.wait_for(lock, CollectingSink::patience, [&] { return is_open_; });
    }
    sink_.on_samples(device, block);
  }
  void on_event(const std::string& device, const SourceEvent& event) override { sink_.on_event(device, event); }
  bool wait_for_room(const std::string&, size_t, std::chrono::milliseconds) override { return true; }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }

 private:
  CollectingSink& sink_;
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

bool readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, patience_ms) == 1;
}

}  // namespace

TEST_CASE("driver processes: samples of a process arrive bit for bit") {
  Rig rig("simulate", {"js220-1", "js110-2"});
  rig.start();
  for (const std::string device : {"js220-1", "js110-2"}) REQUIRE(rig.sink.wait_for_samples(device, 3000));
  rig.source.stop();
  for (const std::string device : {"js220-1", "js110-2"}) {
    const device::SimulatedDevice settings = test::simulated_of(device);
    const device::Waveform waveform(settings);
    for (const KeptBlock& block : rig.sink.blocks(device)) {
      std::vector<float> i(block.i.size()), v(block.i.size());
      waveform.samples(block.sample_id, i, v);
      CHECK(std::memcmp(i.data(), block.i.data(), i.size() * sizeof(float)) == 0);
      CHECK(std::memcmp(v.data(), block.v.data(), v.size() * sizeof(float)) == 0);
      REQUIRE(block.packed.size() == 2);
      for (const test::KeptRun& kept : block.packed) {
        std::vector<std::byte> data(kept.data.size());
        waveform.packed(kept.run.signal, kept.run.sample_id, kept.run.count, data);
        CHECK(data == kept.data);
      }
    }
    test::check_blocks(rig.sink, device);
    test::check_continuous(rig.sink, device);
  }
}

TEST_CASE("driver processes: keep the contract of an endless source") {
  SystemClock clock;
  const test::SampleSourceCase source_case{[](Clock& time) {
                                             return std::make_unique<DriverProcesses>(
                                                 time, settings_of("simulate", {"js220-1", "js110-2", "js220-3"}),
                                                 child_program());
                                           },
                                           {},
                                           false};
  SUBCASE("after stop nothing comes, and it can be started again") { test::check_stop(source_case, clock); }
  SUBCASE("destruction stops") {
    CollectingSink sink;
    auto source = source_case.make_endless(clock);
    REQUIRE(source->start(sink, {}).ok());
    REQUIRE(sink.wait_for([&] { return sink.call_count() > 0; }));
    source.reset();
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
  }
}

TEST_CASE("driver processes: an instrument that is plugged in and selected gets a process, one that is named has one at once") {
  Rig rig("attach:js220-1 attach:js320-x attach:js110-9 attach:js220-1 found drip", {"js220-*", "js110-7"});
  CHECK(rig.source.devices() == std::vector{wire::DeviceIdentity{"js110-7", "js110", "7"}});
  rig.start();
  for (const std::string device : {"js220-1", "js110-7"}) REQUIRE(rig.sink.wait_for_samples(device, 1000));
  rig.source.stop();
  CHECK(rig.sink.calls("js110-9").empty());
  CHECK(rig.sink.event_kinds("js220-1") == std::vector{SourceEvent::Kind::found});
  CHECK(rig.source.devices().size() == 2);
  CHECK(rig.source.devices().back() == wire::DeviceIdentity{"js220-1", "js220", "1"});
}

TEST_CASE("driver processes: an error of the start is that of the process") {
  SystemClock clock;
  CollectingSink sink;
  const auto start_error = [&](const std::string& script, const std::string& program) {
    DriverProcesses source(clock, settings_of(script, {"js220-1"}), program, quick_limits());
    const Status status = source.start(sink, {});
    REQUIRE(!status);
    return status.error();
  };
  CHECK(start_error("refuse:no-driver", child_program()).code == Errc::unreachable);
  CHECK(start_error("refuse:no-driver", child_program()).message == "no-driver");
  CHECK(start_error("die-at-start", child_program()).message == "the driver's process died (signal 6, Aborted)");
  CHECK(start_error("", "/bin/true").message == "the driver's process ended (exit code 0)");
  CHECK(start_error("", "/no/such/program").message.find("start /no/such/program: ") == 0);
  CHECK(sink.call_count() == 0);
  CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
}

TEST_CASE("driver processes: a device that its process refuses is in trouble, and the others go on") {
  Rig rig("attach:js220-1 refuse-setting:no-such-range");
  rig.start();
  REQUIRE(rig.sink.wait_for_event("js220-1", SourceEvent::Kind::trouble));
  rig.source.stop();
  REQUIRE(rig.sink.calls("js220-1").size() == 1);  // a setting does not become right by trying again
  CHECK(rig.sink.calls("js220-1").front().event.text == "no-such-range");
  CHECK(rig.sink.calls("js220-1").front().event.identity.id == "js220-1");
}

TEST_CASE("driver processes: a process that is killed is started again, where it was") {
  Rig rig("pid resume found drip");
  SUBCASE("by SIGKILL") {
    rig.start();
    REQUIRE(rig.sink.wait_for_samples("js220-1", 5000));
    REQUIRE(::kill(rig.pid(), SIGKILL) == 0);
    rig.wait_for_text("the driver's process died (signal 9, Killed); it is started again");
  }
  SUBCASE("by SIGTERM, with its samples") {
    rig.start();
    REQUIRE(rig.sink.wait_for_samples("js220-1", 5000));
    REQUIRE(::kill(rig.pid(), SIGTERM) == 0);
    rig.wait_for_text("the driver's process ended (exit code 0); it is started again");
  }
  rig.wait_for_text("pid ", 2);
  const uint64_t samples_then = 1000;
  REQUIRE(rig.sink.wait_for([&] { return rig.sink.calls("js220-1").back().is_block; }));
  rig.source.stop();
  const auto& calls = rig.sink.calls("js220-1");
  const auto first = calls_before(calls, SourceEvent::Kind::lost);
  check_account(first, 0);
  const std::vector<KeptCall> second(calls.begin() + static_cast<std::ptrdiff_t>(first.size()) + 1, calls.end());
  REQUIRE(first.back().is_block);
  const uint64_t end = first.back().block.sample_id_end;
  REQUIRE(second.size() > 3);
  CHECK(second[1].event.text == "resume 77 " + std::to_string(end));
  CHECK(second[2].event.kind == SourceEvent::Kind::found);
  check_account(second, end + samples_then);
}

TEST_CASE("driver processes: the resume point of an earlier run reaches the process") {
  Rig rig("resume found drip");
  rig.start({{"js220-1", {{42, 2'000'000, 2}, 9'000, {1, 2, 2e6, wire::UtcQuality::host}}}, {"js220-2", {}}});
  rig.wait_for_text("resume 42 9000");
}

TEST_CASE("driver processes: what was written before an abort arrives, then the loss") {
  Rig rig("found blocks:50 abort");
  rig.start();
  rig.wait_for_text("the driver's process died (signal 6, Aborted); it is started again", 2);
  rig.source.stop();
  const auto first = calls_before(rig.sink.calls("js220-1"), SourceEvent::Kind::lost);
  CHECK(first.size() == 51);
  check_account(first, 0);
}

TEST_CASE("driver processes: an abort in the middle of a delivery leaves whole blocks only") {
  Rig rig("once storm abort");
  rig.start();
  rig.wait_for_text("signal 6");
  REQUIRE(rig.sink.wait_for([&] { return rig.sink.calls("js220-1").back().is_block; }));
  rig.source.stop();
  const auto first = calls_before(rig.sink.calls("js220-1"), SourceEvent::Kind::lost);
  check_account(first, 0);
  CHECK(first.size() >= 20);
}

TEST_CASE("driver processes: an agent that does not take samples costs a gap with the exact count, and no waiting") {
  const test::TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "told").c_str(), 0600) == 0);
  DriverLimits limits = quick_limits();
  limits.device_ring_bytes = 256 << 10;
  Rig rig("found blocks:300 tell:" + directory / "told" + " drip", {"js220-1"}, limits);
  GateSink gate(rig.sink);
  {
    const FileDescriptor told(::open((directory / "told").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(rig.source.start(gate, {}).ok());
    REQUIRE(readable(told.get()));  // 2.4 MB are through, although nothing was taken
    gate.open();
    REQUIRE(rig.sink.wait_for_event("js220-1", SourceEvent::Kind::gap));
    REQUIRE(rig.sink.wait_for([&] { return rig.sink.calls("js220-1").back().is_block; }));
    rig.source.stop();
  }
  const uint64_t lost = check_account(rig.sink.calls("js220-1"), 0);
  CHECK(lost >= 250'000);
  CHECK(lost % 1000 == 0);
  CHECK(rig.sink.blocks("js220-1").back().sample_id_end == 2 * (rig.sink.samples("js220-1") + lost));
  CHECK(rig.texts("were lost") == 0);
}

TEST_CASE("driver processes: a process that hands over nonsense is killed and started again") {
  std::string script;
  SUBCASE("a position") { script = "blocks:3 damage-position"; }
  SUBCASE("a record") { script = "nonsense"; }
  SUBCASE("somebody else's samples") { script = "blocks:3 foreign"; }
  Rig rig(script);
  rig.start();
  rig.wait_for_text("the driver's process handed over what makes no sense (");
  rig.wait_for_text(" and was killed; it is started again", 2);
  CHECK(rig.sink.calls("js110-999").empty());
}

TEST_CASE("driver processes: a process that shows no sign of life is killed and started again") {
  DriverLimits limits = quick_limits();
  limits.silence_ns = 4 * ns_per_s;
  Rig rig("once found blocks:3 freeze", {"js220-1"}, limits);
  rig.start();
  rig.wait_for_text("the driver's process hung and was killed; it is started again");
  REQUIRE(rig.sink.wait_for_samples("js220-1", 4000));
}

TEST_CASE("driver processes: a process that does not stop is killed in time, with what it had") {
  DriverLimits limits = quick_limits();
  limits.stop_ns = 300 * ns_per_ms;
  Rig rig("hang blocks:7 found", {"js220-1"}, limits);
  rig.start();
  REQUIRE(rig.sink.wait_for_event("js220-1", SourceEvent::Kind::found));
  const int64_t begun_ns = rig.clock.monotonic_ns();
  rig.source.stop();
  CHECK(rig.clock.monotonic_ns() - begun_ns < 10 * ns_per_s);
  CHECK(rig.sink.samples("js220-1") == 7000);
  CHECK(rig.texts("did not stop in time and was killed") == 1);
}

TEST_CASE("driver processes: a source that has ended is not started again") {
  Rig rig("found blocks:2 end");
  rig.start();
  REQUIRE(rig.sink.wait_for_event("js220-1", SourceEvent::Kind::ended));
  rig.source.stop();
  CHECK(rig.sink.calls("js220-1").size() == 4);
}

TEST_CASE("driver processes: a scout that keeps failing is told of, and the instruments go on") {
  Rig rig("scout-abort found drip");
  rig.start();
  rig.wait_for_text("instruments that are plugged in now are not seen: the driver's process died (signal 6, Aborted)");
  const uint64_t before = [&] {
    uint64_t now = 0;
    rig.sink.wait_for([&] { return now = rig.sink.samples("js220-1"), true; });
    return now;
  }();
  REQUIRE(rig.sink.wait_for_samples("js220-1", before + 5000));
  CHECK(rig.texts("not seen") == 1);
}

TEST_CASE("driver processes: when the agent is killed, its processes end") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const FileDescriptor output(ends[0]);
  FileDescriptor input(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.get(), 1);
  std::string words[] = {child_program(), "agent", "pid drip"};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t agent = 0;
  REQUIRE(::posix_spawn(&agent, argv[0], &actions, nullptr, argv, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  input = FileDescriptor();

  std::string said;
  while (said.find('\n') == std::string::npos && readable(output.get())) {
    char text[64];
    const ssize_t size = ::read(output.get(), text, sizeof text);
    if (size <= 0) break;
    said.append(text, static_cast<size_t>(size));
  }
  REQUIRE(said.starts_with("pid "));
  const FileDescriptor child(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(said.substr(4)), 0)));
  REQUIRE(child);
  ::kill(agent, SIGKILL);
  CHECK(::waitpid(agent, nullptr, 0) == agent);
  CHECK(readable(child.get()));  // its end
  char text[64];
  while (readable(output.get()) && ::read(output.get(), text, sizeof text) > 0) continue;  // all of them have closed it
}
