// What the running bridge has done, for its state, its log and tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace joulespool::bridge {

struct BridgeStats {
  uint64_t frames_received = 0;  // data messages, whatever became of them
  uint64_t frames_accepted = 0;
  uint64_t frames_stored = 0;
  uint64_t bytes_stored = 0;
  uint64_t duplicates_stored = 0;  // acknowledged again
  uint64_t duplicates_in_flight = 0;
  uint64_t out_of_order = 0;  // dropped: a frame before it is missing
  uint64_t refused_full = 0;  // dropped: no memory; not acknowledged
  uint64_t refused_stopping = 0;
  std::map<std::string, uint64_t> rejected;  // by reason
  uint64_t dead_letters_not_written = 0;
  uint64_t requests = 0;         // PutRecords sent
  uint64_t requests_failed = 0;  // as a whole
  uint64_t records_throttled = 0;
  uint64_t records_failed = 0;
  uint64_t acks_published = 0;  // messages
  uint64_t acks_lost = 0;       // messages that the broker refused, or notes beyond the limit
  uint64_t connections = 0;     // to the broker
  uint64_t sequences_forgotten = 0;
  size_t held_bytes = 0;
  size_t held_records = 0;
  size_t inbox_bytes = 0;
  bool connected = false;
  bool accepting = false;  // what the state says
  std::string reason;      // why not
};

}  // namespace joulespool::bridge
