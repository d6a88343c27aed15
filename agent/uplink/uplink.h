// Takes frames from the spool to the bridge and brings the acks back: the thread around Drain.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/mqtt/message_bus.h"
#include "agent/spool/spool.h"
#include "agent/uplink/backoff.h"
#include "agent/uplink/drain.h"

namespace joulespool::uplink {

struct UplinkSettings {
  std::string host;
  DrainSettings drain;
  BackoffSettings backoff;    // between attempts to connect
  uint64_t backoff_seed = 0;  // another one on every host
  int64_t state_interval_ns = 5 * ns_per_s;
  // False for whoever sends a host's frames in its place: what the retained state says of the host stays as it is, and neither
  // state_json nor offline_state_json is called. No Will should then be given to the bus either.
  bool publishes_state = true;
  // A broker that does not answer a publish for so long is left: the connection is made anew.
  int64_t publish_timeout_ns = 60 * ns_per_s;
};

// Called on the uplink's thread, from start() until stop() has returned. All are set; none calls stop().
struct UplinkCallbacks {
  // Kinesis has these frames: the spool may let them go. Tell frames_committed() when it has.
  std::function<void(std::vector<std::pair<wire::FrameSequence, wire::SeqRange>>)> on_stored;
  // The bridge will never store this frame. Once per frame and process.
  std::function<void(const wire::FrameId&, const std::string& reason)> on_rejected;
  // The spool's bytes of this frame are damaged; it was not published. Once per frame and process.
  std::function<void(const wire::FrameId&)> on_damaged;
  // The payload of the retained state topic: JSON while online, and what stop() leaves behind. For the Will, give
  // state_message(host, the same offline JSON) to the bus.
  std::function<std::string()> state_json;
  std::function<std::string()> offline_state_json;
};

using BusFactory = std::function<Result<std::unique_ptr<mqtt::MessageBus>>(mqtt::BusListener)>;

struct UplinkStatus {
  bool connected = false;
  bool bridge_online = false;  // one that serves this host
  bool bridge_accepting = false;
  std::string bridge_reason;  // why frames are not sent now; empty if they are
  std::string last_error;     // of the connection, the broker or the spool; stays
  uint64_t connects = 0;      // successful ones
  uint64_t connects_failed = 0;
  uint64_t disconnects = 0;            // connections that were lost
  unsigned backoff_attempts = 0;       // failed in a row
  std::optional<int64_t> retry_in_ns;  // until the next attempt to connect
  DrainCounts counts;
  size_t frames_unacked = 0, bytes_unacked = 0;  // published, without an ack
  // Age of the oldest frame in the spool without an ack, by its UTC; unset if there is none or the spool cannot be read.
  std::optional<int64_t> oldest_waiting_age_ns;
  uint64_t acks_damaged = 0;  // messages on the ack topic that are none
  uint64_t bridge_states_damaged = 0;
  uint64_t inputs_dropped = 0;  // messages from the broker beyond what may wait
  uint64_t events_dropped = 0;  // of publish_event()
  uint64_t frames_damaged = 0;
};

// How many events of publish_event() wait at most. They are for people: a gap among them is counted, not repaired.
constexpr size_t events_waiting_max = 64;

// Every public member may be called from any thread but the uplink's own.
class Uplink {
 public:
  // `clock` must run as the machine's monotonic clock does: the thread waits by it. `spool` is used by the thread only.
  Uplink(UplinkSettings settings, Clock& clock, BusFactory make_bus, std::unique_ptr<spool::SpoolReader> spool,
         UplinkCallbacks callbacks);
  ~Uplink();  // stop()
  Uplink(const Uplink&) = delete;
  Uplink& operator=(const Uplink&) = delete;

  // Makes the bus and the thread, once. A broker that cannot be reached is no error: it is tried for ever.
  Status start();
  // Publishes the offline state, disconnects, ends the thread; at most about 3 s. Frames without an ack stay in the spool.
  void stop();

  void frames_committed();               // the spool has new frames, or has let go of stored ones
  void request_state();                  // publish the state now
  bool publish_event(std::string json);  // false: dropped
  [[nodiscard]] UplinkStatus status() const;
  // The highest seq of each sequence that was given to the bus in this run; not of sequences that the spool no longer holds.
  [[nodiscard]] std::map<wire::FrameSequence, uint64_t> published() const;

 private:
  class Courier;
  std::unique_ptr<Courier> courier_;
};

mqtt::Message state_message(const std::string& host, const std::string& json);

}  // namespace joulespool::uplink
