#include "tests/support/tcp_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace joulespool::test {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

TcpRelay::TcpRelay(uint16_t server_port) : server_port_(server_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size);
  ::listen(listener_, 16);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) return;
  thread_ = std::thread([this] { work(); });
}

TcpRelay::~TcpRelay() {
  stopping_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
  for (const Pair& pair : pairs_) reset(pair);
  ::close(listener_);
  ::close(wake_[0]);
  ::close(wake_[1]);
}

void TcpRelay::wake() {
  const char one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_[1], &one, 1);
}

void TcpRelay::cut() {
  ++cuts_wanted_;
  wake();
}

void TcpRelay::blackhole(bool on) {
  blackhole_ = on;
  wake();
}

void TcpRelay::reset(const Pair& pair) {
  const linger at_once{1, 0};  // close() sends RST
  for (const int fd : {pair.client, pair.server}) {
    if (fd < 0) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    ::close(fd);
  }
}

void TcpRelay::accept_one() {
  Pair pair;
  pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_port_);
  if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 && !blackhole_) {
    reset(pair);
    return;
  }
  pairs_.push_back(pair);
}

bool TcpRelay::forward(int from, int to) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t now = ::send(to, buffer.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  return true;
}

void TcpRelay::work() {
  unsigned cuts_done = 0;
  while (!stopping_) {
    std::vector<pollfd> polled = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    const bool forwards = !blackhole_;
    const size_t pairs = forwards ? pairs_.size() : 0;
    for (size_t i = 0; i < pairs; ++i) {
      polled.push_back({pairs_[i].client, POLLIN, 0});
      polled.push_back({pairs_[i].server, POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), -1);
    std::array<char, 64> drained;
    while (::read(wake_[0], drained.data(), drained.size()) > 0) {
    }
    for (size_t i = pairs; i-- > 0;) {
      const Pair pair = pairs_[i];
      const bool client_ok = polled[2 + 2 * i].revents == 0 || forward(pair.client, pair.server);
      const bool server_ok = polled[3 + 2 * i].revents == 0 || forward(pair.server, pair.client);
      if (client_ok && server_ok) continue;
      ::close(pair.client);
      ::close(pair.server);
      pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (const unsigned wanted = cuts_wanted_; wanted != cuts_done) {
      cuts_done = wanted;
      for (const Pair& pair : pairs_) reset(pair);
      pairs_.clear();
    }
    if (polled[1].revents != 0) accept_one();
  }
}

}  // namespace joulespool::test
