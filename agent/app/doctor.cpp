#include "agent/app/doctor.h"

#include <algorithm>
#include <map>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace joulespool::app {
namespace {

// The vendor's experience: one root hub carries three JS220 at full rate, not four.
constexpr size_t full_rate_instruments_per_bus = 3;
// Less is no room to begin with.
constexpr uint64_t free_bytes_min = 64ULL * 1024 * 1024;

constexpr const char* driver_advice =
    "docs/joulescope.md, 'The driver', says how, step by step; a library elsewhere is named by driver.library in the file or "
    "JOULESPOOL_DRIVER_LIBRARY in the environment";
constexpr const char* rules_advice =
    "install agent/device/72-joulespool.rules in /etc/udev/rules.d, then run: udevadm control --reload-rules && udevadm trigger "
    "--subsystem-match=usb --action=add";
constexpr const char* group_advice =
    "add this user to group plugdev (adduser <user> plugdev, then log in again), or to the service: SupplementaryGroups=plugdev";

Finding ok(const char* check, std::string found) { return {check, Verdict::ok, std::move(found), ""}; }
Finding warning(const char* check, std::string found, std::string advice) {
  return {check, Verdict::warning, std::move(found), std::move(advice)};
}
Finding problem(const char* check, std::string found, std::string advice) {
  return {check, Verdict::problem, std::move(found), std::move(advice)};
}

std::string name_of(const device::UsbInstrument& instrument) {
  return instrument.identity.serial.empty() ? instrument.identity.model + " without a serial number" : instrument.identity.id;
}

Finding judge_bootloader(const device::UsbInstrument& instrument) {
  const std::string found = name_of(instrument) + " at USB port " + instrument.port + " waits for firmware (bootloader)";
  if (instrument.identity.model != "js110")
    return warning("usb", found, "plug it in again; if that does not help, update its firmware with the vendor's Joulescope UI");
  return problem("usb", found + ", and the driver 2.3.4 crashes while such a JS110 is there",
                 "unplug it, or program its firmware with the vendor's Joulescope UI");
}

Finding judge_node(const UsbSeat& seat, const std::string& rules_file) {
  const std::string name = name_of(seat.instrument) + ": ";
  if (!seat.is_there)
    return problem("usb", name + seat.node + " is not there",
                   "in a container, pass /dev/bus/usb into it; else restart udev: systemctl restart systemd-udevd");
  if (!seat.may_open)
    return problem("usb", name + seat.node + " (" + seat.permission + ") cannot be opened by this user",
                   rules_file.empty() ? std::string(rules_advice) + "; then " + group_advice : group_advice);
  const uint32_t speed = seat.instrument.speed_mbps;
  if (speed != 0 && speed < device::usb_speed_needed_mbps)
    return warning("usb", name + "connected at " + std::to_string(speed) + " Mbit/s; full rate needs 480",
                   "use another port, cable or hub (USB 2.0 high speed or better)");
  return ok("usb", name + "can be opened, USB port " + seat.instrument.port);
}

std::string share_text(uint64_t free_bytes, const DiskFacts& facts) {
  return format_bytes(free_bytes) + " free; budget " + format_bytes(facts.budget_bytes) + ", of which " +
         format_bytes(facts.used_bytes) + " are used";
}

Finding judge_device(const AgentFacts::Device& device) {
  const std::string name = device.id + ": " + device.state;
  const std::string lost =
      device.samples_lost == 0 ? "" : ", " + std::to_string(device.samples_lost) + " samples lost and recorded as gaps";
  if (device.state == "streaming" || device.state == "ended") return ok("agent", name + lost);
  const std::string advice = "docs/joulescope.md, 'What the agent says', has each text and what to do";
  if (!device.detail.empty()) return problem("agent", name + ": " + device.detail, advice);
  if (device.state == "lost" || device.state == "trouble")
    return problem("agent", name + lost, "is it plugged in and powered? " + advice);
  return ok("agent", name);
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::warning: return "warning";
    case Verdict::problem: return "problem";
  }
  return "?";
}

Findings judge(const DriverFacts& facts) {
  const std::string library = facts.library.empty() ? "libjsdrv.so" : facts.library;
  if (facts.version) return {ok("driver", "version " + *facts.version + " (" + library + ")")};
  const std::string& why = facts.version.error().message;
  if (facts.is_needed) return {problem("driver", why, driver_advice)};
  return {ok("driver", "none that can be used, and none is needed: no [[device]] has source = \"joulescope\"")};
}

