// What goes through the shared memory between a driver's process and the agent: samples and events, one a record.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/device/sample_source.h"
#include "agent/device/shared_ring.h"

namespace joulespool::device {

constexpr size_t event_text_max = 4096;  // longer texts are cut

// The writing end, in the driver's process. Never waits for the reader: what the ring has no room for is lost, and told with
// the exact range as soon as there is room again: samples as events `gap` (overrun), one for each run of lost samples,
// events as their number. Any thread may call; one waits for the other as long as a copy takes.
class ChannelSink final : public SampleSink {
 public:
  // `ring` must outlive this. `wake_fd`: an eventfd that does not block, written to after each record.
  ChannelSink(SharedRing& ring, int wake_fd);

  void on_samples(const std::string& device, const signal::SampleBlock& block) override;
  void on_event(const std::string& device, const SourceEvent& event) override;
  // Whether there is room; does not wait (no driver asks).
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override;
  // Tells of losses, if there is room now.
  void flush();

 private:
  struct Loss {
    std::string device;
    uint64_t life = 0;
    uint64_t sample_id_first = 0;
    uint64_t sample_id_end = 0;
    uint64_t samples = 0;
  };
  bool write_samples(const std::string& device, const signal::SampleBlock& block);
  bool write_event(const std::string& device, const SourceEvent& event);
  bool tell_losses();
  void note_loss(const std::string& device, const signal::SampleBlock& block);
  void commit(size_t size_bytes);

  SharedRing& ring_;
  const int wake_fd_;
  const size_t event_room_;  // kept free of samples
  std::mutex mutex_;
  std::vector<Loss> losses_;
  uint64_t losses_untold_ = 0;  // beyond what is kept
  std::string event_device_;    // of the newest event that was lost
  uint64_t events_lost_ = 0;
};

// What a record holds. The block's spans point into the record.
struct ChannelItem {
  std::string device;
  std::optional<SourceEvent> event;  // unset: a block
  signal::SampleBlock block;
  std::vector<signal::PackedRun> packed;  // block.packed points here, until the item moves
};

// Believes nothing. Errors: damaged.
Status read_item(std::span<const std::byte> record, ChannelItem& item);

}  // namespace joulespool::device
