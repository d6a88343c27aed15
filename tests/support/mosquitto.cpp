#include "tests/support/mosquitto.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace joulespool::test {
namespace {

constexpr int start_deadline_ms = 10'000;
constexpr int poll_interval_ms = 5;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool accepts(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return connected;
}

bool is_free(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return bound;
}

pid_t spawn(const std::string& configuration_file, const std::string& log_file) {
  const char* arguments[] = {"mosquitto", "-c", configuration_file.c_str(), nullptr};
  const std::string path = "/usr/sbin/mosquitto";
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int log = ::open(log_file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  ::dup2(log, 1);
  ::dup2(log, 2);
  ::execv(path.c_str(), const_cast<char* const*>(arguments));
  ::_exit(127);
}

}  // namespace

uint16_t free_port() {
  constexpr unsigned first = 20'000, count = 12'768;  // below those that Linux gives to clients and to servers that take any
  constexpr unsigned each = 37;                       // a process' own before it comes to another's
  static std::atomic<unsigned> tried = 0;
  for (unsigned n = 0; n < count; ++n) {
    const auto port = static_cast<uint16_t>(first + (static_cast<unsigned>(::getpid()) * each + tried++) % count);
    if (is_free(port)) return port;
  }
  return 0;
}

Result<std::unique_ptr<Mosquitto>> Mosquitto::start(const std::string& configuration, const Files& files) {
  auto started = std::unique_ptr<Mosquitto>(new Mosquitto);
  JOULESPOOL_TRY(started->run(configuration, files), "mosquitto");
  return started;
}

Status Mosquitto::run(std::string configuration, const Files& files) {
  std::string pattern = std::filesystem::temp_directory_path() / "joulespool-mosquitto-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return Error{Errc::internal, "no temporary directory"};
  directory_ = pattern;
  port_ = free_port();
  for (const auto& [name, text] : files) std::ofstream(directory_ + "/" + name) << text;
  const std::string word = "DIRECTORY";
  for (size_t at; (at = configuration.find(word)) != std::string::npos;) configuration.replace(at, word.size(), directory_);
  std::ofstream file(directory_ + "/mosquitto.conf");
  file << "user root\nlistener " << port_ << " 127.0.0.1\n";
  if (configuration.find("allow_anonymous") == std::string::npos) file << "allow_anonymous true\n";
  file << configuration << "\n";
  file.close();
  return start_again();
}

Status Mosquitto::start_again() {
  if (pid_ != 0) return {};
  pid_ = spawn(directory_ + "/mosquitto.conf", directory_ + "/mosquitto.log");
  for (int waited_ms = 0; waited_ms < start_deadline_ms; waited_ms += poll_interval_ms) {
    if (accepts(port_)) return {};
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      break;
    }
    ::poll(nullptr, 0, poll_interval_ms);
  }
  std::ostringstream log;
  log << std::ifstream(directory_ + "/mosquitto.log").rdbuf();
  return Error{Errc::unreachable, "does not accept connections: " + log.str()};
}

void Mosquitto::end(int signal) {
  if (pid_ == 0) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Mosquitto::kill() { end(SIGKILL); }
void Mosquitto::stop() { end(SIGTERM); }

Mosquitto::~Mosquitto() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace joulespool::test
