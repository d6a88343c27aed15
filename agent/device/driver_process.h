// One run of a driver's process, seen from the agent.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/device/driver_order.h"
#include "agent/device/file_descriptor.h"
#include "agent/device/shared_ring.h"

namespace joulespool::device {

// Not thread-safe.
class DriverProcess {
 public:
  // Starts `program` ("/proc/self/exe") as "driver-host <name>" with the order. It gets this process's standard streams and
  // environment, and no other descriptor. Errors: unreachable (no memory, no process), usage (an order that is too long).
  static Result<std::unique_ptr<DriverProcess>> spawn(const std::string& program, const std::string& name,
                                                      const DriverOrder& order, size_t ring_bytes);
  DriverProcess(const DriverProcess&) = delete;
  DriverProcess& operator=(const DriverProcess&) = delete;
  // Kills it if it still runs.
  ~DriverProcess();

  [[nodiscard]] SharedRing& ring() { return ring_; }

  // Waits until there is a record, an answer, the process's end, or something to read from `other_fd`; at most `timeout_ms`.
  void wait(int other_fd, int timeout_ms);
  // What it said about its start, once; empty: nothing yet. An answer that cannot be read is an error `damaged`.
  std::optional<Status> take_answer();
  // Has it ended, by itself or not?
  bool has_ended();
  // Says stop; it ends when it can.
  void ask_to_stop();
  // Ends it at once and waits for that; only for so long if it hangs in the kernel (a USB port gone bad).
  void kill();
  // "died (signal 6, Aborted)", "ended (exit code 1)"; it has.
  [[nodiscard]] std::string how_it_ended() const;

 private:
  DriverProcess(SharedRing ring, FileDescriptor socket, FileDescriptor wake)
      : ring_(std::move(ring)), socket_(std::move(socket)), wake_(std::move(wake)) {}
  bool reap(int options);

  SharedRing ring_;
  FileDescriptor socket_;
  FileDescriptor wake_;     // eventfd: records
  FileDescriptor process_;  // pidfd: readable at its end
  pid_t pid_ = 0;           // 0: ended
  int wait_status_ = 0;
  bool is_answered_ = false;
};

}  // namespace joulespool::device
