// Acks that wait for their way to the hosts, merged per host: it does not grow when the broker is slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/interval_set.h"
#include "agent/wire/ack.h"
#include "cloud-bridge/route/router.h"

namespace joulespool::bridge {

// Of one Ack message. Well below 128 KiB, what AWS IoT Core takes, though every range and every name be of the longest.
constexpr size_t ack_ranges_max = 2000;
constexpr size_t ack_sequences_max = 256;
// Notes that wait, of all hosts together. Each costs at most one range (some 50 bytes); real ones merge into a few.
constexpr size_t ack_notes_max = 500'000;

struct OutgoingAck {
  std::string host;
  std::vector<wire::AckEntry> entries;
};

// One thread. Losing an ack is safe: the agent sends the frame again, and the router has it acknowledged again.
class AckOutbox {
 public:
  explicit AckOutbox(size_t notes_max = ack_notes_max) : notes_max_(notes_max) {}

  void add_stored(const route::SourceSequence& source, uint64_t seq);
  void add_rejected(const route::SourceSequence& source, uint64_t seq, const std::string& reason);

  // One message's worth for the next host in turn; what it holds is forgotten here.
  std::optional<OutgoingAck> take();
  [[nodiscard]] bool empty() const { return hosts_.empty(); }
  [[nodiscard]] uint64_t dropped() const { return dropped_; }  // notes beyond the limit

 private:
  struct Notes {
    IntervalSet stored;
    std::map<uint64_t, std::string> rejected;  // seq -> reason
    size_t count = 0;                          // since they were taken last
  };
  using HostNotes = std::map<wire::FrameSequence, Notes>;
  Notes* notes_of(const route::SourceSequence& source);
  void take_from(Notes& notes, wire::AckEntry& entry, size_t& room);

  std::map<std::string, HostNotes> hosts_;  // only hosts with something
  std::deque<std::string> turns_;           // the same hosts
  size_t notes_ = 0;
  size_t notes_max_;
  uint64_t dropped_ = 0;
};

}  // namespace joulespool::bridge
