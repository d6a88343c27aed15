#include "cloud-bridge/app/acceptance.h"

namespace joulespool::bridge {

Acceptance::Kind Acceptance::judge(const Load& load) {
  // Agents stop at three quarters, so that what is on its way to us still fits, and begin again at half.
  if (load.held_bytes > load.held_bytes_max / 4 * 3) memory_full_ = true;
  if (load.held_bytes <= load.held_bytes_max / 2) memory_full_ = false;
  if (load.stopping) return Kind::stopping;
  if (load.endpoint_failures >= endpoint_failures_max) return Kind::kinesis;
  return memory_full_ ? Kind::memory : Kind::accepting;
}

void Acceptance::update(const Load& load) {
  const Kind kind = judge(load);
  if (kind == kind_) return;
  kind_ = kind;
  switch (kind) {
    case Kind::accepting: reason_.clear(); break;
    case Kind::stopping: reason_ = "stopping"; break;
    case Kind::kinesis: reason_ = load.last_error; break;
    case Kind::memory: reason_ = "memory full: Kinesis is slower than the agents"; break;
  }
}

}  // namespace joulespool::bridge
