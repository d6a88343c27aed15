// joulespool-bridge. Everything is in cloud-bridge/cli (commands) and cloud-bridge/app (the running bridge).
#include <unistd.h>

#include <iostream>
#include <string_view>

#include "cloud-bridge/cli/commands.h"

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
  const joulespool::bridge_cli::Surroundings surroundings{read_environment(), std::cout, std::cerr, clock};
  return joulespool::bridge_cli::run_command_line(argc, argv, surroundings);
}
