// Process exit codes, a contract of both programs.
#pragma once

#include "agent/base/result.h"

namespace joulespool {

enum ExitCode : int {
  exit_ok = 0,
  exit_no = 1,           // the question's answer is no: damage found, not complete
  exit_usage = 2,        // wrong usage or configuration
  exit_unreachable = 3,  // a needed part cannot be reached or is held by another process
  exit_internal = 4,
};

ExitCode exit_code(const Error& error);

}  // namespace joulespool
