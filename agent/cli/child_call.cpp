#include "agent/cli/child_call.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace joulespool::cli {
namespace {

void write_all(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(fd, text.data() + at, text.size() - at);
    if (written > 0) at += static_cast<size_t>(written);
    else if (errno != EINTR) return;
  }
}

[[noreturn]] void answer_and_end(int fd, const std::function<std::string()>& call) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody waits for it any more then
  try {
    write_all(fd, call());
  } catch (...) {
    _exit(1);
  }
  _exit(0);  // no destructors, no buffers: they are the parent's
}

// Everything until the other end closes; false if that takes longer than until `deadline_ns`.
bool read_until(int fd, int64_t deadline_ns, Clock& clock, std::string& text) {
  std::array<char, 4096> buffer;
  while (true) {
    const int64_t left_ms = (deadline_ns - clock.monotonic_ns()) / ns_per_ms;
    if (left_ms <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left_ms, 60000))) <= 0) continue;
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size == 0) return true;
    if (size > 0) text.append(buffer.data(), static_cast<size_t>(size));
    else if (errno != EINTR) return true;
  }
}

int reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

}  // namespace

Result<std::string> call_in_child(const std::function<std::string()>& call, int64_t timeout_ms, Clock& clock) {
  const int64_t deadline_ns = clock.monotonic_ns() + timeout_ms * ns_per_ms;
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return Error{Errc::internal, std::string("pipe: ") + std::strerror(errno)};
  const pid_t pid = fork();
  if (pid == 0) answer_and_end(ends[1], call);
  const int fork_error = errno;
  close(ends[1]);
  std::string text;
  const bool ended = pid > 0 && read_until(ends[0], deadline_ns, clock, text);
  close(ends[0]);
  if (pid < 0) return Error{Errc::internal, std::string("fork: ") + std::strerror(fork_error)};
  if (!ended) kill(pid, SIGKILL);
  const int status = reap(pid);
  if (!ended) return Error{Errc::unreachable, "no answer within " + std::to_string(timeout_ms) + " ms"};
  if (WIFSIGNALED(status)) return Error{Errc::internal, std::string("it crashed (") + strsignal(WTERMSIG(status)) + ")"};
  if (WEXITSTATUS(status) != 0)
    return Error{Errc::internal, "it ended without an answer (exit code " + std::to_string(WEXITSTATUS(status)) + ")"};
  return text;
}

}  // namespace joulespool::cli
