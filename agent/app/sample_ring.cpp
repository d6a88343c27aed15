#include "agent/app/sample_ring.h"

#include <algorithm>
#include <utility>

namespace joulespool::app {
namespace {

constexpr size_t items_max = 10'000;  // notes beyond that are left out; samples are bounded by their rooms

OwnedBlock copy(const signal::SampleBlock& block) {
  OwnedBlock owned;
  owned.sample_id = block.sample_id;
  owned.axis = block.axis;
  owned.utc = block.utc;
  owned.i.assign(block.i.begin(), block.i.end());
  owned.v.assign(block.v.begin(), block.v.end());
  owned.p.assign(block.p.begin(), block.p.end());
  for (const signal::PackedRun& run : block.packed) {
    OwnedBlock::Packed& packed = owned.packed.emplace_back();
    packed.run = run;
    packed.bytes.assign(run.data.begin(), run.data.end());
    packed.run.data = packed.bytes;
  }
  return owned;
}

}  // namespace

SampleRing::SampleRing(std::map<std::string, size_t> room_samples) {
  for (const auto& [device, samples] : room_samples) rooms_[device].samples_max = samples;
}

bool SampleRing::reserve(Room& room, const signal::SampleBlock& block) {
  const bool fits = room.samples == 0 || room.samples + block.count() <= room.samples_max;
  if (fits) {
    room.samples += block.count();
    room.samples_peak = std::max(room.samples_peak, room.samples);
    return true;
  }
  room.samples_lost += block.count();
  if (!room.overruns.empty() && room.overruns.back().sample_id_end == block.sample_id)
    room.overruns.back().sample_id_end = block.sample_id_end();
  else room.overruns.push_back({block.sample_id, block.sample_id_end()});
  return false;
}

void SampleRing::enqueue_overruns(const std::string& device, Room& room) {
  for (const Overrun& overrun : std::exchange(room.overruns, {})) items_.push_back({device, overrun});
}

void SampleRing::on_samples(const std::string& device, const signal::SampleBlock& block) {
  {
    const std::lock_guard lock(mutex_);
    if (!reserve(rooms_[device], block)) return;
  }
  OwnedBlock owned = copy(block);  // outside the lock: the writer goes on meanwhile
  {
    const std::lock_guard lock(mutex_);
    enqueue_overruns(device, rooms_[device]);
    items_.push_back({device, std::move(owned)});
  }
  filled_.notify_one();
}

void SampleRing::on_event(const std::string& device, const device::SourceEvent& event) {
  {
    const std::lock_guard lock(mutex_);
    if (event.kind == device::SourceEvent::Kind::note && items_.size() >= items_max) return;  // samples and gaps go first
    enqueue_overruns(device, rooms_[device]);
    items_.push_back({device, event});
  }
  filled_.notify_one();
}

bool SampleRing::wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const Room& room = rooms_[device];
  return emptied_.wait_for(lock, timeout, [&] { return room.samples == 0 || room.samples + samples <= room.samples_max; });
}

std::optional<RingItem> SampleRing::pop_until(int64_t deadline_ns) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(mutex_);
  filled_.wait_until(lock, deadline, [&] { return woken_ || !items_.empty(); });
  woken_ = false;
  if (items_.empty()) return std::nullopt;
  std::optional<RingItem> item(std::move(items_.front()));
  items_.pop_front();
  if (const auto* block = std::get_if<OwnedBlock>(&item->what)) rooms_[item->device].samples -= block->i.size();
  lock.unlock();
  emptied_.notify_all();
  return item;
}

void SampleRing::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  filled_.notify_one();
}

RingFill SampleRing::fill(const std::string& device) const {
  const std::lock_guard lock(mutex_);
  const auto at = rooms_.find(device);
  if (at == rooms_.end() || at->second.samples_max == 0) return {};
  const Room& room = at->second;
  const auto max = static_cast<double>(room.samples_max);
  return {static_cast<double>(room.samples) / max, static_cast<double>(room.samples_peak) / max, room.samples_lost};
}

}  // namespace joulespool::app
