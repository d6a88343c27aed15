#include "agent/device/driver_processes.h"

#include <utility>

namespace joulespool::device {
namespace {

constexpr unsigned scout_failures_told = 5;  // in a row; fewer are nobody's business, the instruments go on

// Ids that are given in full, in order.
std::vector<wire::DeviceIdentity> named_devices(const JoulescopeSettings& settings) {
  std::vector<wire::DeviceIdentity> named;
  for (const InstrumentSelection& selection : settings.selections)
    for (const std::string& pattern : selection.devices) {
      const size_t dash = pattern.find('-');
      if (pattern.find('*') == std::string::npos && dash != std::string::npos)
        named.push_back(wire::device_identity(pattern.substr(0, dash), pattern.substr(dash + 1)));
    }
  return named;
}

}  // namespace

// Between the processes and the agent's sink.
class DriverProcesses::Router final : public SampleSink {
 public:
  Router(DriverProcesses& processes, SampleSink& sink) : processes_(processes), sink_(sink) {}
  void on_samples(const std::string& device, const signal::SampleBlock& block) override { sink_.on_samples(device, block); }
  void on_event(const std::string& device, const SourceEvent& event) override {
    if (!event.identity.id.empty()) processes_.remember(event.identity);
    sink_.on_event(device, event);
  }
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override {
    return sink_.wait_for_room(device, samples, timeout);
  }

 private:
  DriverProcesses& processes_;
  SampleSink& sink_;
};

// What the scout says stays here: the instrument's own process says the same, and more.
class DriverProcesses::Scout final : public SampleSink {
 public:
  explicit Scout(DriverProcesses& processes) : processes_(processes) {}
  void on_samples(const std::string&, const signal::SampleBlock&) override {}
  void on_event(const std::string&, const SourceEvent& event) override {
    if (event.kind != SourceEvent::Kind::attached || find_selection(processes_.settings_, event.identity.id) == nullptr) return;
    processes_.remember(event.identity);
    processes_.add_device(event.identity);
  }
  bool wait_for_room(const std::string&, size_t, std::chrono::milliseconds) override { return true; }

 private:
  DriverProcesses& processes_;
};

DriverProcesses::DriverProcesses(Clock& clock, JoulescopeSettings settings, std::string program, DriverLimits limits)
    : clock_(clock), settings_(std::move(settings)), program_(std::move(program)), limits_(limits) {
  for (const wire::DeviceIdentity& identity : named_devices(settings_)) known_.emplace(identity.id, identity);
}

DriverProcesses::~DriverProcesses() { stop(); }

std::vector<wire::DeviceIdentity> DriverProcesses::devices() const {
  const std::lock_guard lock(mutex_);
  std::vector<wire::DeviceIdentity> identities;
  for (const auto& [id, identity] : known_) identities.push_back(identity);
  return identities;
}

void DriverProcesses::remember(const wire::DeviceIdentity& identity) {
  const std::lock_guard lock(mutex_);
  wire::DeviceIdentity& known = known_[identity.id];
  const bool says_more = !identity.id.ends_with("-" + identity.serial);  // a name in the settings loses the serial's case
  if (known.id.empty() || says_more) known = identity;
}

void DriverProcesses::add_device(const wire::DeviceIdentity& identity) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_ || device_processes_.contains(identity.id)) return;
  DriverTask task{program_, identity.id, identity, {settings_.library, {*find_selection(settings_, identity.id)}}, {}, 0, {}};
  task.settings.selections.front().devices = {identity.id};
  if (const auto at = resume_.find(identity.id); at != resume_.end()) task.resume = at->second;
  task.ring_bytes = limits_.device_ring_bytes;
  device_processes_.emplace(identity.id, std::make_unique<DriverSupervisor>(clock_, std::move(task), limits_, *router_));
}

void DriverProcesses::tell_all(const SourceEvent& event) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, process] : device_processes_) process->post(event);
}

DriverTask DriverProcesses::scout_task() {
  DriverTask task{program_, "scout", {}, {settings_.library, {}}, {}, limits_.scout_ring_bytes, {}};
  task.on_failure = [this](unsigned failures, const SourceEvent& event) {
    if (failures != scout_failures_told) return;
    SourceEvent note;
    note.text = "instruments that are plugged in now are not seen: " + event.text;
    tell_all(note);
  };
  return task;
}

Status DriverProcesses::start(SampleSink& sink, const ResumePoints& resume) {
  if (scout_process_) return Error{Errc::usage, "the source is running already"};
  is_stopping_ = false;
  resume_ = resume;
  router_ = std::make_unique<Router>(*this, sink);
  scout_ = std::make_unique<Scout>(*this);
  scout_process_ = std::make_unique<DriverSupervisor>(clock_, scout_task(), limits_, *scout_);
  if (Status status = scout_process_->wait_until_started(); !status) {
    stop();
    return status;
  }
  for (const wire::DeviceIdentity& identity : named_devices(settings_)) add_device(identity);
  return {};
}

void DriverProcesses::stop() {
  if (!scout_process_) return;
  scout_process_->request_stop();
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;  // from here on the scout adds no more
    for (const auto& [id, process] : device_processes_) process->request_stop();
  }
  scout_process_->join();
  for (const auto& [id, process] : device_processes_) process->join();
  device_processes_.clear();
  scout_process_.reset();
}

}  // namespace joulespool::device
