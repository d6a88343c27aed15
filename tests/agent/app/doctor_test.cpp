#include "agent/app/doctor.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "agent/app/doctor_facts.h"
#include "tests/support/mosquitto.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::app;
using namespace joulespool::test;

namespace {

UsbSeat seat(const std::string& model, const std::string& serial, uint32_t bus = 1) {
  UsbSeat made;
  made.instrument.identity = wire::device_identity(model, serial);
  made.instrument.bus = bus;
  made.instrument.address = 4;
  made.instrument.port = std::to_string(bus) + "-1";
  made.instrument.speed_mbps = 480;
  made.node = device::usb_node(made.instrument, "/dev");
  made.is_there = made.may_open = true;
  made.permission = "root:plugdev 0660";
  return made;
}

// One verdict per finding, and a part of what is found and advised by the first that is not ok (or by the first).
struct Expected {
  std::vector<Verdict> verdicts;
  std::string found, advice;
};

void check(const char* scenario, const Findings& findings, const Expected& expected) {
  CAPTURE(scenario);
  REQUIRE(findings.size() == expected.verdicts.size());
  const Finding* first = findings.empty() ? nullptr : &findings.front();
  for (size_t at = 0; at < findings.size(); ++at) {
    CHECK(to_string(findings[at].verdict) == to_string(expected.verdicts[at]));
    CHECK(findings[at].advice.empty() == (findings[at].verdict == Verdict::ok));
    if (first->verdict == Verdict::ok && findings[at].verdict != Verdict::ok) first = &findings[at];
  }
  if (first == nullptr) return;
  CHECK_MESSAGE(first->found.find(expected.found) != std::string::npos, first->found);
  CHECK_MESSAGE(first->advice.find(expected.advice) != std::string::npos, first->advice);
}

constexpr auto ok = Verdict::ok;
constexpr auto warning = Verdict::warning;
constexpr auto problem = Verdict::problem;

}  // namespace

TEST_CASE("doctor: a driver is missed only where an instrument is selected") {
  const Error none = {Errc::unreachable, "libjsdrv.so: cannot open shared object file"};
  const struct {
    const char* name;
    DriverFacts facts;
    Expected expected;
  } scenarios[] = {
      {"there", {true, "", std::string("2.3.4")}, {{ok}, "version 2.3.4 (libjsdrv.so)", ""}},
      {"there, by its path", {true, "/opt/libjsdrv.so", std::string("2.3.4")}, {{ok}, "(/opt/libjsdrv.so)", ""}},
      {"missing and needed", {true, "", none}, {{problem}, "cannot open shared object", "docs/joulescope.md"}},
      {"missing and not needed", {false, "", none}, {{ok}, "none is needed", ""}},
      {"crashed", {true, "", Error{Errc::internal, "it crashed"}}, {{problem}, "it crashed", "JOULESPOOL_DRIVER_LIBRARY"}},
  };
  for (const auto& [name, facts, expected] : scenarios) check(name, judge(facts), expected);
}

