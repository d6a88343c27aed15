// Steers the stand-in driver (tests/support/standin/world.h says how, device_plan.h which keys): this process and what it starts
// find the world in the environment. Link joulespool_standin_world.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "tests/support/temporary_directory.h"

namespace joulespool::test {

// One line of what the driver was asked to do. value is "subscribe" or "unsubscribe" where it is none.
struct DriverCall {
  int pid = 0;
  std::string topic, value;
  unsigned flags = 0;  // 1: retain; of subscriptions: those of the driver
  int rc = 0;
};

// One at a time in a process.
class StandinWorld {
 public:
  using Keys = std::map<std::string, std::string>;

  StandinWorld() {
    std::filesystem::create_directories(directory_ / "devices");
    ::setenv("JSDRV_STANDIN_WORLD", directory_.path().c_str(), 1);
  }
  StandinWorld(const StandinWorld&) = delete;
  StandinWorld& operator=(const StandinWorld&) = delete;
  ~StandinWorld() { ::unsetenv("JSDRV_STANDIN_WORLD"); }

  [[nodiscard]] static std::string library() { return JOULESPOOL_STANDIN_LIBRARY; }
  [[nodiscard]] const std::string& path() const { return directory_.path(); }

  // {{"model", "js220"}, {"serial", "001122"}, ...}: there from now on, its counter new unless powered_utc_ns says otherwise.
  // Returns the name for unplug() and set(): "js220-001122".
  std::string plug(Keys keys) {
    if (!keys.contains("powered_utc_ns")) keys["powered_utc_ns"] = std::to_string(SystemClock().realtime_ns());
    const std::string id = keys["model"] + "-" + keys["serial"];
    devices_[id] = std::move(keys);
    write(id);
    return id;
  }
  void unplug(const std::string& id) const { std::filesystem::remove(directory_ / ("devices/" + id)); }
  // As it was, with a new counter.
  void plug_again(const std::string& id) {
    devices_.at(id).erase("powered_utc_ns");
    plug(devices_.at(id));
  }
  // Of one that is plugged in. An empty value takes the key away.
  void set(const std::string& id, const std::string& key, const std::string& value) {
    devices_.at(id)[key] = value;
    write(id);
  }
  [[nodiscard]] std::string get(const std::string& id, const std::string& key) const { return devices_.at(id).at(key); }
  // Of the library itself, for those who initialize it later: "version", "0x02000002".
  void set_driver(const std::string& key, const std::string& value) const {
    std::ofstream(directory_ / "driver", std::ios::app) << key << "=" << value << "\n";
  }

  [[nodiscard]] std::vector<DriverCall> calls() const {
    std::vector<DriverCall> calls;
    std::ifstream log(directory_ / "calls.log");
    for (std::string line; std::getline(log, line);) {
      std::istringstream parts(line);
      std::string pid, flags, rc;
      DriverCall call;
      for (std::string* part : {&pid, &call.topic, &call.value, &flags, &rc}) std::getline(parts, *part, '\t');
      if (rc.empty()) continue;  // half a line, of a process that still writes it
      call.pid = std::stoi(pid);
      call.flags = static_cast<unsigned>(std::stoul(flags));
      call.rc = std::stoi(rc);
      calls.push_back(call);
    }
    return calls;
  }

 private:
  void write(const std::string& id) const {
    const std::string path = directory_ / ("devices/" + id), next = directory_ / ("devices/." + id);
    {
      std::ofstream file(next);
      for (const auto& [key, value] : devices_.at(id)) file << key << "=" << value << "\n";
    }
    std::filesystem::rename(next, path);
  }

  TemporaryDirectory directory_{Storage::memory};
  std::map<std::string, Keys> devices_;
};

}  // namespace joulespool::test
