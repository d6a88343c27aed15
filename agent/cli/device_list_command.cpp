#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/device_flags.h"
#include "agent/cli/driver_call.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

struct DeviceRow {
  wire::DeviceIdentity identity;
  std::string firmware, state, detail;
};

struct DeviceList {
  std::string from;  // "agent" or "driver": who was asked
  std::vector<DeviceRow> rows;
};

Result<DeviceList> from_agent(const nlohmann::json& status) {
  const auto readings = readings_of(status);
  if (!readings) return readings.error();
  DeviceList list = {"agent", {}};
  for (const DeviceReading& reading : *readings)
    if (!reading.is_absent()) list.rows.push_back({reading.identity, reading.firmware, reading.state, reading.detail});
  return list;
}

Result<DeviceList> from_driver(const std::string& library, Clock& clock) {
  const auto entries = ask_instruments(library, clock);
  if (!entries) return entries.error();
  DeviceList list = {"driver", {}};
  for (const device::InstrumentEntry& entry : *entries)
    list.rows.push_back({entry.identity, entry.firmware, entry.problem.empty() ? "ready" : "unusable", entry.problem});
  return list;
}

// What the kernel knows better: bootloaders, instruments that nobody selected, and the serial as it is (an id has it in lower
// case).
void add_from_usb(const device::UsbInstrument& instrument, DeviceList& list) {
  const std::string place = "on USB port " + instrument.port + ": ";
  const auto row = std::find_if(list.rows.begin(), list.rows.end(),
                                [&](const DeviceRow& one) { return one.identity.id == instrument.identity.id; });
  if (instrument.is_bootloader)
    list.rows.push_back({instrument.identity, "", "bootloader", place + "waits for firmware; joulespool doctor says what to do"});
  else if (row != list.rows.end()) row->identity = instrument.identity;
  else if (list.from == "agent")
    list.rows.push_back({instrument.identity, "", "not used", place + "no [[device]] of the running agent selects it"});
  else
    list.rows.push_back(
        {instrument.identity, "", "not seen", place + "the driver does not list it; joulespool doctor may know why"});
}

void print(const DeviceList& list, std::ostream& out) {
  if (list.rows.empty()) {
    out << "no instrument is connected: check cable and hub; 'lsusb -d 16d0:' must list it; a virtual machine or container needs "
           "it passed through\n";
    return;
  }
  TextTable table({"device", "model", "serial", "firmware", "state"});
  for (const DeviceRow& row : list.rows)
    table.add({printable(row.identity.id), printable(row.identity.model), printable(row.identity.serial),
               row.firmware.empty() ? "-" : printable(row.firmware), printable(row.state)});
  table.print(out);
  for (const DeviceRow& row : list.rows)
    if (!row.detail.empty()) out << printable(row.identity.id) << ": " << printable(row.detail) << '\n';
}

nlohmann::json to_json(const DeviceList& list) {
  nlohmann::json devices = nlohmann::json::array();
  for (const DeviceRow& row : list.rows)
    devices.push_back({{"id", row.identity.id},
                       {"model", row.identity.model},
                       {"serial", row.identity.serial},
                       {"firmware", row.firmware},
                       {"state", row.state},
                       {"detail", row.detail}});
  return {{"version", json_version}, {"from", list.from}, {"devices", devices}};
}

// The agent if one runs, because it holds the instruments; else the driver.
Result<ExitCode> list_devices(const DeviceFlags& flags, const Surroundings& surroundings) {
  const auto loaded = flags.load(surroundings);
  if (!loaded) return loaded.error();
  const auto status = ask_status(loaded->settings.spool.directory, surroundings.clock);
  if (!status && status.error().code != Errc::unreachable) return status.error();
  auto list = status ? from_agent(*status) : from_driver(loaded->settings.driver_library, surroundings.clock);
  if (!list) return list.error();
  if (const auto on_usb = device::read_usb_instruments(flags.roots.sysfs))
    for (const device::UsbInstrument& instrument : *on_usb) add_from_usb(instrument, *list);
  if (flags.json) surroundings.out << to_json(*list).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else print(*list, surroundings.out);
  return exit_ok;
}

}  // namespace

Action add_device_list(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = DeviceFlags::add(app);
  return [flags, &surroundings] { return list_devices(*flags, surroundings); };
}

}  // namespace joulespool::cli
