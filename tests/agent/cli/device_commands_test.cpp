#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/app/control_socket.h"
#include "agent/base/version.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/mosquitto.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A machine of its own: USB tree, device nodes, udev rules, spool.
class Machine {
 public:
  void plug(const std::string& port, const std::string& product, const std::string& serial, int bus, int address) {
    const std::string device = "sys/bus/usb/devices/" + port + "/";
    write(device + "idVendor", "16d0");
    write(device + "idProduct", product);
    write(device + "serial", serial);
    write(device + "busnum", std::to_string(bus));
    write(device + "devnum", std::to_string(address));
    write(device + "speed", "480");
  }
  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  [[nodiscard]] std::string spool() {
    std::filesystem::create_directories(directory_ / "spool");
    return directory_ / "spool";
  }
  [[nodiscard]] CliResult run(std::vector<std::string> arguments) {
    for (const char* more : {"--host", "lab", "--driver.library", library.c_str(), "--spool"}) arguments.emplace_back(more);
    arguments.push_back(spool());
    for (const char* tree : {"sysfs", "dev", "udev"}) {
      arguments.push_back("--" + std::string(tree) + "-root");
      arguments.push_back(tree == std::string("udev") ? directory_.path()
                                                      : directory_ / (tree == std::string("sysfs") ? "sys" : "dev"));
    }
    return run_in_process(arguments);
  }

  std::string library = "/nonexistent/libjsdrv.so";

 private:
  TemporaryDirectory directory_;
};

json device_status(const std::string& id, const std::string& state, const std::string& detail = "") {
  return {{"id", id},
          {"source", "joulescope"},
          {"state", state},
          {"detail", detail},
          {"firmware", "1.3.0"},
          {"sample_rate_hz", 1e6},
          {"samples_lost", 7},
          {"ring_fill", 0.5},
          {"power_w", 0.04},
          {"live", {{"samples", 10}, {"valid", 10}, {"i", {{"mean", 0.0125}, {"min", 0.0}, {"max", 0.5}}}}}};
}

// An agent's door, with devices as they are at each request.
class FakeAgent {
 public:
  FakeAgent(const std::string& spool, std::vector<json> devices) : devices_(std::move(devices)) {
    REQUIRE(socket_.start(spool, [this](const std::string&) { return answer(); }).ok());
  }
  [[nodiscard]] int asked() const { return asked_; }

 private:
  std::string answer() {
    ++asked_;
    return json{{"version", 1}, {"software", version()}, {"devices", devices_}, {"spool", {{"error", ""}}}}.dump();
  }
  std::vector<json> devices_;
  std::atomic<int> asked_ = 0;
  app::ControlSocket socket_;
};

}  // namespace

TEST_CASE("device list: without a driver, exit code 3 and how to get it") {
  Machine machine;
  machine.plug("1-1", "10ba", "001122", 1, 4);
  const CliResult result = machine.run({"device", "list"});
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  CHECK(contains(result.err, "/nonexistent/libjsdrv.so"));
  CHECK(contains(result.err, "docs/joulescope.md"));
}

TEST_CASE("device list: a library that is no driver is told as that") {
  Machine machine;
  machine.write("spool/libjsdrv.so", "not a library");
  machine.library = machine.spool() + "/libjsdrv.so";
  const CliResult result = machine.run({"device", "list"});
  CHECK(result.exit_code == 3);
  CHECK(contains(result.err, machine.library + ": "));
}

TEST_CASE("device list: of the running agent, with why one cannot be used, and what is plugged in beside") {
  Machine machine;
  machine.plug("1-1", "10ba", "001122", 1, 4);
  machine.plug("1-2", "135a", "X2VJ", 1, 5);
  machine.plug("1-3", "0e87", "000456", 1, 6);
  json absent = device_status("js220-000009", "waiting");
  absent["source"] = "absent";
  const FakeAgent agent(machine.spool(), {device_status("js220-001122", "streaming"),
                                          device_status("js110-000001", "waiting", "another program holds it"), absent});
  const CliResult text = machine.run({"device", "list"});
  CHECK(text.exit_code == 0);
  const auto lines = lines_of(text.out);
  REQUIRE(lines.size() == 1 + 4 + 3);
  CHECK(contains(lines[1], "js220-001122  js220  001122  1.3.0     streaming"));
  CHECK(contains(lines[3], "js320-x2vj    js320  X2VJ    -         not used"));
  CHECK(contains(lines[4], "bootloader"));
  CHECK(lines[5] == "js110-000001: another program holds it");
  CHECK(contains(text.out, "js320-x2vj: on USB port 1-2: no [[device]] of the running agent selects it"));

  const auto document = json::parse(machine.run({"device", "list", "--json"}).out);
  CHECK(document.at("version") == 1);
  CHECK(document.at("from") == "agent");
  REQUIRE(document.at("devices").size() == 4);
  CHECK(document.at("devices")[1] == json{{"id", "js110-000001"},
                                          {"model", "js110"},
                                          {"serial", "000001"},
                                          {"firmware", "1.3.0"},
                                          {"state", "waiting"},
                                          {"detail", "another program holds it"}});
}

TEST_CASE("device list: a serial is written as the instrument writes it, also where only the agent's id is known") {
  Machine machine;
  machine.plug("1-2", "135a", "X2VJ", 1, 5);
  const FakeAgent agent(machine.spool(), {device_status("js320-x2vj", "streaming")});
  const auto document = json::parse(machine.run({"device", "list", "--json"}).out);
  REQUIRE(document.at("devices").size() == 1);
  CHECK(document.at("devices")[0].at("serial") == "X2VJ");
  CHECK(document.at("devices")[0].at("state") == "streaming");
}

