#include "agent/device/driver_supervisor.h"

#include <sys/eventfd.h>

#include <algorithm>

namespace joulespool::device {
namespace {

constexpr int check_interval_ms = 1000;  // of the signs of life, which come every 500 ms
constexpr int items_at_once = 64;        // between two looks at everything else

// Counts only time in which this process ran too: a machine that was halted for an hour is not a driver that hangs.
class Silence {
 public:
  explicit Silence(int64_t now_ns) : checked_ns_(now_ns) {}
  int64_t update(uint64_t beats, int64_t now_ns) {
    const int64_t step_ns = std::min(now_ns - checked_ns_, 2 * check_interval_ms * ns_per_ms);
    length_ns_ = beats == beats_ ? length_ns_ + step_ns : 0;
    beats_ = beats;
    checked_ns_ = now_ns;
    return length_ns_;
  }

 private:
  int64_t checked_ns_;
  int64_t length_ns_ = 0;
  uint64_t beats_ = 0;
};

// A sink that keeps a pointer shall be found out at once, not when the ring has come round.
void spoil(std::span<std::byte> record, const signal::SampleBlock& block) {
  const auto offset = static_cast<size_t>(std::as_bytes(block.i).data() - record.data());
  for (std::byte& byte : record.subspan(offset, sizeof(float))) byte = ~byte;
}

}  // namespace

DriverSupervisor::DriverSupervisor(Clock& clock, DriverTask task, const DriverLimits& limits, SampleSink& sink)
    : clock_(clock),
      task_(std::move(task)),
      limits_(limits),
      sink_(sink),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      random_(std::random_device{}()),
      resume_(task_.resume),
      thread_([this](const std::stop_token& stop) { supervise(stop); }) {}

DriverSupervisor::~DriverSupervisor() {
  request_stop();
  join();
}

void DriverSupervisor::join() {
  if (thread_.joinable()) thread_.join();
}

Status DriverSupervisor::wait_until_started() {
  std::unique_lock lock(mutex_);
  started_changed_.wait(lock, [&] { return started_.has_value(); });
  return *started_;
}

void DriverSupervisor::say_started(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (!started_) started_ = status;
  started_changed_.notify_all();
}

void DriverSupervisor::post(SourceEvent event) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(event));
  }
  static_cast<void>(::eventfd_write(wake_.get(), 1));
}

void DriverSupervisor::say_posted() {
  std::vector<SourceEvent> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(posted_);
  }
  for (const SourceEvent& event : events) sink_.on_event(task_.device.id, event);
}

DriverOrder DriverSupervisor::order() const {
  DriverOrder order{task_.settings, {}};
  if (resume_) order.resume.emplace(task_.device.id, *resume_);
  return order;
}

void DriverSupervisor::supervise(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { static_cast<void>(::eventfd_write(wake_.get(), 1)); });
  while (!stop.stop_requested() && !ended_) {
    const bool may_be_repeated = run_once(stop);
    if (stop.stop_requested() || ended_ || !may_be_repeated) break;
    clock_.wait_until(clock_.monotonic_ns() + backoff_ns(limits_.restart, failures_, random_), stop);
  }
  say_started(Error{Errc::cancelled, "stopped"});
}

// Runs a process to its end and says how that was. False: a setting is wrong, it would be the same again.
bool DriverSupervisor::run_once(const std::stop_token& stop) {
  well_since_ns_.reset();
  const auto process = DriverProcess::spawn(task_.program, task_.name, order(), task_.ring_bytes);
  End end;
  if (process) end = serve(**process, stop);
  else end.refusal = process.error();
  if (process && end.failure.empty()) end.failure = finish(**process);
  if (stop.stop_requested() || ended_) return false;
  if (well_since_ns_ && clock_.monotonic_ns() - *well_since_ns_ >= limits_.well_ns) failures_ = 0;
  ++failures_;
  report(end);
  say_started(end.refusal ? *end.refusal : Error{Errc::unreachable, end.failure});
  return !end.refusal || end.refusal->code != Errc::usage;
}

