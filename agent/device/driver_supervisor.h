// Keeps one driver's process running: reads what it hands over, starts it again when it ends, dies or falls silent.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/backoff.h"
#include "agent/base/clock.h"
#include "agent/device/driver_channel.h"
#include "agent/device/driver_process.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

struct DriverLimits {
  size_t device_ring_bytes = 8 << 20;   // 0.5 s of a JS110 at full rate, 16 MB/s; more than any pause of the reader's thread
  size_t scout_ring_bytes = 256 << 10;  // events only: a thousand
  int64_t silence_ns = 30 * ns_per_s;   // without a sign of life; loading a driver and a stalled call take up to 10 s
  int64_t stop_ns = 8 * ns_per_s;       // to end when told to; closing an instrument takes up to 5 s
  BackoffLimits restart{200 * ns_per_ms, 30 * ns_per_s};
  int64_t well_ns = 60 * ns_per_s;  // after so long a start counts as a success
};

struct DriverTask {
  std::string program;
  std::string name;             // for people: the device's id, "scout"
  wire::DeviceIdentity device;  // whose items may come; id empty: anybody's (the scout)
  JoulescopeSettings settings;
  std::optional<ResumePoint> resume;
  size_t ring_bytes = 0;
  // Told of the process's ends, with their number in a row; unset: the sink is told of them, as events of the device.
  std::function<void(unsigned failures, const SourceEvent& event)> on_failure;
};

// All calls to the sink and on_failure() come on one thread.
class DriverSupervisor {
 public:
  // Both must outlive this. Starts at once.
  DriverSupervisor(Clock& clock, DriverTask task, const DriverLimits& limits, SampleSink& sink);
  ~DriverSupervisor();

  // How the first start went; takes at most limits.silence_ns.
  Status wait_until_started();
  // Says an event on the supervisor's thread, in turn.
  void post(SourceEvent event);
  // The process gets limits.stop_ns to end; what it has handed over by then is delivered. Then nothing comes any more.
  void request_stop() { thread_.request_stop(); }
  void join();

 private:
  // Why a run was over; neither: the source has ended, or it was told to stop.
  struct End {
    std::string failure;           // of the process
    std::optional<Error> refusal;  // of the source: it did not start
  };
  struct Progress {
    bool more = false;    // there may be more in the ring
    std::string failure;  // what came cannot be
  };

  void supervise(const std::stop_token& stop);
  bool run_once(const std::stop_token& stop);
  End serve(DriverProcess& process, const std::stop_token& stop);
  std::string finish(DriverProcess& process);
  Progress deliver_some(DriverProcess& process);
  std::string deliver_rest(DriverProcess& process);
  std::string deliver(std::span<std::byte> record);
  void say_posted();
  void say_started(const Status& status);
  void report(const End& end);
  [[nodiscard]] DriverOrder order() const;

  Clock& clock_;
  const DriverTask task_;
  const DriverLimits limits_;
  SampleSink& sink_;
  const FileDescriptor wake_;  // eventfd: a stop, something posted
  std::mt19937_64 random_;
  std::optional<ResumePoint> resume_;
  std::optional<int64_t> well_since_ns_;  // of the process that runs: when its source had started
  unsigned failures_ = 0;                 // in a row
  bool ended_ = false;                    // the source has nothing more
  ChannelItem item_;
  std::mutex mutex_;  // of what follows
  std::condition_variable started_changed_;
  std::optional<Status> started_;
  std::vector<SourceEvent> posted_;
  std::jthread thread_;  // last: it uses all of the others
};

}  // namespace joulespool::device
