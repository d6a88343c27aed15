#include "tests/support/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace joulespool {
namespace {

// Without a loopback socket no test can go on.
void require(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::abort();
}

size_t content_length(const std::string& head) {
  const size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
}

}  // namespace

LoopbackServer::LoopbackServer(std::deque<RawAnswer> answers) : answers_(std::move(answers)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  require(listener_ >= 0 && ::bind(listener_, generic, size) == 0 && ::listen(listener_, 8) == 0, "loopback server");
  require(::getsockname(listener_, generic, &size) == 0 && ::pipe(wake_) == 0, "loopback server");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

LoopbackServer::~LoopbackServer() {
  ::close(wake_[1]);
  thread_.join();
  ::close(wake_[0]);
  ::close(listener_);
}

std::vector<std::string> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

bool LoopbackServer::wait_readable(int descriptor) const {
  std::array<pollfd, 2> polled{pollfd{descriptor, POLLIN, 0}, pollfd{wake_[0], POLLIN, 0}};
  return ::poll(polled.data(), polled.size(), -1) > 0 && polled[1].revents == 0;
}

void LoopbackServer::serve() {
  while (wait_readable(listener_)) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    ++connections_;
    serve_connection(connection);
    ::close(connection);
  }
}

void LoopbackServer::serve_connection(int connection) {
  while (read_request(connection)) {
    if (answers_.empty()) return;
    const RawAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    if (::send(connection, answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL) < 0 || answer.close) return;
    if (answer.keep_waiting) wait_readable(connection);
  }
}

bool LoopbackServer::read_request(int connection) {
  std::string request;
  std::array<char, 65536> buffer{};
  for (;;) {
    const size_t head_end = request.find("\r\n\r\n");
    if (head_end != std::string::npos && request.size() >= head_end + 4 + content_length(request)) break;
    if (!wait_readable(connection)) return false;
    const ssize_t got = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    request.append(buffer.data(), static_cast<size_t>(got));
  }
  const std::lock_guard lock(mutex_);
  requests_.push_back(std::move(request));
  return true;
}

std::string http_answer(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) + " Text\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace joulespool
