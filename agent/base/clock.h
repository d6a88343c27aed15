// Time is an argument: everything that needs it takes a Clock&.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace joulespool {

constexpr int64_t ns_per_s = 1'000'000'000;
constexpr int64_t ns_per_ms = 1'000'000;
constexpr int64_t ns_per_us = 1'000;

// Every member may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970-01-01 UTC; may step.
  [[nodiscard]] virtual int64_t realtime_ns() = 0;
  // Nanoseconds since some fixed instant; never goes back.
  [[nodiscard]] virtual int64_t monotonic_ns() = 0;
  // Waits until monotonic_ns() >= deadline_ns. False if `stop` was requested before that.
  virtual bool wait_until(int64_t deadline_ns, std::stop_token stop) = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t realtime_ns() override;
  int64_t monotonic_ns() override;
  bool wait_until(int64_t deadline_ns, std::stop_token stop) override;

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
};

// For tests: time stands still until advance().
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t realtime_ns = 1'700'000'000 * ns_per_s) : realtime_ns_(realtime_ns) {}
  int64_t realtime_ns() override;
  int64_t monotonic_ns() override;
  bool wait_until(int64_t deadline_ns, std::stop_token stop) override;
  void advance(int64_t ns);
  // Steps the wall clock only.
  void step_realtime(int64_t ns);

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  int64_t realtime_ns_;
  int64_t monotonic_ns_ = 1 * ns_per_s;
};

}  // namespace joulespool
