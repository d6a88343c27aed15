// One writer per spool: a lock on `<directory>/lock` that the kernel releases with the process.
#pragma once

#include <string>
#include <utility>

#include "agent/base/result.h"

namespace joulespool::spool {

// Held while the object lives. An open-file-description lock (fcntl F_OFD_SETLK): it also keeps two writers of one process
// apart, and closing another descriptor of the same file does not lose it, as it would with a plain POSIX lock.
class DirectoryLock {
 public:
  // Errors: busy ("spool /x is used by process 123"), unreachable (path, permission).
  static Result<DirectoryLock> acquire(const std::string& directory);
  // Is it this lock that one finds in `directory` now? Not if another file system is mounted there since, or none any more.
  [[nodiscard]] bool is_in(const std::string& directory) const;
  // Is it free? For what only reads, also on a read-only medium: changes nothing, and holds nothing. Errors: busy, as above.
  static Status check_free(const std::string& directory);

  DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace joulespool::spool
