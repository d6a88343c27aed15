#include "agent/spool/directory_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace joulespool::spool {
namespace {

// The pid is a record of fixed width, overwritten in place: that needs no space on a full disk.
constexpr size_t record_size = 21;

void write_pid(int descriptor) {
  std::array<char, record_size + 1> record{};
  std::snprintf(record.data(), record.size(), "%-20ld\n", static_cast<long>(::getpid()));
  // What is written is for people; the lock holds without it.
  [[maybe_unused]] const auto written = ::pwrite(descriptor, record.data(), record_size, 0);
}

std::string holder(int descriptor) {
  std::array<char, record_size + 1> record{};
  const auto size = ::pread(descriptor, record.data(), record_size, 0);
  const long pid = size > 0 ? std::strtol(record.data(), nullptr, 10) : 0;
  return pid > 0 ? "process " + std::to_string(pid) : "another process";
}

struct flock whole_file() {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

Error used_by_another(const std::string& directory, int descriptor) {
  return {Errc::busy, "spool " + directory + " is used by " + holder(descriptor)};
}

}  // namespace

Result<DirectoryLock> DirectoryLock::acquire(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor < 0) return Error{Errc::unreachable, path + ": " + std::strerror(errno)};
  DirectoryLock lock(descriptor);
  struct flock range = whole_file();
  if (::fcntl(descriptor, F_OFD_SETLK, &range) != 0) {
    if (errno == EAGAIN || errno == EACCES) return used_by_another(directory, descriptor);
    return Error{Errc::unreachable, path + ": " + std::strerror(errno)};
  }
  write_pid(descriptor);
  return lock;
}

bool DirectoryLock::is_in(const std::string& directory) const {
  struct stat held {};
  struct stat found {};
  return ::fstat(descriptor_, &held) == 0 && ::stat((directory + "/lock").c_str(), &found) == 0 && held.st_dev == found.st_dev &&
         held.st_ino == found.st_ino;
}

Status DirectoryLock::check_free(const std::string& directory) {
  const int descriptor = ::open((directory + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};  // a copy without it, or one that this user may not read: nobody can be asked
  const DirectoryLock opened(descriptor);
  struct flock range = whole_file();
  if (::fcntl(descriptor, F_OFD_GETLK, &range) != 0 || range.l_type == F_UNLCK) return {};
  return used_by_another(directory, descriptor);
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace joulespool::spool
