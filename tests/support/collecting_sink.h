// A SampleSink for tests: keeps what comes, and catches sources that break the rules of sample_source.h.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/device/sample_source.h"
#include "tests/support/kept_call.h"

namespace joulespool::test {

class CollectingSink final : public device::SampleSink {
 public:
  static constexpr std::chrono::seconds patience{60};

  // What is at a block's pointers after the call: always memory of the source, which it uses again, or anything.
  enum class OldMemory { stays, may_go };
  // room: samples that wait_for_room() grants in all, for each device.
  explicit CollectingSink(uint64_t room = UINT64_MAX, OldMemory old_memory = OldMemory::stays)
      : room_(room), old_memory_(old_memory) {}

  void on_samples(const std::string& device, const signal::SampleBlock& block) override {
    const Visit visit(*this, device);
    KeptCall call;
    call.is_block = true;
    call.block = keep(block);
    const std::lock_guard lock(mutex_);
    samples_[device] += block.count();
    sample_id_end_[device] = block.sample_id_end();
    if (old_memory_ == OldMemory::stays) kept_pointers_[device] = {block.i.data(), call.block.i};
    calls_[device].push_back(std::move(call));
    changed_.notify_all();
  }

  void on_event(const std::string& device, const device::SourceEvent& event) override {
    const Visit visit(*this, device);
    KeptCall call;
    call.event = event;
    const std::lock_guard lock(mutex_);
    calls_[device].push_back(std::move(call));
    changed_.notify_all();
  }

  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    waits_ += 1;
    changed_.notify_all();
    return grown_.wait_for(lock, timeout, [&] { return samples_[device] + samples <= room_; });
  }

  void grow(uint64_t room) {
    const std::lock_guard lock(mutex_);
    room_ = room;
    grown_.notify_all();
  }

  // Waits until `condition()`, evaluated under the sink's lock, holds; false if it does not for a minute.
  bool wait_for(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }
  bool wait_for_samples(const std::string& device, uint64_t count) {
    return wait_for([&] { return samples_[device] >= count; });
  }
  bool wait_for_sample_id(const std::string& device, uint64_t sample_id) {
    return wait_for([&] { return sample_id_end_[device] >= sample_id; });
  }
  bool wait_for_event(const std::string& device, device::SourceEvent::Kind kind) {
    return wait_for([&] { return count_events(device, kind) > 0; });
  }
  // wait_for_room() was called that often.
  bool wait_for_waits(uint64_t count) {
    return wait_for([&] { return waits_ >= count; });
  }

  // The rest is for after stop(), or while the source stands still.
  [[nodiscard]] const std::vector<KeptCall>& calls(const std::string& device) { return calls_[device]; }
  [[nodiscard]] std::vector<KeptBlock> blocks(const std::string& device) {
    std::vector<KeptBlock> blocks;
    for (const KeptCall& call : calls_[device])
      if (call.is_block) blocks.push_back(call.block);
    return blocks;
  }
  [[nodiscard]] std::vector<device::SourceEvent::Kind> event_kinds(const std::string& device) {
    std::vector<device::SourceEvent::Kind> kinds;
    for (const KeptCall& call : calls_[device])
      if (!call.is_block) kinds.push_back(call.event.kind);
    return kinds;
  }
  [[nodiscard]] uint64_t samples(const std::string& device) { return samples_[device]; }
  [[nodiscard]] size_t call_count() const {
    size_t count = 0;
    for (const auto& [device, calls] : calls_) count += calls.size();
    return count;
  }
  // Two calls at a time for one device.
  [[nodiscard]] bool saw_overlap() const { return saw_overlap_; }
  // What lay at the pointer of a block, seen at a later call, was still what the block had held.
  [[nodiscard]] bool saw_kept_memory() const { return saw_kept_memory_; }

 private:
  // Marks a call as running, and looks at the memory of the call before.
  class Visit {
   public:
    Visit(CollectingSink& sink, const std::string& device) : sink_(sink), device_(device) {
      const std::lock_guard lock(sink_.mutex_);
      if (sink_.running_[device_]++ > 0) sink_.saw_overlap_ = true;
      const auto& [pointer, content] = sink_.kept_pointers_[device_];
      if (pointer != nullptr && std::memcmp(pointer, content.data(), content.size() * sizeof(float)) == 0)
        sink_.saw_kept_memory_ = true;
      sink_.kept_pointers_[device_].first = nullptr;
    }
    ~Visit() {
      const std::lock_guard lock(sink_.mutex_);
      --sink_.running_[device_];
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    CollectingSink& sink_;
    const std::string device_;
  };

  [[nodiscard]] size_t count_events(const std::string& device, device::SourceEvent::Kind kind) {
    size_t count = 0;
    for (const KeptCall& call : calls_[device]) count += !call.is_block && call.event.kind == kind ? 1 : 0;
    return count;
  }

  std::mutex mutex_;
  std::condition_variable changed_, grown_;
  uint64_t room_;
  const OldMemory old_memory_;
  uint64_t waits_ = 0;
  std::map<std::string, uint64_t> samples_, sample_id_end_;
  std::map<std::string, std::vector<KeptCall>> calls_;
  std::map<std::string, int> running_;
  std::map<std::string, std::pair<const float*, std::vector<float>>> kept_pointers_;
  bool saw_overlap_ = false;
  bool saw_kept_memory_ = false;
};

}  // namespace joulespool::test
