#include "agent/device/driver_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "agent/device/driver_host.h"

namespace joulespool::device {
namespace {

constexpr int kill_limit_ms = 3000;  // more than a process takes to end, if the kernel lets it
constexpr int above_host_fds = 16;   // numbers that the child's descriptors do not take

Error system_error(const std::string& what, int error) { return {Errc::unreachable, what + ": " + std::strerror(error)}; }

// What posix_spawn needs to know.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t blocked, defaults;
    sigemptyset(&blocked);  // of this process's mask nothing remains, but no SIGTERM before the child is ready for it
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attributes_, &blocked);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }

  void give(int fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd, as); }
  // Libraries open descriptors without O_CLOEXEC: none of them may live on in the child.
  void close_from(int fd) { posix_spawn_file_actions_addclosefrom_np(&actions_, fd); }
  int spawn(pid_t& pid, const std::string& program, const std::string& name) {
    std::array<std::string, 3> arguments{"joulespool", driver_host_command, name};
    std::array<char*, 4> argv{arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
    return posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// glibc's own declaration is not usable from C++ before 2.37.
int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// The same descriptor with a number that no dup2() of the plan overwrites.
FileDescriptor out_of_the_way(int fd) { return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, above_host_fds)); }

}  // namespace

Result<std::unique_ptr<DriverProcess>> DriverProcess::spawn(const std::string& program, const std::string& name,
                                                            const DriverOrder& order, size_t ring_bytes) {
  const wire::Bytes message = write_order(order);
  if (message.size() > host_message_max) return Error{Errc::usage, "the settings of joulescopes are too long"};
  auto ring = SharedRing::create(ring_bytes);
  if (!ring) return ring.error();
  FileDescriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int ends[2] = {-1, -1};
  if (!wake || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return system_error("driver's process", errno);
  std::unique_ptr<DriverProcess> process(new DriverProcess(std::move(*ring), FileDescriptor(ends[0]), std::move(wake)));
  const FileDescriptor theirs(ends[1]);
  if (::send(ends[0], message.data(), message.size(), MSG_NOSIGNAL) < 0) return system_error("driver's process", errno);

  const FileDescriptor socket = out_of_the_way(theirs.get());
  const FileDescriptor memory = out_of_the_way(process->ring_.descriptor());
  const FileDescriptor waker = out_of_the_way(process->wake_.get());
  if (!socket || !memory || !waker) return system_error("driver's process", errno);
  SpawnPlan plan;
  plan.give(socket.get(), host_socket_fd);
  plan.give(memory.get(), host_memory_fd);
  plan.give(waker.get(), host_wake_fd);
  plan.close_from(host_wake_fd + 1);
  pid_t pid = 0;
  if (const int error = plan.spawn(pid, program, name); error != 0) return system_error("start " + program, error);
  process->pid_ = pid;
  process->process_ = FileDescriptor(open_pidfd(pid));
  if (!process->process_) return system_error("watch the driver's process", errno);
  return process;
}

DriverProcess::~DriverProcess() { kill(); }

bool DriverProcess::reap(int options) {
  if (pid_ == 0) return true;
  pid_t ended = 0;
  do ended = ::waitpid(pid_, &wait_status_, options);
  while (ended < 0 && errno == EINTR);
  if (ended == 0) return false;
  pid_ = 0;
  return true;
}

void DriverProcess::wait(int other_fd, int timeout_ms) {
  std::array<pollfd, 4> fds{pollfd{wake_.get(), POLLIN, 0}, pollfd{process_.get(), POLLIN, 0}, pollfd{other_fd, POLLIN, 0},
                            pollfd{is_answered_ ? -1 : socket_.get(), POLLIN, 0}};
  static_cast<void>(::poll(fds.data(), fds.size(), timeout_ms));
  eventfd_t records = 0;
  static_cast<void>(::eventfd_read(wake_.get(), &records));
}

std::optional<Status> DriverProcess::take_answer() {
  if (is_answered_) return std::nullopt;
  wire::Bytes message(host_message_max);
  const ssize_t size = ::recv(socket_.get(), message.data(), message.size(), MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  is_answered_ = true;
  if (size == 0) return std::nullopt;  // it has ended without one
  auto answer = read_answer(wire::ByteView(message).first(static_cast<size_t>(size)));
  return answer ? *answer : Status(answer.error());
}

bool DriverProcess::has_ended() { return reap(WNOHANG); }

void DriverProcess::ask_to_stop() { ::shutdown(socket_.get(), SHUT_WR); }

void DriverProcess::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  pollfd end{process_.get(), POLLIN, 0};
  if (process_ && ::poll(&end, 1, kill_limit_ms) == 0) {
    wait_status_ = SIGKILL;  // what it will be; whoever comes after this program takes it then
    pid_ = 0;
    return;
  }
  reap(0);
}

std::string DriverProcess::how_it_ended() const {
  if (!WIFSIGNALED(wait_status_)) return "ended (exit code " + std::to_string(WEXITSTATUS(wait_status_)) + ")";
  const int signal = WTERMSIG(wait_status_);
  const char* const name = ::sigdescr_np(signal);
  return "died (signal " + std::to_string(signal) + (name == nullptr ? "" : std::string(", ") + name) + ")";
}

}  // namespace joulespool::device
