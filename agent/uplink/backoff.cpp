#include "agent/uplink/backoff.h"

namespace joulespool::uplink {

int64_t Backoff::next_ns() {
  int64_t longest_ns = settings_.first_ns;
  for (unsigned i = 0; i < attempts_ && longest_ns < settings_.max_ns; ++i) longest_ns *= 2;
  if (longest_ns > settings_.max_ns) longest_ns = settings_.max_ns;
  ++attempts_;
  return static_cast<int64_t>(random_() % (static_cast<uint64_t>(longest_ns) + 1));
}

}  // namespace joulespool::uplink
