#include "agent/cli/control_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace joulespool::cli {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor() {
    if (number_ >= 0) close(number_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Error unreachable(const std::string& directory, const std::string& why) {
  return {Errc::unreachable, directory + "/" + control_socket_name + ": " + why};
}

// A path through /proc, because a socket's path has room for 107 bytes only.
sockaddr_un socket_address(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + control_socket_name;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// Waits for `events`; false when the time is up.
bool wait_for(int socket, short events, int64_t deadline_ns, Clock& clock) {
  while (true) {
    const int64_t left_ms = (deadline_ns - clock.monotonic_ns()) / ns_per_ms;
    if (left_ms <= 0) return false;
    pollfd waiting{socket, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left_ms, 60000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Status send_all(int socket, const std::string& text, int64_t deadline_ns, Clock& clock) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t sent = send(socket, text.data() + at, text.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at += static_cast<size_t>(sent);
    else if (errno == EAGAIN && !wait_for(socket, POLLOUT, deadline_ns, clock))
      return Error{Errc::unreachable, "the agent takes no request"};
    else if (errno != EAGAIN && errno != EINTR) return Error{Errc::unreachable, std::strerror(errno)};
  }
  return {};
}

Result<std::string> receive_all(int socket, int64_t deadline_ns, Clock& clock) {
  std::string answer;
  std::array<char, 65536> buffer;
  while (answer.size() <= control_answer_bytes_max) {
    if (!wait_for(socket, POLLIN, deadline_ns, clock)) return Error{Errc::unreachable, "the agent does not answer"};
    const ssize_t received = recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received == 0) return answer;
    if (received > 0) answer.append(buffer.data(), static_cast<size_t>(received));
    else if (errno != EAGAIN && errno != EINTR) return Error{Errc::unreachable, std::strerror(errno)};
  }
  return Error{Errc::damaged, "the agent's answer is too long"};
}

}  // namespace

Result<std::string> ask_agent(const std::string& spool_directory, const std::string& request, int64_t timeout_ms, Clock& clock) {
  const int64_t deadline_ns = clock.monotonic_ns() + timeout_ms * ns_per_ms;
  const FileDescriptor directory(open(spool_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0) return unreachable(spool_directory, std::strerror(errno));
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.number() < 0) return Error{Errc::internal, std::string("socket: ") + std::strerror(errno)};
  const sockaddr_un address = socket_address(directory.number());
  if (connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return unreachable(spool_directory, std::strerror(errno));
  const std::string line = nlohmann::json({{"version", 1}, {"request", request}}).dump() + "\n";
  if (const Status sent = send_all(socket.number(), line, deadline_ns, clock); !sent)
    return unreachable(spool_directory, sent.error().message);
  auto answer = receive_all(socket.number(), deadline_ns, clock);
  if (!answer) return answer.error().in(spool_directory + "/" + control_socket_name);
  return answer;
}

}  // namespace joulespool::cli
