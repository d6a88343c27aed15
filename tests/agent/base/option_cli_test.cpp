#include "agent/base/option_cli.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>

using namespace joulespool;

namespace {

OptionTable table() {
  OptionTable rows(4);
  rows[0].key = "spool.commit-window-ms";
  rows[0].type = OptionType::integer;
  rows[0].unit = "ms";
  rows[0].value = int64_t{250};
  rows[0].min = 10;
  rows[0].max = 1000;
  rows[0].doc = "How often.";
  rows[1].key = "labels";
  rows[1].type = OptionType::list;
  rows[1].value = std::vector<std::string>();
  rows[2].key = "fast";
  rows[2].type = OptionType::boolean;
  rows[2].value = false;
  rows[3].key = "mqtt.password";
  rows[3].value = std::string("hush");
  rows[3].secret = true;
  return rows;
}

OptionFlags parse(std::vector<const char*> arguments) {
  CLI::App app;
  OptionFlags flags;
  add_option_flags(app, table(), flags);
  arguments.insert(arguments.begin(), "program");
  app.parse(static_cast<int>(arguments.size()), arguments.data());
  return flags;
}

}  // namespace

TEST_CASE("option flags: values are collected as text under their key, lists in order") {
  CHECK(parse({}).empty());
  CHECK(parse({"--labels", "a=1,x", "--labels=b=2", "--spool.commit-window-ms", "2s"}) ==
        OptionFlags{{"spool.commit-window-ms", "2s"}, {"labels", "a=1,x"}, {"labels", "b=2"}});
  CHECK(parse({"--mqtt.password", ""}) == OptionFlags{{"mqtt.password", ""}});
}

TEST_CASE("option flags: --config takes a path, and its help says where else a file is looked for") {
  CLI::App app;
  std::string path;
  add_config_flag(app, "X_CONFIG", "/etc/x.toml", path);
  const std::vector<const char*> arguments = {"program", "--config", "/a"};
  app.parse(static_cast<int>(arguments.size()), arguments.data());
  CHECK(path == "/a");
  CHECK(app.help().find("X_CONFIG of the environment, else /etc/x.toml") != std::string::npos);
}

TEST_CASE("option flags: a boolean may come alone or with a value") {
  CHECK(parse({"--fast"}) == OptionFlags{{"fast", "true"}});
  CHECK(parse({"--fast=false"}) == OptionFlags{{"fast", "false"}});
  CHECK(parse({"--fast", "--labels", "x"}) == OptionFlags{{"labels", "x"}, {"fast", "true"}});
}

TEST_CASE("option flags: an unknown flag and a missing value are refused") {
  CHECK_THROWS_AS(parse({"--nothing", "1"}), CLI::ParseError);
  CHECK_THROWS_AS(parse({"--labels"}), CLI::ParseError);
}

TEST_CASE("option flags: the help says default, unit, range and group, and no secret") {
  CLI::App app;
  OptionFlags flags;
  add_option_flags(app, table(), flags);
  const std::string help = app.help();
  CHECK(help.find("--spool.commit-window-ms ms") != std::string::npos);
  CHECK(help.find("How often. (10..1000 ms; default 250)") != std::string::npos);
  CHECK(help.find("\nspool:\n") != std::string::npos);
  CHECK(help.find("hush") == std::string::npos);
}
