// The local door for the CLI: `<spool directory>/control.sock`.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "agent/base/result.h"

namespace joulespool::app {

// Protocol: the client connects, sends one line (a JSON object {"version":1,"request":"status"}), reads one JSON document until
// the end, done. One client at a time; a client that says nothing is hung up on after request_timeout_ms.
class ControlSocket {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  static constexpr int request_timeout_ms = 2000;
  static constexpr size_t request_bytes_max = 64 * 1024;

  ControlSocket() = default;
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();  // stops

  // `answer` is called on a thread of the socket. Errors: unreachable (directory, permission).
  Status start(const std::string& directory, Answer answer);

 private:
  void serve(std::stop_token stop);
  void serve_one(int client);

  int listen_fd_ = -1;
  int stop_fd_ = -1;
  int directory_fd_ = -1;
  Answer answer_;
  std::jthread thread_;
};

}  // namespace joulespool::app