TEST_CASE("doctor: what stands between an instrument and this user is told with what to do") {
  const auto usb = [](std::vector<UsbSeat> seats, bool is_needed = true,
                      const std::string& rules = "/etc/udev/rules.d/72.rules") {
    UsbFacts facts;
    facts.is_needed = is_needed;
    facts.seats = std::move(seats);
    facts.rules_file = rules;
    return facts;
  };
  const auto changed = [](UsbSeat made, auto change) { return change(made), made; };
  UsbFacts hidden = usb({});
  hidden.readable = Error{Errc::not_found, "/sys/bus/usb/devices: No such file"};
  UsbFacts hidden_unneeded = hidden;
  hidden_unneeded.is_needed = false;
  const auto closed = [](UsbSeat& made) {
    made.may_open = false;
    made.permission = "root:root 0664";
  };
  const struct {
    const char* name;
    UsbFacts facts;
    Expected expected;
  } scenarios[] = {
      {"no USB", hidden, {{problem}, "No such file", "container"}},
      {"no USB, none needed", hidden_unneeded, {{ok}, "no USB", ""}},
      {"none connected", usb({}), {{warning}, "no Joulescope is connected", "lsusb -d 16d0:"}},
      {"none connected, none needed", usb({}, false), {{ok}, "no Joulescope", ""}},
      {"well", usb({seat("js220", "001122")}), {{ok, ok}, "js220-001122: can be opened", ""}},
      {"no rule, but root", usb({seat("js220", "1")}, true, ""), {{ok, warning}, "no udev rule", "72-joulespool.rules"}},
      {"no permission, no rule",
       usb({changed(seat("js220", "001122"), closed)}, true, ""),
       {{problem, warning}, "js220-001122: /dev/bus/usb/001/004 (root:root 0664) cannot be opened", "72-joulespool.rules"}},
      {"no permission, but a rule",
       usb({changed(seat("js110", "000456"), closed)}),
       {{problem, ok}, "cannot be opened", "plugdev"}},
      {"no node",
       usb({changed(seat("js220", "1"), [](UsbSeat& made) { made.is_there = made.may_open = false; })}),
       {{problem, ok}, "/dev/bus/usb/001/004 is not there", "container"}},
      {"a slow port",
       usb({changed(seat("js220", "1"), [](UsbSeat& made) { made.instrument.speed_mbps = 12; })}),
       {{warning, ok}, "12 Mbit/s", "high speed"}},
      {"speed not known",
       usb({changed(seat("js220", "1"), [](UsbSeat& made) { made.instrument.speed_mbps = 0; })}),
       {{ok, ok}, "can be opened", ""}},
      {"a JS110 without firmware",
       usb({changed(seat("js110", "000456"), [](UsbSeat& made) { made.instrument.is_bootloader = true; })}),
       {{problem, ok}, "crashes", "unplug it"}},
      {"a JS220 without firmware",
       usb({changed(seat("js220", "1"), [](UsbSeat& made) { made.instrument.is_bootloader = true; })}),
       {{warning, ok}, "bootloader", "plug it in again"}},
      {"no serial", usb({seat("js220", "")}), {{ok, ok}, "js220 without a serial number", ""}},
  };
  for (const auto& [name, facts, expected] : scenarios) check(name, judge(facts), expected);
}

TEST_CASE("doctor: a root hub with more than three JS220 is told with their names") {
  const auto many = [](const std::string& model, size_t count, uint32_t bus) {
    std::vector<UsbSeat> seats;
    for (size_t at = 0; at < count; ++at) seats.push_back(seat(model, "00000" + std::to_string(at), bus));
    return seats;
  };
  const auto join = [](std::vector<UsbSeat> seats, const std::vector<UsbSeat>& more) {
    return seats.insert(seats.end(), more.begin(), more.end()), seats;
  };
  std::vector<UsbSeat> sleeping = many("js220", 4, 1);
  sleeping[0].instrument.is_bootloader = true;
  const struct {
    const char* name;
    std::vector<UsbSeat> seats;
    Expected expected;
  } scenarios[] = {
      {"none", {}, {{}, "", ""}},
      {"three", many("js220", 3, 1), {{ok}, "at most 3", ""}},
      {"four", many("js220", 4, 2), {{warning}, "bus 2 carries 4 instruments (js220-000000, js220-000001,", "another root hub"}},
      {"three and a js320", join(many("js220", 3, 1), many("js320", 1, 1)), {{warning}, "js320-000000", "lsusb -t"}},
      {"four on two buses", join(many("js220", 3, 1), many("js220", 1, 2)), {{ok}, "at most 3", ""}},
      {"a bootloader sends nothing", sleeping, {{ok}, "at most 3", ""}},
      {"js110 alone", many("js110", 4, 1), {{}, "", ""}},
  };
  for (const auto& [name, seats, expected] : scenarios) check(name, judge_sharing(seats), expected);
}

