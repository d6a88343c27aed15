#include "agent/base/config_file.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;

TEST_CASE("config file: the one that is given, else that of the environment, else the default if it is there") {
  const TemporaryDirectory directory;
  const std::string there = directory / "a.toml";
  std::ofstream(there) << "x = 1\n";
  CHECK(find_config_file("/a", {{"X_CONFIG", "/b"}}, "X_CONFIG", there) == "/a");
  CHECK(find_config_file("", {{"X_CONFIG", "/b"}}, "X_CONFIG", there) == "/b");
  CHECK(find_config_file("", {{"X_CONFIG", ""}, {"Y_CONFIG", "/c"}}, "X_CONFIG", there) == there);
  CHECK(find_config_file("", {}, "X_CONFIG", directory / "none.toml").empty());
}

TEST_CASE("config file: its text is read as it is, up to 1 MiB") {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.toml";
  for (const std::string& text : {std::string(), std::string("host = \"a\"\r\n\0", 13), std::string(1024 * 1024, '#')}) {
    std::ofstream(path, std::ios::binary) << text;
    const auto read = read_config_file(path);
    REQUIRE(read);
    CHECK(*read == text);
  }
  std::ofstream(path, std::ios::app) << '#';
  const auto large = read_config_file(path);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Errc::usage);
  CHECK(large.error().message == path + ": larger than 1 MiB: this is no configuration file");
}

TEST_CASE("config file: what cannot be read is an error with its path") {
  const TemporaryDirectory directory;
  const auto none = read_config_file(directory / "none.toml");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::usage);
  CHECK(none.error().message == (directory / "none.toml") + ": No such file or directory");
  CHECK_FALSE(read_config_file(directory.path()));
}
