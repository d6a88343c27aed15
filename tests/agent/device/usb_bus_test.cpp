#include "agent/device/usb_bus.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::device;
using namespace joulespool::test;

namespace {

using Attributes = std::map<std::string, std::string>;

// A tree like the kernel's: a newline ends each attribute.
void plug(const TemporaryDirectory& sysfs, const std::string& port, const Attributes& attributes) {
  const std::filesystem::path device = sysfs / ("bus/usb/devices/" + port);
  std::filesystem::create_directories(device);
  for (const auto& [name, value] : attributes) std::ofstream(device / name) << value << '\n';
}

Attributes instrument(const std::string& product, const std::string& serial, int bus, int address) {
  return {{"idVendor", "16d0"},
          {"idProduct", product},
          {"serial", serial},
          {"busnum", std::to_string(bus)},
          {"devnum", std::to_string(address)},
          {"speed", "480"}};
}

std::vector<UsbInstrument> read(const TemporaryDirectory& sysfs) {
  auto found = read_usb_instruments(sysfs.path());
  REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().message));
  return *found;
}

}  // namespace

TEST_CASE("usb bus: each model is known by its product id, with serial, bus, port and node") {
  const TemporaryDirectory sysfs;
  plug(sysfs, "usb1", {{"idVendor", "1d6b"}, {"idProduct", "0002"}, {"busnum", "1"}, {"devnum", "1"}});
  plug(sysfs, "1-1", instrument("10ba", "001122", 1, 4));
  plug(sysfs, "1-1:1.0", {{"bInterfaceNumber", "00"}});
  plug(sysfs, "3-2.1", instrument("135a", "X2VJ", 3, 17));
  plug(sysfs, "2-1", instrument("0e88", "000456", 2, 120));
  const auto found = read(sysfs);
  REQUIRE(found.size() == 3);
  CHECK(found[0].identity == wire::DeviceIdentity{"js220-001122", "js220", "001122"});
  CHECK(found[0].bus == 1);
  CHECK(found[0].port == "1-1");
  CHECK(found[0].speed_mbps == 480);
  CHECK(usb_node(found[0], "/dev") == "/dev/bus/usb/001/004");
  CHECK(found[1].identity.id == "js110-000456");
  CHECK(usb_node(found[1], "/dev") == "/dev/bus/usb/002/120");
  CHECK(found[2].identity == wire::DeviceIdentity{"js320-x2vj", "js320", "X2VJ"});
  CHECK(usb_node(found[2], "/tmp/dev") == "/tmp/dev/bus/usb/003/017");
  for (const UsbInstrument& one : found) CHECK(!one.is_bootloader);
}

TEST_CASE("usb bus: bootloaders are instruments that cannot measure") {
  const TemporaryDirectory sysfs;
  plug(sysfs, "1-1", instrument("0e87", "000456", 1, 4));
  plug(sysfs, "1-2", instrument("10b9", "001122", 1, 5));
  const auto found = read(sysfs);
  REQUIRE(found.size() == 2);
  CHECK(found[0].identity.model == "js110");
  CHECK(found[0].is_bootloader);
  CHECK(found[1].identity.model == "js220");
  CHECK(found[1].is_bootloader);
}

TEST_CASE("usb bus: other devices, and the vendor's other products, are left out") {
  const TemporaryDirectory sysfs;
  plug(sysfs, "1-1", instrument("1359", "1", 1, 4));
  Attributes mouse = instrument("10ba", "1", 1, 5);
  mouse["idVendor"] = "046d";
  plug(sysfs, "1-2", mouse);
  CHECK(read(sysfs).empty());
}

TEST_CASE("usb bus: an instrument that is just being unplugged is left out, one that tells no serial is not") {
  const TemporaryDirectory sysfs;
  plug(sysfs, "1-1", {{"idVendor", "16d0"}, {"idProduct", "10ba"}});
  plug(sysfs, "1-2", {{"idVendor", "16d0"}, {"idProduct", "10ba"}, {"busnum", "one"}, {"devnum", "-4"}});
  plug(sysfs, "1-3", {{"idVendor", "16d0"}, {"idProduct", "10ba"}, {"busnum", "1"}, {"devnum", "6"}, {"speed", "1.5"}});
  const auto found = read(sysfs);
  REQUIRE(found.size() == 1);
  CHECK(found[0].identity.serial.empty());
  CHECK(found[0].speed_mbps == 0);
}

TEST_CASE("usb bus: a machine without USB is told apart from one without instruments") {
  const TemporaryDirectory sysfs;
  const auto none = read_usb_instruments(sysfs.path());
  REQUIRE(!none.ok());
  CHECK(none.error().code == Errc::not_found);
  std::filesystem::create_directories(sysfs / "bus/usb/devices");
  CHECK(read(sysfs).empty());
}
