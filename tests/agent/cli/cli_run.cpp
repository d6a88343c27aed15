#include "tests/agent/cli/cli_run.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include "agent/cli/command_line.h"

namespace joulespool::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> made;
  for (std::string& text : texts) made.push_back(text.data());
  made.push_back(nullptr);
  return made;
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    read_end = ends[0];
    write_end = ends[1];
  }
};

// Adds what is there to `text`; false at the end.
bool drain(int fd, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t size = read(fd, buffer.data(), buffer.size());
  if (size > 0) text.append(buffer.data(), static_cast<size_t>(size));
  return size > 0;
}

}  // namespace

CliResult run_in_process(const std::vector<std::string>& arguments, const Environment& environment) {
  std::vector<const char*> argv = {"joulespool"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out, err;
  SystemClock clock;
  const Surroundings surroundings{environment, out, err, clock};
  const int exit_code = cli::run_command_line(static_cast<int>(argv.size()), argv.data(), surroundings);
  return {exit_code, out.str(), err.str()};
}

CliResult run_program(const std::vector<std::string>& arguments, const Environment& environment, const std::string& stop_line) {
  const char* program = std::getenv("JOULESPOOL_PROGRAM");
  REQUIRE(program != nullptr);
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, 2);
  pid_t pid = 0;
  const int spawned = posix_spawn(&pid, program, &actions, nullptr, pointers(argv).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(out.write_end);
  close(err.write_end);
  REQUIRE(spawned == 0);

  CliResult result;
  pollfd ends[2] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
  bool stopped = stop_line.empty();
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, 60000) <= 0) kill(pid, SIGKILL);  // it hangs: the exit code will tell
    if (ends[0].revents != 0 && !drain(out.read_end, result.out)) ends[0].fd = -1;
    if (ends[1].revents != 0 && !drain(err.read_end, result.err)) ends[1].fd = -1;
    if (stopped || (result.err + '\n' + result.out).find(stop_line) == std::string::npos) continue;
    kill(pid, SIGTERM);
    stopped = true;
  }
  close(out.read_end);
  close(err.read_end);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

}  // namespace joulespool::test
