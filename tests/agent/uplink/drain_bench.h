// A Drain with a spool in memory, driven by hand.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "agent/uplink/drain.h"
#include "tests/support/memory_spool.h"

namespace joulespool::test {

struct Sent {
  wire::FrameId id;
  uint64_t previous = 0;
  uint64_t token = 0;
};

inline wire::FrameSequence sequence_of(wire::Lane lane, const std::string& device = "js220-000001", uint64_t epoch = 1) {
  return {device, epoch, lane};
}

inline wire::BridgeState bridge_state(const std::string& instance, bool accepting = true, bool online = true) {
  wire::BridgeState state;
  state.online = online;
  state.accepting = accepting;
  state.instance = instance;
  state.parts = {{0, 63}};
  return state;
}

struct DrainBench {
  explicit DrainBench(const uplink::DrainSettings& settings = {}, unsigned part = 7) : drain(settings, part) {}

  uplink::Drain drain;
  MemorySpool spool;
  int64_t now_ns = 1000 * ns_per_s;

  void add(const wire::FrameSequence& sequence, size_t count, size_t size_bytes = 100) {
    for (size_t i = 0; i < count; ++i) spool.add(sequence, size_bytes);
    look();
  }
  void look() { drain.spool_holds(spool.reader()->usage()->lanes, 1); }
  void go(uint16_t receive_maximum = 20) {
    drain.connected(receive_maximum);
    drain.bridge_said("one", bridge_state("a"));
  }
  void wait(int64_t ns) {
    now_ns += ns;
    drain.tick(now_ns);
  }
  // What is published now.
  std::vector<Sent> pump() {
    std::vector<Sent> sent;
    while (const auto request = drain.next(now_ns)) {
      const auto frames = spool.reader()->read(request->sequence, request->after_seq, spool::FrameState::queued,
                                               request->frames_max, request->bytes_max);
      if (frames->empty()) drain.nothing_there(*request);
      for (const auto& frame : *frames) {
        if (!frame.intact) {
          drain.damaged(frame.info.id);
          continue;
        }
        const auto offer = drain.offer(frame.info.id, frame.bytes.size(), now_ns);
        if (offer.verdict == uplink::Offer::Verdict::wait) break;
        if (offer.verdict == uplink::Offer::Verdict::publish) sent.push_back({frame.info.id, offer.previous, offer.token});
      }
    }
    return sent;
  }
  // pump(), and the broker takes all of it, until there is nothing more.
  std::vector<Sent> flow() {
    std::vector<Sent> all;
    for (auto sent = pump(); !sent.empty(); sent = pump())
      for (const Sent& one : sent) {
        drain.published(one.token, true, now_ns);
        all.push_back(one);
      }
    return all;
  }
  void ack(const wire::FrameSequence& sequence, uint64_t first, uint64_t last) {
    drain.acked({{sequence, {{first, last}}, {}}}, now_ns);
  }
};

// "1<0 2<1": seq and the one before it.
inline std::string to_text(const std::vector<Sent>& sent) {
  std::string text;
  for (const Sent& one : sent)
    text += (text.empty() ? "" : " ") + std::to_string(one.id.seq) + "<" + std::to_string(one.previous);
  return text;
}
inline std::string lanes_of(const std::vector<Sent>& sent) {
  std::string text;
  for (const Sent& one : sent) text += wire::to_string(one.id.sequence.lane).substr(0, 1);
  return text;
}

}  // namespace joulespool::test
