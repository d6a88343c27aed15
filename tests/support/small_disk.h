// File systems for tests, mounted where nobody else sees them: they go with the process. Needs root; without it mounted() is
// false and the test says that it was skipped.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "tests/support/temporary_directory.h"

namespace joulespool::test {

// Mounts of this process are its own from now on.
inline bool has_own_mounts() {
  static const bool own = ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return own;
}

inline void report_skipped(const char* what) {
  MESSAGE("########## SKIPPED: " << what << ": mounting is not permitted here (" << std::strerror(errno) << ") ##########");
}

// A disk in memory with so many bytes.
class SmallDisk {
 public:
  explicit SmallDisk(uint64_t bytes) {
    const std::string size = "size=" + std::to_string(bytes);
    mounted_ = has_own_mounts() && ::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, size.c_str()) == 0;
    if (!mounted_) report_skipped("a test on a small disk");
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] uint64_t free_bytes() const {
    struct statvfs info {};
    return ::statvfs(directory_.path().c_str(), &info) == 0 ? info.f_bavail * info.f_frsize : 0;
  }
  // Another program's file takes all that is left.
  void fill() const {
    const int file = ::open((directory_ / "filler").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string block(4096, 'x');
    while (::write(file, block.data(), block.size()) > 0) {
    }
    ::close(file);
  }
  void empty() const { ::unlink((directory_ / "filler").c_str()); }

 private:
  TemporaryDirectory directory_;
  bool mounted_ = false;
};

// A directory seen through a mount that cannot be written.
class ReadOnlyView {
 public:
  explicit ReadOnlyView(const std::string& directory) {
    const char* view = view_.path().c_str();
    mounted_ = has_own_mounts() && ::mount(directory.c_str(), view, nullptr, MS_BIND, nullptr) == 0 &&
               ::mount(nullptr, view, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
    if (!mounted_) report_skipped("a test on a read-only directory");
  }
  ReadOnlyView(const ReadOnlyView&) = delete;
  ReadOnlyView& operator=(const ReadOnlyView&) = delete;
  ~ReadOnlyView() {
    if (mounted_) ::umount2(view_.path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return view_.path(); }

 private:
  TemporaryDirectory view_;
  bool mounted_ = false;
};

}  // namespace joulespool::test
