// The bounded room between the sources' threads and the writer: the only thing a source's callback touches.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/interval_set.h"
#include "agent/device/sample_source.h"

namespace joulespool::app {

// A block with its own memory.
struct OwnedBlock {
  uint64_t sample_id = 0;
  wire::TimeAxis axis;
  wire::UtcMap utc;
  std::vector<float> i, v, p;
  struct Packed {
    signal::PackedRun run;  // its data points into `bytes`
    wire::Bytes bytes;
  };
  std::vector<Packed> packed;
};

struct Overrun {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
};

struct RingItem {
  std::string device;
  std::variant<OwnedBlock, device::SourceEvent, Overrun> what;
};

struct RingFill {
  double now = 0;             // 0..1 of the device's room
  double peak = 0;            // the fullest it ever was
  uint64_t samples_lost = 0;  // overruns since start
};

// Every device has its own room, so that one device's flood never costs another's samples. Items of one device keep their order.
class SampleRing final : public device::SampleSink {
 public:
  // `room_samples`: per device, how many samples may wait.
  explicit SampleRing(std::map<std::string, size_t> room_samples);

  void on_samples(const std::string& device, const signal::SampleBlock& block) override;
  void on_event(const std::string& device, const device::SourceEvent& event) override;
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override;

  // The oldest item; waits until `deadline_ns` of the monotonic clock, or until wake() is called.
  std::optional<RingItem> pop_until(int64_t deadline_ns);
  // Ends a running or the next pop_until() early.
  void wake();
  [[nodiscard]] RingFill fill(const std::string& device) const;

 private:
  struct Room {
    size_t samples_max = 0;
    size_t samples = 0;
    size_t samples_peak = 0;
    uint64_t samples_lost = 0;
    std::vector<Overrun> overruns;  // not told yet; neighbours are joined
  };
  // Reserves room; false: it was an overrun, which is noted.
  bool reserve(Room& room, const signal::SampleBlock& block);
  void enqueue_overruns(const std::string& device, Room& room);

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable emptied_;
  std::map<std::string, Room> rooms_;
  std::deque<RingItem> items_;
  bool woken_ = false;
};

}  // namespace joulespool::app
