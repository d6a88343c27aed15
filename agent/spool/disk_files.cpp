#include "agent/spool/disk_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace joulespool::spool {
namespace {

namespace fs = std::filesystem;

Status write_all(int descriptor, const std::string& path, wire::ByteView bytes) {
  while (!bytes.empty()) {
    const auto size = ::write(descriptor, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return system_error(path, errno);
    bytes = bytes.subspan(static_cast<size_t>(size));
  }
  if (::fsync(descriptor) != 0) return system_error(path, errno);
  return {};
}

constexpr std::array<const char*, 3> database_parts = {"-shm", "-wal", ""};
constexpr std::string_view damaged_prefix = "damaged-";

// n of every damaged-<n> folder.
std::vector<unsigned> damaged_numbers(const std::string& directory) {
  std::vector<unsigned> numbers;
  std::error_code failed;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    unsigned number = 0;
    if (!name.starts_with(damaged_prefix)) continue;
    const auto parsed = std::from_chars(name.data() + damaged_prefix.size(), name.data() + name.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

std::string damaged_path(const std::string& directory, unsigned number) {
  return directory + "/" + std::string(damaged_prefix) + std::to_string(number);
}

}  // namespace

Error system_error(const std::string& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  return {full ? Errc::full : Errc::unreachable, path + ": " + std::strerror(number)};
}

Descriptor::Descriptor(const std::string& path, int flags) : number_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

std::string database_path(const std::string& directory) { return directory + "/spool.db"; }
std::string quarantine_path(const std::string& directory) { return directory + "/quarantine"; }

uint64_t allocated_bytes(const std::string& file) {
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  return static_cast<uint64_t>(info.st_blocks) * 512;  // st_blocks counts 512 bytes on Linux, whatever the block size
}

uint64_t allocated_bytes_below(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed))
    bytes += allocated_bytes(entry->path().string());
  return bytes;
}

uint64_t free_bytes(const std::string& directory) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) return 0;
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Status sync_directory(const std::string& directory) {
  const Descriptor folder(directory, O_RDONLY | O_DIRECTORY);
  if (folder.number() < 0 || ::fsync(folder.number()) != 0) return system_error(directory, errno);
  return {};
}

Status make_directory(const std::string& directory) {
  std::error_code failed;
  const bool created = fs::create_directories(directory, failed);
  if (failed) return system_error(directory, failed.value());
  if (!created) return {};
  const std::string parent = fs::absolute(directory, failed).parent_path().string();
  return parent.empty() ? Status{} : sync_directory(parent);
}

Status write_durably(const std::string& path, wire::ByteView bytes) {
  const std::string part = path + ".part";
  Status written;
  {
    const Descriptor file(part, O_WRONLY | O_CREAT | O_TRUNC);
    written = file.number() < 0 ? Status(system_error(part, errno)) : write_all(file.number(), part, bytes);
  }
  if (written && ::rename(part.c_str(), path.c_str()) != 0) written = system_error(path, errno);
  if (!written) {
    ::unlink(part.c_str());
    return written;
  }
  return sync_directory(fs::path(path).parent_path().string());
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

uint64_t database_disk_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const char* part : database_parts) bytes += allocated_bytes(database_path(directory) + part);
  return bytes;
}

void remove_database(const std::string& directory) {
  for (const char* part : database_parts) ::unlink((database_path(directory) + part).c_str());
}

std::vector<std::string> damaged_folders(const std::string& directory) {
  std::vector<unsigned> numbers = damaged_numbers(directory);
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::string> folders;
  for (const unsigned number : numbers) folders.push_back(damaged_path(directory, number));
  return folders;
}

Result<std::string> move_aside(const std::string& directory, const std::vector<std::string>& databases) {
  std::vector<unsigned> numbers = damaged_numbers(directory);
  std::sort(numbers.begin(), numbers.end());
  const std::string target = damaged_path(directory, numbers.empty() ? 1 : numbers.back() + 1);
  JOULESPOOL_TRY(make_directory(target), "move a damaged database aside");
  for (const std::string& database : databases) {
    const std::string name = fs::path(database).filename().string();
    for (const char* part : database_parts) {
      const std::string from = database + part;
      if (::rename(from.c_str(), (target + "/" + name + part).c_str()) != 0 && errno != ENOENT)
        return system_error(from, errno).in("move a damaged database aside");
    }
  }
  JOULESPOOL_TRY(sync_directory(target), "move a damaged database aside");
  JOULESPOOL_TRY(sync_directory(directory), "move a damaged database aside");
  std::error_code ignored;  // what cannot be removed is only in the way of the next one
  for (size_t at = 0; at + damaged_kept_max <= numbers.size(); ++at)
    fs::remove_all(damaged_path(directory, numbers[at]), ignored);
  return target;
}

void DiskReserve::hold(uint64_t bytes) {
  if (bytes == 0 || allocated_bytes(path()) >= bytes) return;
  const Descriptor file(path(), O_WRONLY | O_CREAT);
  if (file.number() < 0) return;
  if (::posix_fallocate(file.number(), 0, static_cast<off_t>(bytes)) != 0) ::unlink(path().c_str());
}

void DiskReserve::refill() {
  if (free_bytes(directory_) >= 2 * size_bytes_) hold(size_bytes_);
}

void DiskReserve::refill_in_need() {
  constexpr uint64_t margin_bytes = 64ULL * 1024;  // for the file system's own blocks
  const uint64_t free = free_bytes(directory_);
  if (!exists(path()) && free > margin_bytes) hold(std::min(size_bytes_, free - margin_bytes));
}

bool DiskReserve::release() { return ::unlink(path().c_str()) == 0; }

}  // namespace joulespool::spool
