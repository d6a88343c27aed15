// Instruments as the kernel's USB tree shows them: without the driver, without a permission, without opening anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::device {

constexpr uint32_t usb_speed_needed_mbps = 480;  // an instrument sends 8 MB/s: USB high speed

struct UsbInstrument {
  wire::DeviceIdentity identity;  // the serial may be empty: an instrument that does not tell it
  bool is_bootloader = false;     // waits for firmware and cannot measure
  std::string port;               // "1-1.2": bus, then the ports of hubs on the way
  uint32_t bus = 0;               // one number per root hub
  uint32_t address = 0;           // on that bus; a new one after each plug
  uint32_t speed_mbps = 0;        // 0: not known
};

// Reads <sysfs_root>/bus/usb/devices; sysfs_root is "/sys" but in tests. In the order of bus and port. What goes away
// while it reads, or is not an instrument, is left out. Errors: not_found (this machine has no USB, or a container hides it).
Result<std::vector<UsbInstrument>> read_usb_instruments(const std::string& sysfs_root);

// The file that must be readable and writable to open it: "/dev/bus/usb/001/004"; dev_root is "/dev" but in tests.
std::string usb_node(const UsbInstrument& instrument, const std::string& dev_root);

}  // namespace joulespool::device
