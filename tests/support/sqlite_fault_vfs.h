// SQLite's file system with faults on demand: under every database that this process opens.
#pragma once

#include <cstdint>

namespace joulespool::test {

enum class DiskFault {
  full,         // a write finds no space
  write_error,  // a write fails
  sync_error,   // the bytes are written, but making them durable fails
};

class FaultVfs {
 public:
  // SQLite's default from here to the end of the process; once.
  static void install();
  // After `good` more operations of that kind (writes, or syncs), `bad` operations fail, then all is well again.
  static void fail(DiskFault fault, int64_t good, int64_t bad);
  static void heal();
  // True if an operation has failed since fail().
  static bool has_failed();
};

}  // namespace joulespool::test
