// Asks the running agent over its control socket, <spool directory>/control.sock: one line of JSON there, one document back.
#pragma once

#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace joulespool::cli {

constexpr const char* control_socket_name = "control.sock";
constexpr size_t control_answer_bytes_max = 16 * 1024 * 1024;

// Sends {"version":1,"request":`request`} and returns the answer's text. Works for directories whose path is longer than a
// socket's may be. Errors: unreachable (nobody listens there; no answer in time), damaged (the answer is too long).
Result<std::string> ask_agent(const std::string& spool_directory, const std::string& request, int64_t timeout_ms, Clock& clock);

}  // namespace joulespool::cli
