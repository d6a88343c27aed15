// Commands that ask the driver themselves, against the stand-in driver.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/agent/cli/cli_run.h"
#include "tests/support/standin_world.h"

using namespace joulespool::test;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Nothing of this machine's own USB.
std::vector<std::string> with_world(std::vector<std::string> arguments, const TemporaryDirectory& directory) {
  for (const std::string& more :
       {std::string("--host"), std::string("lab"), std::string("--driver.library"), StandinWorld::library(),
        std::string("--spool"), directory.path(), std::string("--sysfs-root"), directory.path()})
    arguments.push_back(more);
  return arguments;
}

CliResult run(const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  return run_in_process(with_world(arguments, directory));
}

json rows_by_id(const CliResult& result) {
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  json rows;
  const json document = json::parse(result.out);
  for (const json& device : document.at("devices")) rows[device.at("id").get<std::string>()] = device;
  return rows;
}

}  // namespace

TEST_CASE("device list: instruments of the driver, with firmware, and why one cannot be opened") {
  StandinWorld world;
  world.plug({{"model", "js220"}, {"serial", "001122"}, {"firmware", "1.3.0"}});
  world.plug({{"model", "js320"}, {"serial", "X2VJ"}});
  world.plug({{"model", "js110"}, {"serial", "000456"}, {"open_rc", "-3"}});
  world.plug({{"model", "js220"}, {"serial", "000009"}, {"open_rc", "-6"}});
  const json rows = rows_by_id(run({"device", "list", "--json"}));
  REQUIRE(rows.size() == 4);
  CHECK(rows.at("js220-001122").at("state") == "ready");
  CHECK(rows.at("js220-001122").at("firmware") == "1.3.0");
  CHECK(rows.at("js320-x2vj").at("serial") == "X2VJ");
  CHECK(rows.at("js110-000456").at("state") == "unusable");
  CHECK(contains(rows.at("js110-000456").at("detail"), "udev rule"));
  CHECK(contains(rows.at("js220-000009").at("detail"), "another program holds it"));
  for (const DriverCall& call : world.calls()) {
    CHECK(!contains(call.topic, "range"));
    CHECK((!contains(call.topic, "!open") || call.value == "1"));  // RESUME: a device under test keeps its power
  }
}

TEST_CASE("device list: nothing connected is no failure, and says what to check") {
  StandinWorld world;
  const CliResult result = run({"device", "list"});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.out, "no instrument is connected: check cable"));
}

TEST_CASE("device list: a driver that is too old is told with its version, exit code 3") {
  StandinWorld world;
  world.set_driver("version", "0x02000002");
  const CliResult result = run({"device", "list"});
  CHECK(result.exit_code == 3);
  CHECK(contains(result.err, "version 2.0.2"));
  CHECK(contains(result.err, "2.0.3 or later"));
}

TEST_CASE("device watch: instruments that are there, without any setting, and one that was asked for and is not") {
  StandinWorld world;
  world.plug({{"model", "js220"}, {"serial", "001122"}, {"load", "constant"}});
  const TemporaryDirectory directory;
  const Environment environment = {{"JSDRV_STANDIN_WORLD", world.path()}};
  // A bound for what never comes: 50 s.
  const CliResult all =
      run_program(with_world({"device", "watch", "--json", "--count", "200"}, directory), environment, "\"mean\"");
  REQUIRE_MESSAGE(all.exit_code == 0, all.err);
  const size_t mean = all.out.find("\"mean\"");
  REQUIRE(mean != std::string::npos);
  const size_t line = all.out.rfind('\n', mean) + 1;  // npos + 1 is 0
  const json reading = json::parse(all.out.substr(line, all.out.find('\n', mean) - line));
  CHECK(reading.at("device") == "js220-001122");
  CHECK(reading.at("state") == "streaming");
  CHECK(reading.at("i").at("mean").get<double>() == doctest::Approx(0.01).epsilon(0.01));
  CHECK(reading.at("samples_lost") == 0);
  for (const DriverCall& call : world.calls()) {
    CHECK(!contains(call.topic, "range"));
    CHECK((!contains(call.topic, "!open") || call.value == "1"));
  }
  const CliResult absent = run_program(with_world({"device", "watch", "js220-000009", "--count", "200"}, directory), environment,
                                       "js220-000009 trouble");
  CHECK(absent.exit_code == 0);
  CHECK(contains(absent.out, "js220-000009 trouble"));
  CHECK(contains(absent.out, "it is not connected; connected: js220-001122"));
}

TEST_CASE("device watch: where nothing is plugged in, it says so and waits") {
  StandinWorld world;
  const TemporaryDirectory directory;
  const CliResult result = run_program(with_world({"device", "watch", "--count", "1", "--interval-ms", "100"}, directory),
                                       {{"JSDRV_STANDIN_WORLD", world.path()}});
  CHECK(result.exit_code == 0);
  CHECK(result.out.empty());
  CHECK(contains(result.err, "no device is there yet"));
}

TEST_CASE("doctor: the driver and its version, or that it cannot be used") {
  StandinWorld world;
  const std::vector<std::string> doctor = {"doctor",   "--json",           "--mqtt.uri", "tcp://127.0.0.1:1",
                                           "--device", "source=joulescope"};
  const auto driver = [&] {
    const json document = json::parse(run(doctor).out);
    for (const json& finding : document.at("findings"))
      if (finding.at("check") == "driver") return finding;
    return json();
  };
  CHECK(driver().at("verdict") == "ok");
  CHECK(contains(driver().at("found"), "version 2.3.4"));
  world.set_driver("version", "0x01000000");
  CHECK(driver().at("verdict") == "problem");
  CHECK(contains(driver().at("found"), "version 1.0.0"));
  world.set_driver("initialize_rc", "2");
  CHECK(contains(driver().at("found"), "does not start"));
}