void DriverSupervisor::report(const End& end) {
  SourceEvent event;
  event.kind = end.refusal ? SourceEvent::Kind::trouble : SourceEvent::Kind::lost;
  event.text = end.refusal ? end.refusal->message : end.failure + "; it is started again";
  event.identity = task_.device;
  if (task_.on_failure) task_.on_failure(failures_, event);
  else sink_.on_event(task_.device.id, event);
}

// Until it has failed, or is to end.
DriverSupervisor::End DriverSupervisor::serve(DriverProcess& process, const std::stop_token& stop) {
  Silence silence(clock_.monotonic_ns());
  Progress progress;
  while (!stop.stop_requested()) {
    process.wait(wake_.get(), progress.more ? 0 : check_interval_ms);
    eventfd_t posted = 0;
    static_cast<void>(::eventfd_read(wake_.get(), &posted));
    say_posted();
    const bool has_ended = process.has_ended();  // asked first: then nothing can come after what is read now
    if (const auto answer = process.take_answer()) {
      say_started(*answer);
      if (!*answer) return {{}, answer->error()};
      well_since_ns_ = clock_.monotonic_ns();
    }
    progress = has_ended ? Progress{false, deliver_rest(process)} : deliver_some(process);
    if (!progress.failure.empty() || ended_) return {progress.failure, {}};
    if (has_ended) return {"the driver's process " + process.how_it_ended(), {}};
    if (silence.update(process.ring().beats(), clock_.monotonic_ns()) >= limits_.silence_ns) {
      process.kill();
      deliver_rest(process);
      return {"the driver's process hung and was killed", {}};
    }
  }
  return {};
}

// Lets it end in time. Gives what went wrong with its last words, which nobody needs any more after a stop.
std::string DriverSupervisor::finish(DriverProcess& process) {
  process.ask_to_stop();
  const int64_t deadline_ns = clock_.monotonic_ns() + limits_.stop_ns;
  Progress progress;
  while (progress.failure.empty() && !process.has_ended()) {
    const int64_t left_ns = deadline_ns - clock_.monotonic_ns();
    if (left_ns <= 0) {
      process.kill();
      SourceEvent note;
      note.text = "the driver's process did not stop in time and was killed";
      if (!ended_ && !task_.device.id.empty()) sink_.on_event(task_.device.id, note);
      break;
    }
    process.wait(-1, progress.more ? 0 : static_cast<int>(left_ns / ns_per_ms) + 1);
    static_cast<void>(process.take_answer());  // too late
    progress = deliver_some(process);
  }
  process.kill();
  return progress.failure.empty() ? deliver_rest(process) : progress.failure;
}

DriverSupervisor::Progress DriverSupervisor::deliver_some(DriverProcess& process) {
  for (int n = 0; n < items_at_once; ++n) {
    const auto record = process.ring().front();
    if (record && record->empty()) return {};
    std::string failure = record ? deliver(*record) : record.error().message;
    if (!failure.empty()) {
      process.kill();
      return {false, "the driver's process handed over what makes no sense (" + failure + ") and was killed"};
    }
    process.ring().pop();
  }
  return {true, {}};
}

// Of a process that has ended.
std::string DriverSupervisor::deliver_rest(DriverProcess& process) {
  Progress progress{true, {}};
  while (progress.more) progress = deliver_some(process);
  return progress.failure;
}

std::string DriverSupervisor::deliver(std::span<std::byte> record) {
  if (const Status status = read_item(record, item_); !status) return status.error().message;
  if (!task_.device.id.empty() && item_.device != task_.device.id) return "it is about " + item_.device;
  if (ended_) return {};
  if (item_.event) {
    ended_ = item_.event->kind == SourceEvent::Kind::ended;
    sink_.on_event(item_.device, *item_.event);
    return {};
  }
  sink_.on_samples(item_.device, item_.block);
  resume_ = ResumePoint{item_.block.axis, item_.block.sample_id_end(), item_.block.utc};
  spoil(record, item_.block);
  return {};
}

}  // namespace joulespool::device
