// The bounded room between the sources' threads and the writer: the only thing a source's callback touches.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

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
  uint64_t axis = 0;  // life of the counter
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
  size_t blocks = 0;          // waiting
  size_t samples_spare = 0;   // of which memory is kept for blocks to come
};

// Every device has its own room, so that one device's flood never costs another's samples. Items of one device keep their order.
// Everything is bounded: a device's samples and blocks; when too many items wait, events whose absence costs no sample are left
// out, and holes between lost blocks are told as one.
class SampleRing final : public device::SampleSink {
 public:
  using RoomOf = std::function<size_t(const std::string& device)>;
  static constexpr size_t blocks_max = 10'000;   // of a device: blocks of a single sample are large for what they hold
  static constexpr size_t items_max = 10'000;    // events beyond that are left out, if they can be
  static constexpr size_t overruns_max = 1'000;  // of a device, not told yet

  // `room_samples`: per device, how many samples may wait. `room_of_others`: of devices that appear later (called once each, on
  // their thread).
  explicit SampleRing(std::map<std::string, size_t> room_samples, RoomOf room_of_others = {});

  void on_samples(const std::string& device, const signal::SampleBlock& block) override;
  void on_event(const std::string& device, const device::SourceEvent& event) override;
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override;

  // The oldest item; waits until `deadline_ns` of the monotonic clock, or until wake() is called.
  std::optional<RingItem> pop_until(int64_t deadline_ns);
  // Gives a popped block's memory back for blocks to come; what does not fit the device's room besides those waiting is freed.
  // Blocks are half a megabyte: where the allocator returns that to the kernel, each new one costs 130 page faults.
  void recycle(const std::string& device, OwnedBlock&& block);
  // Ends a running or the next pop_until() early.
  void wake();
  [[nodiscard]] RingFill fill(const std::string& device) const;

 private:
  struct Room {
    size_t samples_max = 0;
    size_t samples = 0;
    size_t samples_peak = 0;
    size_t blocks = 0;
    uint64_t samples_lost = 0;
    std::vector<Overrun> overruns;  // not told yet; neighbours are joined
    std::vector<OwnedBlock> spare;
    size_t samples_spare = 0;
    [[nodiscard]] bool has_room(size_t count) const {
      return samples == 0 || (samples + count <= samples_max && blocks < blocks_max);
    }
  };
  Room& room(const std::string& device);
  // Reserves room, with memory that was used before if there is some; nothing: it was an overrun, which is noted.
  static std::optional<OwnedBlock> reserve(Room& room, const signal::SampleBlock& block);
  static void note_overrun(Room& room, const signal::SampleBlock& block);
  void enqueue_overruns(const std::string& device, Room& room);
  [[nodiscard]] bool is_left_out(device::SourceEvent::Kind kind) const;

  const RoomOf room_of_others_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable emptied_;
  std::map<std::string, Room> rooms_;
  std::deque<RingItem> items_;
  bool woken_ = false;
};

}  // namespace joulespool::app
