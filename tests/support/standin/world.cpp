#include "tests/support/standin/world.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace joulespool::standin {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

int64_t written_utc_ns(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * ns_per_s + info.st_mtim.tv_nsec;
}

}  // namespace

Claim& Claim::operator=(Claim&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

Claim::~Claim() {
  if (file_ >= 0) ::close(file_);
}

World::World(std::string directory) : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(directory_ + "/devices", ignored);
  std::filesystem::create_directories(directory_ + "/claims", ignored);
  calls_ = ::open((directory_ + "/calls.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

World::~World() {
  if (calls_ >= 0) ::close(calls_);
}

DriverPlan World::driver() const {
  DriverPlan plan;
  std::istringstream lines(directory_.empty() ? "" : read_file(directory_ + "/driver"));
  for (std::string line; std::getline(lines, line);) {
    uint64_t value = 0;
    if (line.starts_with("version=") && parse_number(line.substr(8), value)) plan.version = static_cast<uint32_t>(value);
    if (line.starts_with("initialize_rc=") && parse_number(line.substr(14), value))
      plan.initialize_rc = static_cast<int32_t>(value);
  }
  return plan;
}

std::vector<std::string> World::device_files() const {
  std::vector<std::string> files;
  std::error_code error;
  if (!directory_.empty())
    for (const auto& entry : std::filesystem::directory_iterator(devices_directory(), error))
      if (const std::string name = entry.path().filename().string(); !name.starts_with('.')) files.push_back(name);
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<DevicePlan> World::device(const std::string& file) const {
  const std::string path = devices_directory() + "/" + file;
  const int64_t written = written_utc_ns(path);
  auto plan = parse_device_plan(read_file(path));
  if (plan && plan->powered_utc_ns == 0) plan->powered_utc_ns = written;
  return plan;
}

Claim World::claim(const DevicePlan& plan) const {
  const std::string path = directory_ + "/claims/" + plan.model + "-" + plan.serial;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return {};
  Claim claim(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) return {};
  return claim;
}

void World::record(const std::string& topic, const std::string& value, unsigned flags, int32_t rc) const {
  if (calls_ < 0) return;
  const std::string line =
      std::to_string(::getpid()) + "\t" + topic + "\t" + value + "\t" + std::to_string(flags) + "\t" + std::to_string(rc) + "\n";
  [[maybe_unused]] const ssize_t written = ::write(calls_, line.data(), line.size());
}

WorldWatch::WorldWatch(const World& world) {
  if (world.devices_directory().empty()) return;
  file_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (file_ < 0 ||
      ::inotify_add_watch(file_, world.devices_directory().c_str(), IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) < 0)
    std::perror("stand-in driver: cannot watch its world");
}

WorldWatch::~WorldWatch() {
  if (file_ >= 0) ::close(file_);
}

std::vector<DeviceChange> WorldWatch::take() {
  std::vector<DeviceChange> changes;
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (ssize_t size = 0; file_ >= 0 && (size = ::read(file_, buffer.data(), buffer.size())) > 0;)
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string name = event.len == 0 ? "" : std::string(buffer.data() + at + sizeof event);
      if (!name.empty() && !name.starts_with('.')) changes.push_back({name, (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0});
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  return changes;
}

}  // namespace joulespool::standin
