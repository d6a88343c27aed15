#include "tests/support/disk_faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

namespace joulespool::test {
namespace {

enum class Call { allocate, change, sync, read };

int errno_of(Sick sick) { return sick == Sick::no_space ? ENOSPC : sick == Sick::read_only ? EROFS : EIO; }

bool meets(Sick sick, Call call) {
  switch (sick) {
    case Sick::no_space: return call == Call::allocate;
    case Sick::read_only: return call == Call::allocate || call == Call::change;
    case Sick::io_error: return true;
  }
  return false;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

struct Plan {
  std::string folder;
  Sick sick = Sick::no_space;
  int64_t good = 0;
  int64_t bad = 0;
};

struct Range {
  uint64_t first = 0, end = 0;
};

class Faults {
 public:
  // Never destroyed: files are closed until the very end of the process.
  static Faults& the() {
    static auto* const faults = new Faults();
    return *faults;
  }
  void set(Plan plan) {
    const std::lock_guard lock(mutex_);
    if (folder_ != plan.folder) {
      descriptors_.clear();
      lost_.clear();
    }
    folder_ = plan.folder;
    plan_ = std::move(plan);
    failed_ = 0;
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    plan_.reset();
  }
  int64_t failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }
  void lose(const std::string& path, Range range) {
    const std::lock_guard lock(mutex_);
    lost_.emplace(path, range);
  }

  // Sets errno if the call at hand fails.
  bool fails(const char* path, Call call) { return path != nullptr && is_below(path) && fails(call); }
  bool fails(int descriptor, Call call) {
    {
      const std::lock_guard lock(mutex_);
      if (!descriptors_.contains(descriptor)) return false;
    }
    return fails(call);
  }
  bool fails_to_read(int descriptor, uint64_t first, uint64_t end) {
    {
      const std::lock_guard lock(mutex_);
      const auto file = descriptors_.find(descriptor);
      if (file == descriptors_.end()) return false;
      const auto [from, to] = lost_.equal_range(file->second);
      if (std::any_of(from, to, [&](const auto& lost) { return lost.second.first < end && first < lost.second.end; })) {
        errno = EIO;
        return true;
      }
    }
    return fails(Call::read);
  }
  void opened(int descriptor, const char* path) {
    if (descriptor < 0 || path == nullptr) return;
    const bool ours = is_below(path);
    const std::lock_guard lock(mutex_);
    if (ours) descriptors_.insert_or_assign(descriptor, path);
    else descriptors_.erase(descriptor);
  }
  void closed(int descriptor) {
    const std::lock_guard lock(mutex_);
    descriptors_.erase(descriptor);
  }

 private:
  Faults() {
    const char* const folder = std::getenv("DISK_FAULTS");
    if (folder == nullptr) return;
    folder_ = folder;
    control_ = folder_ + ".sick";
  }
  bool is_below(std::string_view path) {
    const std::lock_guard lock(mutex_);
    return !folder_.empty() && path.starts_with(folder_ + "/");
  }
  bool fails(Call call) {
    const std::lock_guard lock(mutex_);
    if (!control_.empty()) return fails_by_control(call);
    if (!plan_ || plan_->bad == 0 || !meets(plan_->sick, call)) return false;
    if (plan_->good-- > 0) return false;
    --plan_->bad;
    ++failed_;
    errno = errno_of(plan_->sick);
    return true;
  }
  bool fails_by_control(Call call) const {
    static const auto open = next<int (*)(const char*, int, ...)>("open");
    static const auto read = next<ssize_t (*)(int, void*, size_t)>("read");
    static const auto close = next<int (*)(int)>("close");
    const int before = errno;
    const int file = open(control_.c_str(), O_RDONLY | O_CLOEXEC);
    char sick = '-';
    if (file >= 0) {
      if (read(file, &sick, 1) != 1) sick = '-';
      close(file);
    }
    errno = before;
    if (sick < '0' || sick > '2' || !meets(static_cast<Sick>(sick - '0'), call)) return false;
    errno = errno_of(static_cast<Sick>(sick - '0'));
    return true;
  }

  std::mutex mutex_;
  std::string control_;  // of a preloaded one: the file that says what is wrong
  std::string folder_;
  std::optional<Plan> plan_;
  int64_t failed_ = 0;
  std::map<int, std::string> descriptors_;  // with their paths
  std::multimap<std::string, Range> lost_;
};

Call call_of_open(const char* path, int flags) {
  const bool creates = (flags & O_CREAT) != 0 && ::access(path, F_OK) != 0;
  if (creates) return Call::allocate;
  return (flags & O_ACCMODE) == O_RDONLY ? Call::read : Call::change;
}

template <class Function>
int open_one(Function real, const char* path, int flags, mode_t mode) {
  const int before = errno;
  const Call call = call_of_open(path, flags);
  errno = before;
  if (Faults::the().fails(path, call)) return -1;
  const int descriptor = real(path, flags, mode);
  Faults::the().opened(descriptor, path);
  return descriptor;
}

}  // namespace

void DiskFaults::fail(const std::string& folder, Sick sick, int64_t good, int64_t bad) {
  Faults::the().set({folder, sick, good, bad});
}
void DiskFaults::heal() { Faults::the().heal(); }
void DiskFaults::lose(const std::string& path, uint64_t first, uint64_t end) { Faults::the().lose(path, {first, end}); }
int64_t DiskFaults::failed() { return Faults::the().failed(); }

}  // namespace joulespool::test

