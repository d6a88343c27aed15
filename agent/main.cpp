// joulespool: the agent. Everything is in agent/cli (commands) and agent/app (the running agent).
#include <unistd.h>

#include <iostream>
#include <string_view>

#include "agent/cli/command_line.h"

namespace {

std::map<std::string, std::string> read_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  joulespool::SystemClock clock;
  const joulespool::cli::Surroundings surroundings{read_environment(), std::cout, std::cerr, clock};
  return joulespool::cli::run_command_line(argc, argv, surroundings);
}
