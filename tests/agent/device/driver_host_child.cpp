// The program of driver's processes in tests: a source that does what the setting `library` says, word by word.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <thread>

#include "agent/device/driver_host.h"
#include "agent/device/driver_order.h"
#include "agent/device/driver_processes.h"
#include "agent/device/simulated_source.h"
#include "tests/agent/device/driver_script.h"

namespace joulespool::test {
namespace {

using device::SourceEvent;

std::string rest_of(const std::string& word) { return word.substr(word.find(':') + 1); }

void tell(device::SampleSink& sink, const std::string& device, SourceEvent::Kind kind, const std::string& text) {
  SourceEvent event;
  event.kind = kind;
  event.text = text;
  event.identity = {device, device.substr(0, 5), device.substr(6)};
  sink.on_event(device, event);
}

void write_to_fifo(const std::string& path) {
  const device::FileDescriptor fifo(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  static_cast<void>(!::write(fifo.get(), "x", 1));
}

device::SharedRing attach_again() {
  auto ring = device::SharedRing::attach(device::FileDescriptor(::fcntl(device::host_memory_fd, F_DUPFD_CLOEXEC, 16)));
  if (!ring) std::abort();
  return std::move(*ring);
}

void damage_position() {
  void* const memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device::host_memory_fd, 0);
  std::memset(memory, 0xAB, 8);
}

// Before anything else was written.
void write_nonsense() {
  device::SharedRing ring = attach_again();
  std::memset(ring.reserve(64), 0xFF, 64);
  ring.commit(64);
}

class ScriptedSource final : public device::SampleSource {
 public:
  ScriptedSource(Clock& clock, const device::JoulescopeSettings& settings) : clock_(clock), script_(settings.library) {
    if (!settings.selections.empty()) device_ = settings.selections.front().devices.front();
  }
  ~ScriptedSource() override { stop(); }

  [[nodiscard]] std::string_view kind() const override { return "scripted"; }
  [[nodiscard]] std::vector<wire::DeviceIdentity> devices() const override { return {}; }

  Status start(device::SampleSink& sink, const device::ResumePoints& resume) override {
    std::istringstream words(script_);
    for (std::string word; words >> word;) {
      if (word.starts_with("refuse:")) return Error{Errc::unreachable, rest_of(word)};
      if (word.starts_with("refuse-setting:") && !device_.empty()) return Error{Errc::usage, rest_of(word)};
      if (word == "die-at-start") std::abort();
    }
    if (const auto at = resume.find(device_); at != resume.end()) resume_ = at->second;
    if (resume_) blocks_.life = resume_->axis.life, blocks_.next = resume_->sample_id_end + 1000;
    thread_ = std::jthread([this, &sink](const std::stop_token& stop) {
      if (device_.empty()) run_as_scout(stop, sink);
      else run_as_device(stop, sink);
    });
    return {};
  }

  void stop() override {
    if (hangs_)
      for (;;) ::pause();
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    storm_.request_stop();
    if (storm_.joinable()) storm_.join();
  }

 private:
  void run_as_scout(const std::stop_token& stop, device::SampleSink& sink) {
    std::istringstream words(script_);
    for (std::string word; words >> word;) {
      if (word.starts_with("attach:")) tell(sink, rest_of(word), SourceEvent::Kind::attached, "");
      if (word == "scout-abort") abort_when_running(stop);
    }
  }

  // Not before the agent was told that the start went well.
  void abort_when_running(const std::stop_token& stop) {
    const device::SharedRing ring = attach_again();
    while (ring.beats() == 0 && clock_.wait_until(clock_.monotonic_ns() + ns_per_ms, stop)) continue;
    if (!stop.stop_requested()) std::abort();
  }

  void run_as_device(const std::stop_token& stop, device::SampleSink& sink) {
    std::istringstream words(script_);
    for (std::string word; words >> word && !stop.stop_requested();)
      if (!run_word(word, stop, sink)) return;
  }

  bool run_word(const std::string& word, const std::stop_token& stop, device::SampleSink& sink) {
    if (word == "pid") tell(sink, device_, SourceEvent::Kind::note, "pid " + std::to_string(::getpid()));
    if (word == "resume") tell(sink, device_, SourceEvent::Kind::note, resume_text());
    if (word == "found") tell(sink, device_, SourceEvent::Kind::found, "");
    if (word == "end") tell(sink, device_, SourceEvent::Kind::ended, "");
    if (word == "once" && resume_) return drip(stop, sink);
    if (word.starts_with("blocks:"))
      for (int n = std::stoi(rest_of(word)); n > 0; --n) blocks_.deliver(device_, sink);
    if (word == "drip") return drip(stop, sink);
    if (word == "storm") begin_storm(sink);
    if (word == "abort") std::abort();
    if (word == "exit") std::_Exit(1);
    if (word == "freeze") ::raise(SIGSTOP);
    if (word == "hang") hangs_ = true;
    if (word == "foreign") blocks_.deliver("js110-999", sink);
    if (word == "damage-position") damage_position();
    if (word == "nonsense") write_nonsense();
    if (word.starts_with("tell:")) write_to_fifo(rest_of(word));
    return true;
  }

  bool drip(const std::stop_token& stop, device::SampleSink& sink) {
    while (clock_.wait_until(clock_.monotonic_ns() + 5 * ns_per_ms, stop)) blocks_.deliver(device_, sink);
    return false;
  }

  // Blocks as fast as they go, on a thread of their own; goes on when there were some.
  void begin_storm(device::SampleSink& sink) {
    storm_ = std::jthread([this, &sink](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        blocks_.deliver(device_, sink);
        ++stormed_;
        stormed_.notify_all();
      }
    });
    for (unsigned seen = 0; seen < 20; seen = stormed_) stormed_.wait(seen);
  }

  [[nodiscard]] std::string resume_text() const {
    if (!resume_) return "resume none";
    return "resume " + std::to_string(resume_->axis.life) + " " + std::to_string(resume_->sample_id_end);
  }

  Clock& clock_;
  const std::string script_;
  std::string device_;  // empty: scout
  std::optional<device::ResumePoint> resume_;
  ScriptedBlocks blocks_;
  std::atomic<bool> hangs_ = false;
  std::atomic<unsigned> stormed_ = 0;
  std::jthread thread_, storm_;
};

std::unique_ptr<device::SampleSource> make_source(Clock& clock, const device::JoulescopeSettings& settings) {
  if (settings.selections.empty() || !settings.library.starts_with("simulate"))
    return std::make_unique<ScriptedSource>(clock, settings);
  return std::make_unique<device::SimulatedSource>(clock, std::vector{simulated_of(settings.selections.front().devices.front())});
}

class PrintingSink final : public device::SampleSink {
 public:
  void on_samples(const std::string&, const signal::SampleBlock&) override {}
  void on_event(const std::string&, const SourceEvent& event) override { std::cout << event.text << std::endl; }
  bool wait_for_room(const std::string&, size_t, std::chrono::milliseconds) override { return true; }
};

// An agent that another process will kill.
int run_agent(const std::string& script) {
  SystemClock clock;
  PrintingSink sink;
  device::JoulescopeSettings settings{script, {{}}};
  settings.selections.front().devices = {"js220-1"};
  device::DriverProcesses source(clock, settings);
  if (!source.start(sink, {})) return 1;
  for (;;) ::pause();
}

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[1]) == "agent") return joulespool::test::run_agent(argv[2]);
  joulespool::SystemClock clock;
  const auto status = joulespool::device::run_driver_host(clock, joulespool::test::make_source);
  if (!status) std::cerr << status.error().message << '\n';
  return status ? 0 : 1;
}
