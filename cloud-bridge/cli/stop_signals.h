// SIGTERM and SIGINT as a request to stop.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace joulespool::bridge_cli {

// Turns the first SIGTERM or SIGINT into a stop request. Make it before any other thread: they inherit the blocked signals.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_{};
  std::stop_source source_;
  std::thread watcher_;
};

}  // namespace joulespool::bridge_cli
