// A real mosquitto on a free loopback port, for tests.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "agent/base/result.h"

namespace joulespool::test {

// Stopped by its pid in the destructor, at the latest with the thread that started it. One thread at a time.
class Mosquitto {
 public:
  using Files = std::map<std::string, std::string>;  // name -> text
  // `configuration`: further lines, in which DIRECTORY stands for the directory that gets `files`. Anonymous clients are
  // taken unless it says otherwise. Running and accepting when it returns.
  static Result<std::unique_ptr<Mosquitto>> start(const std::string& configuration = "", const Files& files = {});
  ~Mosquitto();
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string uri() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] pid_t pid() const { return pid_; }  // 0: not running

  void kill();  // SIGKILL; retained messages are gone
  void stop();  // SIGTERM
  // On the same port, with an empty store.
  Status start_again();

 private:
  Mosquitto() = default;
  Status run(std::string configuration, const Files& files);
  void end(int signal);

  std::string directory_;
  uint16_t port_ = 0;
  pid_t pid_ = 0;
};

// A port of 127.0.0.1 that nobody listens on. A server can be killed and started again on it: neither a client nor another
// test's server gets it meanwhile, as they could one that the kernel chose.
uint16_t free_port();

}  // namespace joulespool::test
