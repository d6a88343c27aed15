#include "agent/app/doctor_facts.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "agent/mqtt/paho_bus.h"

namespace joulespool::app {
namespace {

namespace fs = std::filesystem;

// Where udev looks, in its order.
constexpr std::array<const char*, 5> rules_directories = {"/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
                                                          "/usr/lib/udev/rules.d", "/lib/udev/rules.d"};
constexpr std::string_view vendor_rule = "16d0";
constexpr uintmax_t rules_bytes_max = 1024 * 1024;

// Does a line that is no comment name the vendor?
bool names_vendor(const fs::path& path) {
  std::error_code failure;
  if (fs::file_size(path, failure) > rules_bytes_max || failure) return false;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.find(vendor_rule) != std::string::npos && line.find('#') > line.find(vendor_rule)) return true;
  return false;
}

std::string find_rules(const std::string& root) {
  for (const char* directory : rules_directories) {
    std::error_code failure;
    std::vector<fs::path> files;
    for (fs::directory_iterator at(root + directory, failure); !failure && at != fs::directory_iterator(); at.increment(failure))
      if (at->path().extension() == ".rules") files.push_back(at->path());
    std::sort(files.begin(), files.end());
    const auto found = std::find_if(files.begin(), files.end(), names_vendor);
    if (found != files.end()) return found->string();
  }
  return "";
}

std::string permission_text(const struct stat& entry) {
  const passwd* user = getpwuid(entry.st_uid);
  const group* group = getgrgid(entry.st_gid);
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(entry.st_mode & 07777));
  return (user != nullptr ? user->pw_name : std::to_string(entry.st_uid)) + ":" +
         (group != nullptr ? group->gr_name : std::to_string(entry.st_gid)) + " " + mode.data();
}

UsbSeat look_at_seat(const device::UsbInstrument& instrument, const std::string& dev_root) {
  UsbSeat seat;
  seat.instrument = instrument;
  seat.node = device::usb_node(instrument, dev_root);
  struct stat entry {};
  seat.is_there = stat(seat.node.c_str(), &entry) == 0;
  if (!seat.is_there) return seat;
  seat.permission = permission_text(entry);
  seat.may_open = access(seat.node.c_str(), R_OK | W_OK) == 0;
  return seat;
}

// The directory, or the nearest one above it that is there.
fs::path existing_part(const fs::path& directory) {
  std::error_code ignored;
  fs::path path = fs::absolute(directory, ignored).lexically_normal();
  while (path.has_relative_path() && !fs::exists(path, ignored)) path = path.parent_path();
  return path;
}

uint64_t size_below(const fs::path& directory) {
  std::error_code failure;
  uint64_t bytes = 0;
  fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied, failure);
  for (; !failure && at != fs::recursive_directory_iterator(); at.increment(failure)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    const uintmax_t size = at->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

// What came of connecting, handed from the bus's threads to the one that waits.
class Outcome {
 public:
  void note(const mqtt::BusEvent& event) {
    if (std::get_if<mqtt::Connected>(&event) != nullptr) set(Status());
    else if (const auto* failed = std::get_if<mqtt::ConnectFailed>(&event)) set(Error{Errc::unreachable, failed->reason});
  }
  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(broker_patience_ms), [this] { return known_.has_value(); });
    if (known_) return *known_;
    return Error{Errc::unreachable, "no answer within " + std::to_string(broker_patience_ms / 1000) + " s"};
  }

 private:
  void set(Status status) {
    {
      const std::lock_guard lock(mutex_);
      if (!known_) known_ = std::move(status);
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Status> known_;
};

Status connect_once(const mqtt::BusOptions& options) {
  Outcome outcome;  // outlives the bus, whose threads tell it
  auto bus = mqtt::make_paho_bus(options, [&outcome](const mqtt::BusEvent& event) { outcome.note(event); });
  if (!bus) return bus.error();
  if (auto started = bus.value()->connect(); !started) return started;
  Status connected = outcome.wait();
  bus.value()->disconnect(500);
  return connected;
}

}  // namespace

bool needs_driver(const config::Settings& settings) {
  return std::any_of(settings.devices.begin(), settings.devices.end(),
                     [](const config::DeviceSettings& device) { return device.source == config::SourceKind::joulescope; });
}

UsbFacts look_at_usb(const MachineRoots& roots, bool is_needed) {
  UsbFacts facts;
  facts.is_needed = is_needed;
  const auto instruments = device::read_usb_instruments(roots.sysfs);
  if (!instruments) {
    facts.readable = instruments.error();
    return facts;
  }
  for (const device::UsbInstrument& instrument : *instruments) facts.seats.push_back(look_at_seat(instrument, roots.dev));
  facts.rules_file = find_rules(roots.udev);
  return facts;
}

ClockFacts look_at_clock(Clock& clock) {
  ClockFacts facts;
  facts.realtime_ns = clock.realtime_ns();
  timex state{};  // modes 0: only asks
  const int result = adjtimex(&state);
  if (result >= 0) facts.is_synchronised = result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  return facts;
}

DiskFacts look_at_disk(const std::string& directory, uint64_t budget_bytes) {
  DiskFacts facts;
  std::error_code ignored;
  facts.directory = fs::absolute(directory, ignored).lexically_normal().string();
  facts.existing = existing_part(facts.directory).string();
  facts.budget_bytes = budget_bytes;
  struct stat entry {};
  const bool is_directory = stat(facts.existing.c_str(), &entry) == 0 && S_ISDIR(entry.st_mode);
  facts.is_writable = is_directory && access(facts.existing.c_str(), W_OK | X_OK) == 0;
  if (facts.existing == facts.directory) facts.used_bytes = size_below(facts.directory);
  struct statvfs space {};
  if (statvfs(facts.existing.c_str(), &space) == 0) facts.free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  return facts;
}

BrokerFacts look_at_broker(const config::Settings& settings, Clock& clock) {
  mqtt::BusOptions options;
  options.uri = settings.mqtt.uri;
  options.client_id = settings.mqtt.client_id + "-doctor";
  options.username = settings.mqtt.username;
  options.password = settings.mqtt.password;
  options.keep_alive_s = settings.mqtt.keep_alive_s;
  options.connect_timeout_s = broker_patience_ms / 1000;
  BrokerFacts facts;
  facts.uri = options.uri;
  const int64_t began_ns = clock.monotonic_ns();
  facts.connected = connect_once(options);
  facts.took_ms = (clock.monotonic_ns() - began_ns) / ns_per_ms;
  return facts;
}

}  // namespace joulespool::app
