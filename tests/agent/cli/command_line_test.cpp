#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/base/version.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

std::string write_file(const TemporaryDirectory& directory, const std::string& text) {
  const std::string path = directory / "a.toml";
  std::ofstream(path) << text;
  return path;
}

}  // namespace

TEST_CASE("command line: help and version are answers on standard output") {
  const CliResult help = run_in_process({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* command : {"run", "status", "spool", "config"})
    CHECK(help.out.find(std::string("\n  ") + command + " ") != std::string::npos);
  CHECK(help.err.empty());
  CHECK(run_in_process({"--version"}).out == "joulespool " + std::string(version()) + "\n");
  CHECK(run_in_process({"spool", "--help"}).out.find("verify") != std::string::npos);
  const CliResult run = run_in_process({"run", "--help"});
  CHECK(run.out.find("--spool.commit-window-ms ms") != std::string::npos);
  CHECK(run.out.find("(10..10000 ms; default 250)") != std::string::npos);
}

TEST_CASE("command line: wrong usage is told on stderr with exit code 2") {
  const std::vector<std::string> cases[] = {{},
                                            {"spool"},
                                            {"dance"},
                                            {"run", "--no-such-flag", "1"},
                                            {"status", "--timeout-ms", "0"},
                                            {"config", "check"},
                                            {"spool", "export", "--what", "everything", "--spool", "/tmp"}};
  for (const auto& arguments : cases) {
    const CliResult result = run_in_process(arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("joulespool: "));
  }
}

TEST_CASE("command line: run without a device, or with a wrong one, is wrong usage") {
  const CliResult none = run_in_process({"run", "--host", "lab"});
  CHECK(none.exit_code == 2);
  CHECK(none.err.starts_with("joulespool: no device: "));
}

TEST_CASE("config check: a valid file is well, a wrong one is told line by line") {
  const TemporaryDirectory directory;
  const std::string path = write_file(directory, "host = \"lab\"\n[[device]]\nserial = \"1\"\n");
  CHECK(run_in_process({"config", "check", path}).exit_code == 0);
  CHECK(run_in_process({"config", "check", path}).out == path + ": valid, 1 device\n");
  // Of the machine that asks, not of the file.
  CHECK(run_in_process({"config", "check", path}, {{"JOULESPOOL_HOST", "Not An Id"}}).exit_code == 0);

  // What only the sources know is checked as well, each device's.
  write_file(directory,
             "[[device]]\nsource = \"joulescope\"\ndevices = [\"js110-*\"]\nrate-hz = 300\n[[device]]\nfaults = \"party\"\n");
  const CliResult impossible = run_in_process({"config", "check", path});
  CHECK(impossible.exit_code == 2);
  CHECK(impossible.err.find(path + ":1: rate-hz = 300: a js110 has 1, 2, 5") != std::string::npos);
  CHECK(impossible.err.find(path + ":5: ") != std::string::npos);

  write_file(directory, "hots = \"lab\"\n[spool]\nbudget-bytes = 5\n");
  const CliResult wrong = run_in_process({"config", "check", path});
  CHECK(wrong.exit_code == 2);
  CHECK(wrong.out.empty());
  CHECK(wrong.err == "joulespool: " + path + ":1: unknown key \"hots\"; did you mean 'host'?\njoulespool: " + path +
                         ":3: spool.budget-bytes = 5: must be 16777216..70368744177664 bytes\n");
  const auto json = nlohmann::json::parse(run_in_process({"config", "check", path, "--json"}).out);
  CHECK(json.at("version") == 1);
  CHECK(json.at("valid") == false);
  CHECK(json.at("problems").size() == 2);
  CHECK(run_in_process({"config", "check", "/nonexistent"}).exit_code == 2);
}

TEST_CASE("config show: every key with its value and origin, secrets hidden") {
  const TemporaryDirectory directory;
  const std::string path = write_file(directory, "host = \"lab\"\n[mqtt]\npassword = \"hush\"\n[[device]]\nserial = \"7\"\n");
  const Environment environment = {{"JOULESPOOL_WAVE_MODE", "keep"}, {"JOULESPOOL_CONFIG", path}};
  const CliResult text = run_in_process({"config", "show", "--spool.commit-window-ms", "1s"}, environment);
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("hush") == std::string::npos);
  CHECK(text.out.find("device js220-7 (" + path + ":4)") != std::string::npos);

  const CliResult answer = run_in_process({"config", "show", "--json", "--spool.commit-window-ms", "1s"}, environment);
  CHECK(answer.out.find("hush") == std::string::npos);
  const auto json = nlohmann::json::parse(answer.out);
  CHECK(json.at("version") == 1);
  CHECK(json.at("file") == path);
  std::map<std::string, nlohmann::json> settings;
  for (const auto& setting : json.at("settings")) settings[setting.at("key")] = setting;
  CHECK(settings.at("host").at("origin") == path + ":1");
  CHECK(settings.at("spool.commit-window-ms").at("value") == 1000);
  CHECK(settings.at("spool.commit-window-ms").at("origin") == "flag --spool.commit-window-ms");
  CHECK(settings.at("wave.mode").at("origin") == "environment JOULESPOOL_WAVE_MODE");
  CHECK(settings.at("mqtt.password").at("value") == "***");
  CHECK(settings.at("mqtt.username").at("value") == "");
  CHECK(settings.at("spool.budget-bytes").at("origin") == "default");
  CHECK(json.at("devices").size() == 1);
}

TEST_CASE("config reference: docs/reference/agent-configuration.md is what the program says") {
  std::ifstream file("docs/reference/agent-configuration.md");  // tests run at the top of the tree
  std::ostringstream written;
  written << file.rdbuf();
  const CliResult said = run_in_process({"config", "reference"});
  CHECK(said.exit_code == 0);
  CHECK_MESSAGE(written.str() == said.out, "write it anew: joulespool config reference > docs/reference/agent-configuration.md");
}
