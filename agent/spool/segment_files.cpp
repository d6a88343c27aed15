#include "agent/spool/segment_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "agent/spool/disk_files.h"

namespace joulespool::spool {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "segment-";
constexpr std::string_view suffix = ".db";
constexpr off_t segment_page_bytes = 2048;
constexpr size_t digits_min = 8;  // so that a listing by name is one by age
// The database itself last: what is left of a removal that was cut short is still found by its name.
constexpr std::array<const char*, 3> parts = {"-shm", "-wal", ""};

}  // namespace

std::string segment_path(const std::string& directory, uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < digits_min) digits.insert(0, digits_min - digits.size(), '0');
  return directory + "/" + std::string(prefix) + digits + std::string(suffix);
}

std::vector<uint64_t> list_segments(const std::string& directory) {
  std::vector<uint64_t> numbers;
  std::error_code failed;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    uint64_t number = 0;
    const char* const last = name.data() + name.size() - suffix.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), last, number);
    if (parsed.ec == std::errc() && parsed.ptr == last && segment_path(directory, number).ends_with("/" + name))
      numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

bool segment_has_begun(const std::string& directory, uint64_t number) {
  const std::string path = segment_path(directory, number);
  struct stat info {};
  if (::stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0) return true;
  // Without a log the first page says only that there will be one; more pages are a log that somebody copied into the database.
  return ::stat(path.c_str(), &info) == 0 && info.st_size > segment_page_bytes;
}

uint64_t segment_disk_bytes(const std::string& directory, uint64_t number) {
  uint64_t bytes = 0;
  for (const char* part : parts) bytes += allocated_bytes(segment_path(directory, number) + part);
  return bytes;
}

void remove_segment(const std::string& directory, uint64_t number) {
  for (const char* part : parts) ::unlink((segment_path(directory, number) + part).c_str());
}

void remove_leftovers(const std::string& directory) {
  std::error_code failed;
  std::vector<std::string> leftovers;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string path = entry->path().string();
    if (!entry->path().filename().string().starts_with(prefix)) continue;
    for (const std::string_view part : {"-wal", "-shm"}) {
      if (!path.ends_with(std::string(suffix) + std::string(part)) || exists(path.substr(0, path.size() - part.size()))) continue;
      struct stat info {};
      const bool holds_frames = part == "-wal" && (::stat(path.c_str(), &info) != 0 || info.st_size > 0);
      if (!holds_frames) leftovers.push_back(path);
    }
  }
  for (const std::string& path : leftovers) ::unlink(path.c_str());
}

Status allocate_log(const std::string& directory, uint64_t number, uint64_t bytes) {
  const std::string path = segment_path(directory, number) + "-wal";
  const Descriptor log(path, O_WRONLY | O_CREAT);
  if (log.number() < 0) return system_error(path, errno);
  // The size stays as it is: SQLite takes what is in the file for its log. Without this call in the file system (EOPNOTSUPP)
  // a full disk is met later, by a commit.
  if (::fallocate(log.number(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0 || errno == EOPNOTSUPP) return {};
  return system_error(path, errno);
}

void trim_log(const std::string& directory, uint64_t number) {
  constexpr off_t worth_it_bytes = 64 * 1024;
  const std::string path = segment_path(directory, number) + "-wal";
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || info.st_blocks * 512 < info.st_size + worth_it_bytes) return;
  const Descriptor log(path, O_WRONLY);
  if (log.number() < 0) return;
  // Some file systems let go of blocks behind the end only when the end moves.
  if (::ftruncate(log.number(), info.st_size + 1) == 0) static_cast<void>(!::ftruncate(log.number(), info.st_size));
}

void release_unused(const std::string& directory, uint64_t number) {
  ::unlink((segment_path(directory, number) + "-shm").c_str());
  trim_log(directory, number);
}

}  // namespace joulespool::spool