TEST_CASE("device list: an agent without a device is no failure, and says what to check") {
  Machine machine;
  const FakeAgent agent(machine.spool(), {});
  const CliResult result = machine.run({"device", "list"});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.out, "no instrument is connected"));
  CHECK(contains(result.out, "lsusb"));
}

TEST_CASE("device watch: simulated devices without an agent, one line a reading, then it ends") {
  Machine machine;
  const CliResult result = machine.run({"device", "watch", "--device", "model=js220,load=constant", "--device",
                                        "model=js110,load=constant", "--interval-ms", "300", "--count", "2"});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.err, "no agent runs"));
  const auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 4);
  CHECK(contains(lines[2], " js110-000001 i "));
  CHECK(contains(lines[3], " js220-000001 i "));
  CHECK(contains(lines[3], "lost 0 ring -"));
  CHECK(!contains(result.out, "\x1b"));
}

TEST_CASE("device watch: JSON lines of one device, with counted losses, until it has ended") {
  Machine machine;
  const CliResult result = machine.run({"device", "watch", "js220-000001", "--json", "--interval-ms", "20", "--device",
                                        "model=js220,load=constant,unpaced=true,duration-s=2,faults=drop:1000-3000"});
  CHECK(result.exit_code == 0);
  const auto lines = lines_of(result.out);
  if (!lines.empty()) {  // it may have ended before the first reading
    const auto last = json::parse(lines.back());
    CHECK(last.at("device") == "js220-000001");
    CHECK(last.at("samples_lost") == 1000);
  }
}

TEST_CASE("device watch: a device that is not known is wrong usage, with those that are") {
  Machine machine;
  const CliResult direct = machine.run({"device", "watch", "js220-7", "--device", "model=js220"});
  CHECK(direct.exit_code == 2);
  CHECK(contains(direct.err, "joulespool: no device js220-7; known are: js220-000001\n"));
  const FakeAgent agent(machine.spool(), {device_status("js220-001122", "streaming"), device_status("js110-000001", "lost")});
  const CliResult asked = machine.run({"device", "watch", "js220-7"});
  CHECK(asked.exit_code == 2);
  CHECK(contains(asked.err, "known are: js220-001122, js110-000001\n"));
  CHECK(machine.run({"device", "watch", "--interval-ms", "1"}).exit_code == 2);
}

TEST_CASE("device watch: of the running agent, which is asked for each reading") {
  Machine machine;
  const FakeAgent agent(machine.spool(),
                        {device_status("js220-001122", "streaming"), device_status("js110-000001", "lost", "unplugged")});
  const CliResult result = machine.run({"device", "watch", "js220-001122", "--count", "3", "--interval-ms", "20"});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.err, "reading from the running agent"));
  const auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 3);
  CHECK(contains(lines[0],
                 " js220-001122 i 12.50 mA (0.000 A .. 500.0 mA) v - p 40.00 mW (40.00 mW .. 40.00 mW) lost 7 ring 50 %"));
  CHECK(agent.asked() >= 4);
}

TEST_CASE("device watch: SIGTERM and Ctrl-C end it well") {
  const TemporaryDirectory directory;
  const CliResult result = run_program(
      {"device", "watch", "--host", "lab", "--spool", directory.path(), "--device", "model=js110"}, {}, "Ctrl-C ends");
  CHECK(result.exit_code == 0);
}

TEST_CASE("doctor: every check has a line, and a problem makes exit code 1") {
  Machine machine;
  machine.plug("1-1", "10ba", "001122", 1, 4);
  const CliResult text = machine.run({"doctor", "--mqtt.uri", "tcp://127.0.0.1:1", "--device", "source=joulescope"});
  CHECK(text.exit_code == 1);
  for (const char* check : {"settings", "driver", "usb", "usb sharing", "clock", "disk", "broker", "agent"})
    CHECK_MESSAGE(contains(text.out, "  " + std::string(check) + "  "), check);
  CHECK(contains(text.out, "problem  driver"));
  CHECK(contains(text.out, "js220-001122: "));
  CHECK(contains(text.out, "is not there"));
  CHECK(contains(text.out, "problem  broker"));
}

TEST_CASE("doctor: all well where instruments are not needed, in JSON") {
  Machine machine;
  auto broker = Mosquitto::start();
  REQUIRE(broker.ok());
  const CliResult result = machine.run({"doctor", "--json", "--mqtt.uri", broker.value()->uri(), "--device", "model=js220"});
  const auto document = json::parse(result.out);
  CHECK(document.at("version") == 1);
  std::map<std::string, json> by_check;
  for (const json& finding : document.at("findings")) by_check[finding.at("check")] = finding;
  for (const char* check : {"settings", "driver", "usb", "disk", "broker", "agent"})
    CHECK(by_check.at(check).at("verdict") == "ok");
  CHECK(by_check.at("clock").at("verdict") != "problem");
  CHECK(document.at("problems") == 0);
  CHECK(result.exit_code == 0);
}

TEST_CASE("doctor: an agent's device in trouble is a problem with its reason") {
  Machine machine;
  const FakeAgent agent(machine.spool(), {device_status("js220-001122", "waiting", "no permission: install the udev rule")});
  const CliResult result = machine.run({"doctor", "--mqtt.uri", "tcp://127.0.0.1:1", "--device", "model=js220"});
  CHECK(result.exit_code == 1);
  CHECK(contains(result.out, "js220-001122: waiting: no permission: install the udev rule"));
  CHECK(contains(result.out, "agent     runs, version"));
}