TEST_CASE("doctor: a clock that was never set, and one that nobody synchronises") {
  const int64_t now_ns = 1'800'000'000 * ns_per_s;
  const struct {
    const char* name;
    ClockFacts facts;
    Expected expected;
  } scenarios[] = {
      {"well", {now_ns, true}, {{ok}, "2027-01-15T08:00:00Z, synchronised", ""}},
      {"not told", {now_ns, std::nullopt}, {{ok}, "2027-01-15T08:00:00Z", ""}},
      {"alone", {now_ns, false}, {{warning}, "not synchronised", "timedatectl"}},
      {"1970", {ns_per_s, true}, {{problem}, "1970-01-01T00:00:01Z", "set it"}},
      {"2023", {1'704'067'199 * ns_per_s, true}, {{problem}, "never set", ""}},
  };
  for (const auto& [name, facts, expected] : scenarios) check(name, judge(facts), expected);
}

TEST_CASE("doctor: a disk must be writable and have room for the budget") {
  constexpr uint64_t gibi = 1024ULL * 1024 * 1024;
  const auto disk = [](bool writable, uint64_t free_bytes, uint64_t used_bytes) {
    return DiskFacts{"/var/spool", "/var/spool", writable, free_bytes, used_bytes, gibi};
  };
  DiskFacts missing = disk(true, 2 * gibi, 0);
  missing.existing = "/var";
  DiskFacts forbidden = missing;
  forbidden.is_writable = false;
  const struct {
    const char* name;
    DiskFacts facts;
    Expected expected;
  } scenarios[] = {
      {"well", disk(true, 2 * gibi, 0), {{ok}, "2.00 GiB free; budget 1.00 GiB", ""}},
      {"will be made", missing, {{ok}, "/var/spool will be made", ""}},
      {"cannot be made", forbidden, {{problem}, "cannot be made in /var", "spool.directory"}},
      {"read only", disk(false, 2 * gibi, 0), {{problem}, "cannot be written", ""}},
      {"less than the budget", disk(true, gibi / 2, 0), {{warning}, "full before the budget", "spool.budget-bytes"}},
      {"enough for the rest of the budget", disk(true, gibi / 2, gibi / 2), {{ok}, "", ""}},
      {"full", disk(true, 1024, 0), {{problem}, "1.00 KiB free", "make room"}},
      {"full, of the spool itself", disk(true, 1024, 2 * gibi), {{ok}, "", ""}},
  };
  for (const auto& [name, facts, expected] : scenarios) check(name, judge(facts), expected);
}

TEST_CASE("doctor: the running agent, its version and its devices in trouble") {
  const auto agent = [](std::vector<AgentFacts::Device> devices) { return AgentFacts{{}, "1.0", std::move(devices), ""}; };
  AgentFacts silent;
  silent.answers = Error{Errc::unreachable, "connection refused"};
  AgentFacts strange;
  strange.answers = Error{Errc::damaged, "no status"};
  AgentFacts full = agent({});
  full.spool_error = "disk full";
  const struct {
    const char* name;
    AgentFacts facts;
    std::string version;
    Expected expected;
  } scenarios[] = {
      {"none runs", silent, "1.0", {{ok}, "none runs", ""}},
      {"no status", strange, "1.0", {{problem}, "no status", "restart"}},
      {"well", agent({{"js220-1", "streaming", "", 0}}), "1.0", {{ok, ok}, "version 1.0", ""}},
      {"an old one", agent({}), "1.1", {{warning}, "version 1.0, but version 1.1", "restart"}},
      {"disk", full, "1.0", {{ok, problem}, "disk full", "disk check"}},
      {"lost",
       agent({{"js220-1", "lost", "", 0}, {"js220-2", "ended", "", 0}}),
       "1.0",
       {{ok, problem, ok}, "js220-1: lost", "plugged"}},
      {"busy",
       agent({{"js220-1", "waiting", "another program holds it", 0}}),
       "1.0",
       {{ok, problem}, "js220-1: waiting: another program holds it", "docs/joulescope.md"}},
      {"trouble without words", agent({{"js220-1", "trouble", "", 0}}), "1.0", {{ok, problem}, "js220-1: trouble", "docs/"}},
      {"not seen yet", agent({{"js220-1", "waiting", "", 0}}), "1.0", {{ok, ok}, "", ""}},
      {"streaming again", agent({{"js220-1", "streaming", "was busy", 7}}), "1.0", {{ok, ok}, "", ""}},
  };
  for (const auto& [name, facts, version, expected] : scenarios) check(name, judge(facts, version), expected);
}

TEST_CASE("doctor: a real broker is reached; one that is not there, or says nothing, is told") {
  auto broker = Mosquitto::start("allow_anonymous false\npassword_file /dev/null\n");
  REQUIRE(broker.ok());
  SystemClock clock;
  config::Settings settings;
  settings.mqtt = {broker.value()->uri(), "joulespool-lab", "", "", 20};
  const BrokerFacts refused = look_at_broker(settings, clock);
  CHECK(!refused.connected.ok());
  auto open = Mosquitto::start();
  REQUIRE(open.ok());
  settings.mqtt.uri = open.value()->uri();
  const BrokerFacts reached = look_at_broker(settings, clock);
  REQUIRE_MESSAGE(reached.connected.ok(), reached.connected.error().message);
  check("reached", judge(reached), {{ok}, open.value()->uri() + ": connected in ", ""});
  settings.mqtt.uri = "tcp://127.0.0.1:" + std::to_string(free_port());
  check("nobody", judge(look_at_broker(settings, clock)), {{problem}, settings.mqtt.uri, "mqtt.uri"});
}

TEST_CASE("doctor: the directory of the spool, or the one above it that will hold it") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "spool.db") << std::string(1000, 'x');
  const DiskFacts there = look_at_disk(directory.path(), 5000);
  CHECK(there.existing == directory.path());
  CHECK(there.is_writable);
  CHECK(there.used_bytes == 1000);
  CHECK(there.free_bytes > 0);
  CHECK(there.budget_bytes == 5000);
  const DiskFacts missing = look_at_disk(directory / "a/b", 5000);
  CHECK(missing.existing == directory.path());
  CHECK(missing.is_writable);
  CHECK(missing.used_bytes == 0);
  const DiskFacts file = look_at_disk(directory / "spool.db", 5000);
  CHECK(!file.is_writable);
}