Findings judge(const UsbFacts& facts) {
  if (!facts.readable) {
    const std::string found = "no USB: " + facts.readable.error().message;
    if (!facts.is_needed) return {ok("usb", found)};
    return {
        problem("usb", found, "in a container, pass /sys and /dev/bus/usb into it; a virtual machine needs USB passed through")};
  }
  if (facts.seats.empty()) {
    if (!facts.is_needed) return {ok("usb", "no Joulescope is connected")};
    return {
        warning("usb", "no Joulescope is connected, but one is selected", "check cable and hub; 'lsusb -d 16d0:' must list it")};
  }
  Findings findings;
  for (const UsbSeat& seat : facts.seats)
    findings.push_back(seat.instrument.is_bootloader ? judge_bootloader(seat.instrument) : judge_node(seat, facts.rules_file));
  if (facts.rules_file.empty())
    findings.push_back(
        warning("usb", "no udev rule for Joulescopes is installed: other users, and a service, cannot open them", rules_advice));
  else findings.push_back(ok("usb", "udev rule: " + facts.rules_file));
  return findings;
}

Findings judge_sharing(std::span<const UsbSeat> seats) {
  std::map<uint32_t, std::vector<std::string>> by_bus;
  for (const UsbSeat& seat : seats)
    if (!seat.instrument.is_bootloader && seat.instrument.identity.model != "js110")
      by_bus[seat.instrument.bus].push_back(name_of(seat.instrument));
  Findings findings;
  for (const auto& [bus, names] : by_bus) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    if (names.size() > full_rate_instruments_per_bus)
      findings.push_back(warning("usb sharing",
                                 "bus " + std::to_string(bus) + " carries " + std::to_string(names.size()) + " instruments (" +
                                     all + "); one root hub has room for 3 at full rate",
                                 "move some to ports of another root hub ('lsusb -t' shows them); else samples will be lost"));
  }
  if (findings.empty() && !by_bus.empty()) findings.push_back(ok("usb sharing", "at most 3 JS220 or JS320 on each root hub"));
  return findings;
}

Findings judge(const ClockFacts& facts) {
  const std::string now = format_utc(facts.realtime_ns, 0);
  if (facts.realtime_ns < wire::plausible_utc_ns)
    return {problem("clock", "the clock says " + now + ": it was never set",
                    "set it, and let it follow a time server: timedatectl set-ntp true, or install chrony")};
  if (facts.is_synchronised == false)
    return {warning("clock", now + ", but not synchronised: times of a JS110's samples drift with this machine's clock",
                    "let it follow a time server: timedatectl set-ntp true, or install chrony")};
  return {ok("clock", now + (facts.is_synchronised ? ", synchronised" : ""))};
}

Findings judge(const DiskFacts& facts) {
  const bool is_there = facts.existing == facts.directory;
  if (!facts.is_writable)
    return {problem("disk",
                    is_there ? facts.directory + " cannot be written by this user"
                             : facts.directory + " is not there and cannot be made in " + facts.existing,
                    "make it, owned by the user that runs the agent, or name another with spool.directory")};
  const std::string found = facts.directory + (is_there ? ": " : " will be made: ") + share_text(facts.free_bytes, facts);
  const uint64_t wanted = facts.budget_bytes - std::min(facts.budget_bytes, facts.used_bytes);
  const std::string advice = "make room on the disk, or lower spool.budget-bytes";
  if (facts.free_bytes < free_bytes_min && wanted > 0) return {problem("disk", found, advice)};
  if (facts.free_bytes < wanted) return {warning("disk", found + ": the disk is full before the budget is", advice)};
  return {ok("disk", found)};
}

Findings judge(const BrokerFacts& facts) {
  if (facts.connected) return {ok("broker", facts.uri + ": connected in " + std::to_string(facts.took_ms) + " ms")};
  const std::string& why = facts.connected.error().message;
  return {problem("broker", why.starts_with(facts.uri) ? why : facts.uri + ": " + why,
                  "is the broker running and reachable from here? mqtt.uri, mqtt.username and mqtt.password must fit it; samples "
                  "wait in the spool meanwhile")};
}

Findings judge(const AgentFacts& facts, std::string_view own_version) {
  if (!facts.answers && facts.answers.error().code == Errc::unreachable)
    return {ok("agent", "none runs with this spool; start it with: joulespool run")};
  if (!facts.answers) return {problem("agent", facts.answers.error().message, "restart it")};
  Findings findings = {ok("agent", "runs, version " + facts.software)};
  if (facts.software != own_version)
    findings = {warning("agent", "runs version " + facts.software + ", but version " + std::string(own_version) + " is installed",
                        "restart it")};
  if (!facts.spool_error.empty())
    findings.push_back(problem("agent", "its spool cannot be written: " + facts.spool_error, "see the disk check, and its log"));
  for (const AgentFacts::Device& device : facts.devices) findings.push_back(judge_device(device));
  return findings;
}

}  // namespace joulespool::app
