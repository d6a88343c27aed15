// Runs a call in a child process: the driver library can crash or hang the process that loads it.
#pragma once

#include <functional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace joulespool::cli {

// What `call` answers in a copy of this process; that copy ends right after it. To be used before this process has made threads.
// Errors: internal (it crashed: which signal; it ended without an answer), unreachable (no answer within timeout_ms; it was
// ended).
Result<std::string> call_in_child(const std::function<std::string()>& call, int64_t timeout_ms, Clock& clock);

}  // namespace joulespool::cli
