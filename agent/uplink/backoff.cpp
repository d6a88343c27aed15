#include "agent/uplink/backoff.h"

#include "agent/base/backoff.h"

namespace joulespool::uplink {

int64_t Backoff::next_ns() { return backoff_ns({settings_.first_ns, settings_.max_ns}, ++attempts_, random_); }

}  // namespace joulespool::uplink
