// Asking a person before something is done that cannot be undone.
#pragma once

#include <string>

#include "agent/cli/command.h"

namespace joulespool::cli {

// Shows `question` on stderr and waits for a line on stdin: true for "yes", nothing else. Errors: usage, where stdin or stderr is
// no terminal: `instead` says what to do then ("--yes says that you mean it").
Result<bool> confirm(const std::string& question, const std::string& instead, const Surroundings& surroundings);

}  // namespace joulespool::cli
