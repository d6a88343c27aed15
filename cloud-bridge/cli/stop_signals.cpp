#include "cloud-bridge/cli/stop_signals.h"

#include <pthread.h>

namespace joulespool::bridge_cli {

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  watcher_ = std::thread([this] {
    int signal = 0;
    sigwait(&signals_, &signal);
    source_.request_stop();
  });
}

StopSignals::~StopSignals() {
  pthread_kill(watcher_.native_handle(), SIGTERM);  // ends a sigwait() that no signal came to
  watcher_.join();
}

}  // namespace joulespool::bridge_cli
