#include "agent/device/driver_host.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "agent/device/driver_channel.h"
#include "agent/device/driver_order.h"
#include "agent/device/file_descriptor.h"

namespace joulespool::device {
namespace {

constexpr int beat_interval_ms = 500;
// A source that hangs while it starts or stops must not keep the instrument from the next agent when nobody is left to kill
// this process. Starting: the driver's own limits add up to about 10 s; stopping: closing takes up to 5 s.
constexpr unsigned start_limit_s = 60;
constexpr unsigned stop_limit_s = 15;
// A service manager may send SIGTERM to all processes of the agent at once: the agent then says stop by itself, and until
// it does no sample needs to be lost.
constexpr int terminate_grace_ms = 1000;

// From here on SIGTERM is read from the descriptor, by this thread only.
FileDescriptor take_signals() {
  std::signal(SIGINT, SIG_IGN);   // of the terminal: meant for the agent
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads stderr may go
  std::signal(SIGALRM, SIG_DFL);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  return FileDescriptor(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool is_socket(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

Result<DriverOrder> receive_order() {
  wire::Bytes message(host_message_max);
  const ssize_t size = ::recv(host_socket_fd, message.data(), message.size(), 0);
  if (size <= 0) return Error{Errc::unreachable, "the agent has gone"};
  return read_order(wire::ByteView(message).first(static_cast<size_t>(size)));
}

void send_answer(const Status& started) {
  const wire::Bytes answer = write_answer(started);
  static_cast<void>(::send(host_socket_fd, answer.data(), answer.size(), MSG_NOSIGNAL));  // gone: seen by the next poll()
}

// Until the agent says stop or is gone: both end the socket.
void beat_until_stop(SharedRing& ring, int terminate_fd) {
  std::array<pollfd, 2> fds{pollfd{host_socket_fd, POLLIN, 0}, pollfd{terminate_fd, POLLIN, 0}};
  while (fds[0].revents == 0 && fds[1].revents == 0) {
    ring.beat();
    static_cast<void>(::poll(fds.data(), fds.size(), beat_interval_ms));
  }
  if (fds[0].revents == 0) static_cast<void>(::poll(fds.data(), 1, terminate_grace_ms));
}

}  // namespace

Status run_driver_host(Clock& clock, const MakeDriverSource& make_source) {
  if (!is_socket(host_socket_fd)) return Error{Errc::usage, "the agent starts this beside itself; it is of no use by hand"};
  const FileDescriptor terminate = take_signals();
  const auto order = receive_order();
  if (!order) return order.error();
  auto ring = SharedRing::attach(FileDescriptor(host_memory_fd));
  if (!ring) return ring.error();
  ChannelSink sink(*ring, host_wake_fd);
  const auto source = make_source(clock, order->settings);
  ::alarm(start_limit_s);
  const Status started = source->start(sink, order->resume);
  ::alarm(0);
  send_answer(started);
  if (!started) return {};
  beat_until_stop(*ring, terminate.get());
  ::alarm(stop_limit_s);
  source->stop();
  sink.flush();
  return {};
}

}  // namespace joulespool::device
