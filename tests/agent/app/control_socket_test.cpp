#include "agent/app/control_socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/support/temporary_directory.h"

namespace {

using joulespool::app::ControlSocket;
using joulespool::test::TemporaryDirectory;
namespace fs = std::filesystem;

std::string ask(const fs::path& folder, const std::string& request) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "control.sock").c_str(), sizeof address.sun_path - 1);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[256];
    for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

}  // namespace

TEST_CASE("control socket: answers one request after the other, and is gone after its end") {
  const TemporaryDirectory folder;
  {
    ControlSocket socket;
    REQUIRE(socket.start(folder.path(), [](const std::string& request) { return "<" + request + ">"; }).ok());
    CHECK(ask(folder.path(), "one\n") == "<one>\n");
    CHECK(ask(folder.path(), "two\nand more") == "<two>\n");
  }
  CHECK(ask(folder.path(), "three\n").empty());
  CHECK_FALSE(fs::exists(folder / "control.sock"));
}

TEST_CASE("control socket: a left-over of a killed agent is in nobody's way") {
  const TemporaryDirectory folder;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "control.sock").c_str(), sizeof address.sun_path - 1);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  close(fd);
  ControlSocket socket;
  CHECK(socket.start(folder.path(), [](const std::string&) { return std::string("well"); }).ok());
  CHECK(ask(folder.path(), "x\n") == "well\n");
}

TEST_CASE("control socket: works in a folder whose path is longer than a socket's may be") {
  const TemporaryDirectory folder;
  const fs::path deep = folder / std::string(120, 'd');
  fs::create_directories(deep);
  ControlSocket socket;
  CHECK(socket.start(deep, [](const std::string&) { return std::string(); }).ok());
  CHECK(fs::exists(deep / "control.sock"));
}

TEST_CASE("control socket: a folder that is not there is an error that names it") {
  ControlSocket socket;
  const auto status = socket.start("/nonexistent/folder", [](const std::string&) { return std::string(); });
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().message.find("/nonexistent/folder") != std::string::npos);
}
