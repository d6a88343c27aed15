// joulespool: the agent. Everything is in agent/cli (commands) and agent/app (the running agent).
#include <iostream>

#include "agent/cli/command_line.h"

int main(int argc, char** argv) {
  joulespool::SystemClock clock;
  const joulespool::Surroundings surroundings{joulespool::read_environment(), std::cout, std::cerr, clock};
  return joulespool::cli::run_command_line(argc, argv, surroundings);
}
