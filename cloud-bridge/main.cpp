// joulespool-bridge. Everything is in cloud-bridge/cli (commands) and cloud-bridge/app (the running bridge).
#include <iostream>

#include "cloud-bridge/cli/commands.h"

int main(int argc, char** argv) {
  joulespool::SystemClock clock;
  const joulespool::Surroundings surroundings{joulespool::read_environment(), std::cout, std::cerr, clock};
  return joulespool::bridge_cli::run_command_line(argc, argv, surroundings);
}