// ---- in front of the C library

using joulespool::test::Call;
using joulespool::test::Faults;
using joulespool::test::next;
using joulespool::test::open_one;

// A call on a descriptor with the signature of the real one: fails, or goes there.
#define DISK_FAULTS_CALL(result, name, kind, parameters, ...)             \
  result name parameters {                                                \
    static const auto real = next<result(*) parameters>(#name);           \
    if (Faults::the().fails(first, kind)) return static_cast<result>(-1); \
    return real(__VA_ARGS__);                                             \
  }
// The same for those that read at a place.
#define DISK_FAULTS_READ(name, offset)                                                                              \
  ssize_t name(int first, void* bytes, size_t size, offset at) {                                                    \
    static const auto real = next<ssize_t (*)(int, void*, size_t, offset)>(#name);                                  \
    if (Faults::the().fails_to_read(first, static_cast<uint64_t>(at), static_cast<uint64_t>(at) + size)) return -1; \
    return real(first, bytes, size, at);                                                                            \
  }
// The same for those that give the error number back.
#define DISK_FAULTS_NUMBER(name, kind, parameters, ...)      \
  int name parameters {                                      \
    static const auto real = next<int(*) parameters>(#name); \
    if (Faults::the().fails(first, kind)) return errno;      \
    return real(__VA_ARGS__);                                \
  }

extern "C" {

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_one(real, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open64");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_one(real, path, flags, mode);
}

int close(int descriptor) {
  static const auto real = next<int (*)(int)>("close");
  Faults::the().closed(descriptor);
  return real(descriptor);
}

DISK_FAULTS_CALL(ssize_t, write, Call::allocate, (int first, const void* bytes, size_t size), first, bytes, size)
DISK_FAULTS_CALL(ssize_t, pwrite, Call::allocate, (int first, const void* bytes, size_t size, off_t at), first, bytes, size, at)
DISK_FAULTS_CALL(ssize_t, pwrite64, Call::allocate, (int first, const void* bytes, size_t size, off64_t at), first, bytes, size,
                 at)
DISK_FAULTS_CALL(ssize_t, read, Call::read, (int first, void* bytes, size_t size), first, bytes, size)
DISK_FAULTS_READ(pread, off_t)
DISK_FAULTS_READ(pread64, off64_t)
DISK_FAULTS_CALL(int, fallocate, Call::allocate, (int first, int mode, off_t at, off_t size), first, mode, at, size)
DISK_FAULTS_CALL(int, fallocate64, Call::allocate, (int first, int mode, off64_t at, off64_t size), first, mode, at, size)
DISK_FAULTS_NUMBER(posix_fallocate, Call::allocate, (int first, off_t at, off_t size), first, at, size)
DISK_FAULTS_NUMBER(posix_fallocate64, Call::allocate, (int first, off64_t at, off64_t size), first, at, size)
DISK_FAULTS_CALL(int, ftruncate, Call::change, (int first, off_t size) noexcept, first, size)
DISK_FAULTS_CALL(int, ftruncate64, Call::change, (int first, off64_t size) noexcept, first, size)
DISK_FAULTS_CALL(int, fsync, Call::sync, (int first), first)
DISK_FAULTS_CALL(int, fdatasync, Call::sync, (int first), first)
DISK_FAULTS_CALL(int, mkdir, Call::allocate, (const char* first, mode_t mode) noexcept, first, mode)
DISK_FAULTS_CALL(int, unlink, Call::change, (const char* first) noexcept, first)
DISK_FAULTS_CALL(int, rename, Call::change, (const char* first, const char* to) noexcept, first, to)

}  // extern "C"