TEST_CASE("doctor: instruments of a machine's trees, their nodes, and the udev rule") {
  const TemporaryDirectory machine;
  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(machine / name).parent_path());
    std::ofstream(machine / name) << text;
  };
  const std::string device = "sys/bus/usb/devices/1-1/";
  for (const auto& [name, value] :
       {std::pair{"idVendor", "16d0"}, {"idProduct", "10ba"}, {"serial", "001122"}, {"busnum", "1"}, {"devnum", "4"}})
    write(device + name, std::string(value) + "\n");
  const MachineRoots roots = {machine / "sys", machine / "dev", machine.path()};
  UsbFacts facts = look_at_usb(roots, true);
  REQUIRE(facts.seats.size() == 1);
  CHECK(!facts.seats[0].is_there);
  CHECK(facts.rules_file.empty());

  write("dev/bus/usb/001/004", "");
  write("etc/udev/rules.d/10-other.rules", "# 16d0 is meant\nATTR{idVendor}==\"046d\"\n");
  write("etc/udev/rules.d/20-notes.txt", "16d0\n");
  CHECK(look_at_usb(roots, true).rules_file.empty());
  std::filesystem::copy_file("agent/device/72-joulespool.rules", machine / "etc/udev/rules.d/72-joulespool.rules");
  facts = look_at_usb(roots, true);
  CHECK(facts.seats[0].is_there);
  CHECK(facts.seats[0].may_open);
  CHECK(facts.seats[0].permission.find(" 06") != std::string::npos);
  CHECK(facts.rules_file == (machine / "etc/udev/rules.d/72-joulespool.rules"));
  CHECK(!look_at_usb({machine / "nothing", machine / "dev", ""}, true).readable.ok());
}

TEST_CASE("doctor: the udev rules that ship name every product, for a group and not for all") {
  std::ifstream file("agent/device/72-joulespool.rules");  // tests run at the top of the tree
  std::string text((std::istreambuf_iterator<char>(file)), {});
  for (const char* product : {"0e88", "0e87", "10ba", "10b9", "135a", "1359"})
    CHECK(text.find("ATTR{idProduct}==\"" + std::string(product) + "\", GROUP=\"plugdev\", MODE=\"0660\"\n") !=
          std::string::npos);
  CHECK(text.find("0666") == std::string::npos);
}

TEST_CASE("doctor: the clock is asked, not changed") {
  ManualClock clock;
  const ClockFacts facts = look_at_clock(clock);
  CHECK(facts.realtime_ns == clock.realtime_ns());
}
