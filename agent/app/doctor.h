// Is everything there that the agent needs? From facts to findings: pure (doctor_facts.h looks).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/device/usb_bus.h"

namespace joulespool::app {

enum class Verdict { ok, warning, problem };
std::string_view to_string(Verdict verdict);

struct Finding {
  std::string check;  // "driver", "usb", "usb sharing", "clock", "disk", "broker", "agent"
  Verdict verdict = Verdict::ok;
  std::string found;
  std::string advice;  // what to do; empty if nothing is to be done
};
using Findings = std::vector<Finding>;

struct DriverFacts {
  bool is_needed = false;  // an instrument is selected
  std::string library;     // as set; empty: the loader's default
  Result<std::string> version = Error{};
};

// An instrument on USB, and what its device node allows the user who asks.
struct UsbSeat {
  device::UsbInstrument instrument;
  std::string node;
  bool is_there = false;
  bool may_open = false;   // read and write
  std::string permission;  // "root:plugdev 0660"
};

struct UsbFacts {
  bool is_needed = false;
  Status readable;
  std::vector<UsbSeat> seats;
  std::string rules_file;  // the first udev rules that name the vendor's id; empty: none
};

struct ClockFacts {
  int64_t realtime_ns = 0;
  std::optional<bool> is_synchronised;  // none: the kernel does not tell
};

struct DiskFacts {
  std::string directory;
  std::string existing;  // the directory, or the nearest one above it that is there
  bool is_writable = false;
  uint64_t free_bytes = 0;  // for this user
  uint64_t used_bytes = 0;  // by the spool itself
  uint64_t budget_bytes = 0;
};

struct BrokerFacts {
  std::string uri;
  Status connected;
  int64_t took_ms = 0;
};

struct AgentFacts {
  struct Device {
    std::string id, state, detail;
    uint64_t samples_lost = 0;
  };
  Status answers;  // unreachable: none runs
  std::string software;
  std::vector<Device> devices;
  std::string spool_error;  // empty: none
};

Findings judge(const DriverFacts& facts);
// Each instrument: can it be opened? Does it wait for firmware? Is its connection fast enough?
Findings judge(const UsbFacts& facts);
// How many instruments each root hub carries.
Findings judge_sharing(std::span<const UsbSeat> seats);
Findings judge(const ClockFacts& facts);
Findings judge(const DiskFacts& facts);
Findings judge(const BrokerFacts& facts);
// `own_version`: of the program that asks.
Findings judge(const AgentFacts& facts, std::string_view own_version);

}  // namespace joulespool::app
