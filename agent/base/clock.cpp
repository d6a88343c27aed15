#include "agent/base/clock.h"

#include <chrono>

namespace joulespool {

int64_t SystemClock::realtime_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

int64_t SystemClock::monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool SystemClock::wait_until(int64_t deadline_ns, std::stop_token stop) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < deadline)
    wake_.wait_until(lock, stop, deadline, [] { return false; });
  return !stop.stop_requested();
}

int64_t ManualClock::realtime_ns() {
  const std::lock_guard lock(mutex_);
  return realtime_ns_;
}

int64_t ManualClock::monotonic_ns() {
  const std::lock_guard lock(mutex_);
  return monotonic_ns_;
}

bool ManualClock::wait_until(int64_t deadline_ns, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return wake_.wait(lock, stop, [&] { return monotonic_ns_ >= deadline_ns; });
}

void ManualClock::advance(int64_t ns) {
  {
    const std::lock_guard lock(mutex_);
    monotonic_ns_ += ns;
    realtime_ns_ += ns;
  }
  wake_.notify_all();
}

void ManualClock::step_realtime(int64_t ns) {
  const std::lock_guard lock(mutex_);
  realtime_ns_ += ns;
}

}  // namespace joulespool
