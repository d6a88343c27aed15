#include "tests/support/sqlite_fault_vfs.h"

#include <sqlite3.h>

#include <cerrno>
#include <mutex>

namespace joulespool::test {
namespace {

sqlite3_vfs* real_vfs = nullptr;

struct Plan {
  DiskFault fault = DiskFault::full;
  int64_t good = 0;
  int64_t bad = 0;
  bool failed = false;
};
std::mutex plan_mutex;
Plan plan;

// Whether the operation at hand fails.
bool fails(bool is_sync) {
  const std::lock_guard lock(plan_mutex);
  if (is_sync != (plan.fault == DiskFault::sync_error) || plan.bad == 0) return false;
  if (plan.good-- > 0) return false;
  --plan.bad;
  plan.failed = true;
  errno = plan.fault == DiskFault::full ? ENOSPC : EIO;
  return true;
}

int write_error() {
  const std::lock_guard lock(plan_mutex);
  return plan.fault == DiskFault::full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

// The real file lies behind this one.
struct FaultFile {
  sqlite3_file base;
};

sqlite3_file* real(sqlite3_file* file) {
  return static_cast<sqlite3_file*>(static_cast<void*>(static_cast<FaultFile*>(static_cast<void*>(file)) + 1));
}
const sqlite3_io_methods& methods(sqlite3_file* file) { return *real(file)->pMethods; }

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  return fails(false) ? write_error() : methods(file).xWrite(real(file), bytes, size, offset);
}
int sync(sqlite3_file* file, int flags) { return fails(true) ? SQLITE_IOERR_FSYNC : methods(file).xSync(real(file), flags); }
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return fails(false) ? SQLITE_IOERR_TRUNCATE : methods(file).xTruncate(real(file), size);
}
int file_control(sqlite3_file* file, int what, void* argument) {
  if (what == SQLITE_FCNTL_SIZE_HINT && fails(false)) return SQLITE_IOERR_WRITE;
  return methods(file).xFileControl(real(file), what, argument);
}
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  return methods(file).xShmMap(real(file), region, size, extend, memory);
}

const sqlite3_io_methods fault_methods = {
    3,
    [](sqlite3_file* file) { return methods(file).xClose(real(file)); },
    [](sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
      return methods(file).xRead(real(file), bytes, size, offset);
    },
    write,
    truncate,
    sync,
    [](sqlite3_file* file, sqlite3_int64* size) { return methods(file).xFileSize(real(file), size); },
    [](sqlite3_file* file, int lock) { return methods(file).xLock(real(file), lock); },
    [](sqlite3_file* file, int lock) { return methods(file).xUnlock(real(file), lock); },
    [](sqlite3_file* file, int* reserved) { return methods(file).xCheckReservedLock(real(file), reserved); },
    file_control,
    [](sqlite3_file* file) { return methods(file).xSectorSize(real(file)); },
    [](sqlite3_file* file) { return methods(file).xDeviceCharacteristics(real(file)); },
    shm_map,
    [](sqlite3_file* file, int offset, int count, int flags) { return methods(file).xShmLock(real(file), offset, count, flags); },
    [](sqlite3_file* file) { methods(file).xShmBarrier(real(file)); },
    [](sqlite3_file* file, int remove) { return methods(file).xShmUnmap(real(file), remove); },
    [](sqlite3_file* file, sqlite3_int64 offset, int size, void** memory) {
      return methods(file).xFetch(real(file), offset, size, memory);
    },
    [](sqlite3_file* file, sqlite3_int64 offset, void* memory) { return methods(file).xUnfetch(real(file), offset, memory); },
};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* given) {
  file->pMethods = nullptr;
  const int code = real_vfs->xOpen(real_vfs, name, real(file), flags, given);
  if (code == SQLITE_OK && real(file)->pMethods != nullptr) file->pMethods = &fault_methods;
  return code;
}

}  // namespace

void FaultVfs::install() {
  static sqlite3_vfs vfs;
  if (real_vfs != nullptr) return;
  real_vfs = sqlite3_vfs_find(nullptr);
  vfs = *real_vfs;
  vfs.zName = "fault";
  vfs.szOsFile += static_cast<int>(sizeof(FaultFile));
  vfs.xOpen = open;
  sqlite3_vfs_register(&vfs, 1);
}

void FaultVfs::fail(DiskFault fault, int64_t good, int64_t bad) {
  const std::lock_guard lock(plan_mutex);
  plan = {fault, good, bad, false};
}

void FaultVfs::heal() {
  const std::lock_guard lock(plan_mutex);
  plan.bad = 0;
}

bool FaultVfs::has_failed() {
  const std::lock_guard lock(plan_mutex);
  return plan.failed;
}

}  // namespace joulespool::test
