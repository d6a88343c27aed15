// A TCP server on 127.0.0.1 that reads HTTP requests and answers each with the next of its prepared byte sequences.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace joulespool {

struct RawAnswer {
  std::string bytes;
  bool close = false;         // closes the connection afterwards
  bool keep_waiting = false;  // says nothing more; the connection stays open
};

class LoopbackServer {
 public:
  explicit LoopbackServer(std::deque<RawAnswer> answers);
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer();  // closes everything

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] std::vector<std::string> requests() const;  // heads and bodies as they came

 private:
  void serve();
  void serve_connection(int connection);
  bool read_request(int connection);
  bool wait_readable(int descriptor) const;  // false: the server ends

  int listener_ = -1;
  int port_ = 0;
  int wake_[2] = {-1, -1};
  std::deque<RawAnswer> answers_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// A complete HTTP/1.1 answer.
std::string http_answer(int status, const std::string& body, const std::string& headers = "");

}  // namespace joulespool
