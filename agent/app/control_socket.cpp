#include "agent/app/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/log.h"

namespace joulespool::app {
namespace {

constexpr const char* socket_name = "control.sock";

Error failed(const std::string& what) { return {Errc::unreachable, "control socket: " + what + ": " + std::strerror(errno)}; }

// A socket's path may have 107 bytes only; the way over an open directory is always short.
sockaddr_un address_in(int directory_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory_fd) + "/" + socket_name;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

bool readable(int fd, int timeout_ms) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, timeout_ms) == 1;
}

// The request's line, or what came of it.
std::string read_line(int client) {
  std::string line;
  std::array<char, 4096> buffer{};
  while (line.find('\n') == std::string::npos && line.size() < ControlSocket::request_bytes_max) {
    if (!readable(client, ControlSocket::request_timeout_ms)) break;
    const ssize_t got = read(client, buffer.data(), buffer.size());
    if (got <= 0) break;
    line.append(buffer.data(), static_cast<size_t>(got));
  }
  return line.substr(0, line.find('\n'));
}

void write_all(int client, const std::string& text) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count = send(client, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;  // the client left; its business
    sent += static_cast<size_t>(count);
  }
}

}  // namespace

Status ControlSocket::start(const std::string& directory, Answer answer) {
  answer_ = std::move(answer);
  directory_fd_ = open(directory.c_str(), O_DIRECTORY | O_CLOEXEC);
  if (directory_fd_ < 0) return failed(directory);
  unlinkat(directory_fd_, socket_name, 0);  // of a run that was killed: the spool's lock says that none is alive
  listen_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_in(directory_fd_);
  if (listen_fd_ < 0 || bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listen_fd_, 8) != 0)
    return failed(directory);
  if (fchmodat(directory_fd_, socket_name, 0660, 0) != 0) return failed(directory);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  return {};
}

ControlSocket::~ControlSocket() {
  if (thread_.joinable()) {
    thread_.request_stop();
    const uint64_t one = 1;
    if (write(stop_fd_, &one, sizeof one) < 0) log_event(LogLevel::error, "control_stop_failed");
    thread_.join();
    unlinkat(directory_fd_, socket_name, 0);
  }
  for (const int fd : {listen_fd_, stop_fd_, directory_fd_})
    if (fd >= 0) close(fd);
}

void ControlSocket::serve(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::array<pollfd, 2> waiting = {{{listen_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) <= 0 || (waiting[0].revents & POLLIN) == 0) continue;
    const int client = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    serve_one(client);
    close(client);
  }
}

void ControlSocket::serve_one(int client) {
  const timeval timeout{ControlSocket::request_timeout_ms / 1000, 0};
  setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  write_all(client, answer_(read_line(client)) + "\n");
}

}  // namespace joulespool::app
