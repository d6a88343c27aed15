// Runs the command line in this process, or the built program in one of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace joulespool::test {

struct CliResult {
  int exit_code = -1;  // of a process: -1 if a signal ended it
  std::string out, err;
};

using Environment = std::map<std::string, std::string>;

CliResult run_in_process(const std::vector<std::string>& arguments, const Environment& environment = {});
// The program named by JOULESPOOL_PROGRAM. `stop_line`: SIGTERM is sent once this text is on stderr or stdout; empty: never.
CliResult run_program(const std::vector<std::string>& arguments, const Environment& environment = {},
                      const std::string& stop_line = "");

}  // namespace joulespool::test
