// Ctrl-C and SIGTERM as a stop token, for commands that go on until they are stopped.
#pragma once

#include <signal.h>

#include <stop_token>
#include <thread>

namespace joulespool {

// From construction on, SIGINT and SIGTERM only request a stop. To be made before any thread, which inherits that.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  void wait();

  sigset_t before_{};
  int signal_fd_ = -1;
  int end_fd_ = -1;
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace joulespool
