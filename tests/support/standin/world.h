// The directory that steers the stand-in, from any process:
//   devices/<file>  an instrument that is plugged in (device_plan.h); written elsewhere or as .name, then renamed to its place
//   driver          of the library itself: version=0x02030004, initialize_rc=1
//   calls.log       each publish and subscription: pid, topic, value, flags, return code, separated by tabs
//   claims/<name>   locked by the process that has the instrument open
#pragma once

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "tests/support/standin/device_plan.h"

namespace joulespool::standin {

struct DriverPlan {
  uint32_t version = 0x02030004;
  int32_t initialize_rc = 0;
};

// An instrument belongs to one opener at a time; given back with this.
class Claim {
 public:
  Claim() = default;
  explicit Claim(int file) : file_(file) {}
  Claim(Claim&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  Claim& operator=(Claim&& other) noexcept;
  ~Claim();
  [[nodiscard]] bool held() const { return file_ >= 0; }

 private:
  int file_ = -1;
};

// Any thread.
class World {
 public:
  explicit World(std::string directory);  // empty: nothing is plugged in, nothing is recorded
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] DriverPlan driver() const;
  [[nodiscard]] std::string devices_directory() const { return directory_.empty() ? "" : directory_ + "/devices"; }
  [[nodiscard]] std::vector<std::string> device_files() const;
  [[nodiscard]] std::optional<DevicePlan> device(const std::string& file) const;
  [[nodiscard]] Claim claim(const DevicePlan& plan) const;  // not held: another one has it
  void record(const std::string& topic, const std::string& value, unsigned flags, int32_t rc) const;

 private:
  const std::string directory_;
  int calls_ = -1;
};

struct DeviceChange {
  std::string file;
  bool removed = false;
};

// What happens in devices/, in order. One thread.
class WorldWatch {
 public:
  explicit WorldWatch(const World& world);
  ~WorldWatch();
  WorldWatch(const WorldWatch&) = delete;
  WorldWatch& operator=(const WorldWatch&) = delete;
  [[nodiscard]] int file() const { return file_; }  // readable when there is something; -1: never
  std::vector<DeviceChange> take();

 private:
  int file_ = -1;
};

}  // namespace joulespool::standin
