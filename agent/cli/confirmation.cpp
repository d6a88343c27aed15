#include "agent/cli/confirmation.h"

#include <unistd.h>

#include <iostream>

namespace joulespool::cli {

Result<bool> confirm(const std::string& question, const std::string& instead, const Surroundings& surroundings) {
  const bool is_terminal = &surroundings.err == &std::cerr && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  if (!is_terminal) return Error{Errc::usage, "there is no terminal to ask on: " + instead};
  surroundings.err << question << " Type yes to go on: " << std::flush;
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

}  // namespace joulespool::cli
