// A real ext4 of a few MB on a loop device, mounted where nobody else sees it: it goes with the process. Needs root and
// mkfs.ext4; without them mounted() is false and the test says that it was skipped.
#pragma once

#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tests/support/small_disk.h"

namespace joulespool::test {

class LoopDisk {
 public:
  explicit LoopDisk(uint64_t bytes) {
    mounted_ = has_own_mounts() && make_image(bytes) && attach() && mount();
    if (!mounted_) report_skipped("a test on a loop-mounted ext4");
  }
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;
  ~LoopDisk() {
    if (mounted_) unmount();
    if (loop_ >= 0) ::close(loop_);  // LO_FLAGS_AUTOCLEAR: with its last user
  }

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return point_ / name; }
  [[nodiscard]] uint64_t free_bytes() const {
    struct statvfs info {};
    return ::statvfs(point_.path().c_str(), &info) == 0 ? info.f_bavail * info.f_frsize : 0;
  }
  // Another program's file takes all that is left, to the last byte.
  void fill() const {
    const int file = ::open((point_ / "filler").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat info {};
    for (off_t step = 32 << 20; step >= 4096; step /= 2)
      while (::fstat(file, &info) == 0 && ::fallocate(file, 0, info.st_size, step) == 0) {
      }
    const std::string block(4096, 'x');
    while (::write(file, block.data(), block.size()) > 0) {
    }
    ::close(file);
  }
  void empty() const { ::unlink((point_ / "filler").c_str()); }

  bool mount() { return ::mount(device_.c_str(), point_.path().c_str(), "ext4", 0, "errors=remount-ro") == 0; }
  // What lies on it now, on another device: as a card that is pulled out and put in again.
  bool mount_copy() {
    const std::string copy = storage_ / "copy";
    std::error_code failed;
    std::filesystem::copy_file(image_, copy, std::filesystem::copy_options::overwrite_existing, failed);
    image_ = copy;
    ::close(std::exchange(loop_, -1));
    return !failed && attach() && mount();
  }
  // Also while files are open: who has them keeps them.
  void unmount() const { ::umount2(point_.path().c_str(), MNT_DETACH); }
  // False: files are open for writing (then the kernel does not let people do it).
  [[nodiscard]] bool remount(bool read_only) const {
    return ::mount(nullptr, point_.path().c_str(), nullptr, read_only ? MS_REMOUNT | MS_RDONLY : MS_REMOUNT,
                   "errors=remount-ro") == 0;
  }

 private:
  bool make_image(uint64_t bytes) {
    image_ = storage_ / "image";
    const int file = ::open(image_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const bool sized = file >= 0 && ::ftruncate(file, static_cast<off_t>(bytes)) == 0;
    ::close(file);
    return sized && std::system(("mkfs.ext4 -q -m 0 -F " + image_ + " >/dev/null 2>&1").c_str()) == 0;
  }
  bool attach() {
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    const int image = ::open(image_.c_str(), O_RDWR | O_CLOEXEC);
    for (int attempt = 0; control >= 0 && loop_ < 0 && attempt < 100; ++attempt) {  // another process may take the free one
      device_ = "/dev/loop" + std::to_string(::ioctl(control, LOOP_CTL_GET_FREE));
      const int loop = ::open(device_.c_str(), O_RDWR | O_CLOEXEC);
      struct loop_config config {};
      config.fd = static_cast<uint32_t>(image);
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (loop >= 0 && ::ioctl(loop, LOOP_CONFIGURE, &config) == 0) loop_ = loop;
      else ::close(loop);
    }
    ::close(control);
    ::close(image);
    return loop_ >= 0;
  }

  TemporaryDirectory storage_{Storage::memory};
  TemporaryDirectory point_;
  std::string image_, device_;
  int loop_ = -1;
  bool mounted_ = false;
};

}  // namespace joulespool::test
