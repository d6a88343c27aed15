// Sends what waits in a spool whose host is gone to a broker, under the host's identity.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/uplink/uplink.h"
#include "agent/wire/types.h"

namespace joulespool::app {

struct PushSettings {
  std::string directory;
  struct {
    std::string uri;                 // "tcp://127.0.0.1:1883"
    std::string username, password;  // empty: none
  } broker;
  bool keep = false;       // remove nothing, even where it could be
  int64_t timeout_ns = 0;  // give up when no frame was delivered for so long; 0: never
};

struct PushProgress {
  uint64_t frames = 0, frames_settled = 0;  // that waited at the start; delivered, or known never to be
  uint64_t bytes = 0;                       // of all frames
  std::string waiting_for;                  // why no frame moves now; empty if they do
};

struct UnsentFrame {
  wire::FrameId id;
  std::string reason;
};
constexpr size_t unsent_named_max = 100;

struct PushResult {
  enum class End { all_settled, stopped, gave_up } end = End::all_settled;
  std::string reason;  // gave_up: what it waited for
  std::string host;
  uint64_t frames = 0;              // that waited at the start
  uint64_t bytes = 0;               // of them
  uint64_t delivered = 0;           // that Kinesis has, by the bridge's word
  uint64_t rejected = 0;            // that it never will
  uint64_t damaged = 0;             // that were not sent: their bytes are not those that were stored
  uint64_t set_aside = 0;           // of these two, moved to the quarantine, with a gap record that was sent, too
  uint64_t kept_frames = 0;         // that were never to be sent, and were not
  bool removes = false;             // delivered frames left the spool
  std::string removes_not;          // why not
  std::vector<UnsentFrame> unsent;  // the first unsent_named_max that were rejected or damaged
  std::vector<std::string> notices;
};

// Frames go as from an agent: in order, again until they are acked, only while a bridge accepts. The host's retained state is not
// touched, and no Will is left: another machine may have its name by now. Where the directory can be written, and `keep` is not
// set, delivered frames leave the spool, and rejected and damaged ones become gap records, as an agent does it; elsewhere it is
// only read. `on_progress` is called on this thread, some times a second. A stop request ends it orderly: what was delivered is
// not sent again by the next push, where it could be removed. Errors: busy (a process has the spool: which), unreachable (no
// spool, newer schema, not a spool), usage (the broker's address). `make_bus`: instead of a connection to the broker.
Result<PushResult> push_spool(const PushSettings& settings, Clock& clock, const std::stop_token& stop,
                              const std::function<void(const PushProgress&)>& on_progress = {},
                              const uplink::BusFactory& make_bus = {});

}  // namespace joulespool::app
