#include <doctest/doctest.h>

#include <fstream>

#include "tests/agent/cli/cli_run.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;

TEST_CASE("program: exit codes and streams of a process") {
  CHECK(run_program({"--version"}).exit_code == 0);
  CHECK(run_program({}).exit_code == 2);
  const TemporaryDirectory directory;
  const CliResult nobody = run_program({"status", "--spool", directory.path()});
  CHECK(nobody.exit_code == 3);
  CHECK(nobody.out.empty());
  CHECK(nobody.err.find("joulespool: no agent answers: ") == 0);
  const CliResult none = run_program({"spool", "list", "--spool", directory.path()});
  CHECK(none.exit_code == 3);
  CHECK(none.err.find("joulespool: ") == 0);
}

TEST_CASE("program: a wrong configuration ends it with exit code 2, file and line") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "a.toml") << "host = \"lab\"\n[spool]\ncommit-window-ms = \"often\"\n";
  const CliResult result = run_program({"run", "--config", directory / "a.toml"});
  CHECK(result.exit_code == 2);
  CHECK(result.err == "joulespool: " + (directory / "a.toml") + ":3: spool.commit-window-ms = \"often\": must be 10..10000 ms\n");
}

TEST_CASE("program: an unknown variable of the environment ends it with exit code 2") {
  const CliResult result = run_program({"run", "--host", "lab"}, {{"JOULESPOOL_HOTS", "lab"}});
  CHECK(result.exit_code == 2);
  CHECK(result.err == "joulespool: environment \"JOULESPOOL_HOTS\": unknown variable; did you mean 'JOULESPOOL_HOST'?\n");
}

TEST_CASE("program: without a broker it captures until SIGTERM, and the spool it leaves is whole") {
  const TemporaryDirectory directory;
  const std::vector<std::string> run = {
      "run",         "--host", "lab",      "--spool.directory",        directory / "spool", "--mqtt.uri", "tcp://127.0.0.1:1",
      "--wave.mode", "keep",   "--device", "model=js110,load=constant"};
  const CliResult stopped = run_program(run, {}, "agent_started");
  CHECK(stopped.exit_code == 0);
  const CliResult verified = run_program({"spool", "verify", "--spool", directory / "spool"});
  CHECK(verified.exit_code == 0);
  const CliResult status = run_program({"status", "--spool", directory / "spool"});
  CHECK(status.exit_code == 3);
  CHECK(status.out.find("spool " + (directory / "spool") + " of host lab") == 0);
}
