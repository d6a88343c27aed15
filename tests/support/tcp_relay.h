// Stands between a client and a server on loopback and breaks what passes through.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace joulespool::test {

// Listens on a free port of 127.0.0.1 and forwards to `server_port` of the same. Members from any thread.
class TcpRelay {
 public:
  explicit TcpRelay(uint16_t server_port);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string uri() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

  // Resets every connection (RST to both sides).
  void cut();
  // While on: connections are taken, but nothing is forwarded in either direction.
  void blackhole(bool on);

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };
  void work();
  void accept_one();
  bool forward(int from, int to);
  void reset(const Pair& pair);
  void wake();

  const uint16_t server_port_;
  uint16_t port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> blackhole_ = false;
  std::atomic<unsigned> cuts_wanted_ = 0;
  std::vector<Pair> pairs_;  // the thread's
  std::thread thread_;
};

}  // namespace joulespool::test
