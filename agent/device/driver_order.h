// What the agent and a driver's process say to each other when it begins: one message each way over a socket. Everything
// after that goes through the shared memory; the end of the socket means stop.
#pragma once

#include "agent/base/result.h"
#include "agent/device/joulescope_settings.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// Descriptors of a driver's process, from its first instruction on; there are none above.
constexpr int host_socket_fd = 3;  // SOCK_SEQPACKET
constexpr int host_memory_fd = 4;  // of a SharedRing
constexpr int host_wake_fd = 5;    // eventfd
constexpr size_t host_message_max = 64 << 10;

struct DriverOrder {
  JoulescopeSettings settings;  // of one instrument; no selection: tell what is plugged in
  ResumePoints resume;
};

wire::Bytes write_order(const DriverOrder& order);
Result<DriverOrder> read_order(wire::ByteView message);  // damaged

// How the start of the source went.
wire::Bytes write_answer(const Status& started);
// The outer result: damaged. The inner: what the process said.
Result<Status> read_answer(wire::ByteView message);

}  // namespace joulespool::device
