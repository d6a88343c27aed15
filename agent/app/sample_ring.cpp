#include "agent/app/sample_ring.h"

#include <algorithm>
#include <utility>

namespace joulespool::app {
namespace {

void fill_from(const signal::SampleBlock& block, OwnedBlock& owned) {
  owned.sample_id = block.sample_id;
  owned.axis = block.axis;
  owned.utc = block.utc;
  owned.i.assign(block.i.begin(), block.i.end());
  owned.v.assign(block.v.begin(), block.v.end());
  owned.p.assign(block.p.begin(), block.p.end());
  owned.packed.resize(block.packed.size());
  for (size_t at = 0; at < block.packed.size(); ++at) {
    OwnedBlock::Packed& packed = owned.packed[at];
    packed.run = block.packed[at];
    packed.bytes.assign(packed.run.data.begin(), packed.run.data.end());
    packed.run.data = packed.bytes;
  }
}

}  // namespace

SampleRing::SampleRing(std::map<std::string, size_t> room_samples, RoomOf room_of_others)
    : room_of_others_(std::move(room_of_others)) {
  for (const auto& [device, samples] : room_samples) rooms_[device].samples_max = samples;
}

SampleRing::Room& SampleRing::room(const std::string& device) {
  const auto known = rooms_.find(device);
  if (known != rooms_.end()) return known->second;
  Room& made = rooms_[device];
  made.samples_max = room_of_others_ ? room_of_others_(device) : 0;
  return made;
}

void SampleRing::note_overrun(Room& room, const signal::SampleBlock& block) {
  room.samples_lost += block.count();
  Overrun* last = room.overruns.empty() ? nullptr : &room.overruns.back();
  const bool joins = last != nullptr && last->axis == block.axis.life &&
                     (last->sample_id_end == block.sample_id || room.overruns.size() >= overruns_max);
  if (joins) last->sample_id_end = block.sample_id_end();  // all of it is missing, whatever the reason of a part
  else room.overruns.push_back({block.axis.life, block.sample_id, block.sample_id_end()});
}

std::optional<OwnedBlock> SampleRing::reserve(Room& room, const signal::SampleBlock& block) {
  if (!room.has_room(block.count())) {
    note_overrun(room, block);
    return std::nullopt;
  }
  room.samples += block.count();
  room.samples_peak = std::max(room.samples_peak, room.samples);
  ++room.blocks;
  std::optional<OwnedBlock> memory(std::in_place);
  if (room.spare.empty()) return memory;
  *memory = std::move(room.spare.back());
  room.spare.pop_back();
  room.samples_spare -= memory->i.capacity();
  return memory;
}

void SampleRing::recycle(const std::string& device, OwnedBlock&& block) {
  OwnedBlock memory = std::move(block);  // if there is no room for it, it is freed without the lock
  const std::lock_guard lock(mutex_);
  Room& room = this->room(device);
  const size_t samples = memory.i.capacity();
  if (samples == 0 || room.samples + room.samples_spare + samples > room.samples_max) return;
  room.samples_spare += samples;
  room.spare.push_back(std::move(memory));
}

void SampleRing::enqueue_overruns(const std::string& device, Room& room) {
  for (const Overrun& overrun : std::exchange(room.overruns, {})) items_.push_back({device, overrun});
}

void SampleRing::on_samples(const std::string& device, const signal::SampleBlock& block) {
  if (block.count() == 0) return;
  std::optional<OwnedBlock> owned;
  {
    const std::lock_guard lock(mutex_);
    owned = reserve(room(device), block);
  }
  if (!owned) return;
  fill_from(block, *owned);  // outside the lock: the writer goes on meanwhile
  {
    const std::lock_guard lock(mutex_);
    enqueue_overruns(device, room(device));
    items_.push_back({device, std::move(*owned)});
  }
  filled_.notify_one();
}

// Samples go first. A hole is found without being told, only its reason is not; what a device says of itself it says again.
bool SampleRing::is_left_out(device::SourceEvent::Kind kind) const {
  using Kind = device::SourceEvent::Kind;
  if (kind == Kind::ended) return false;  // once in a device's run
  const bool dispensable = kind != Kind::found && kind != Kind::lost;
  return items_.size() >= (dispensable ? items_max : 2 * items_max);
}

void SampleRing::on_event(const std::string& device, const device::SourceEvent& event) {
  {
    const std::lock_guard lock(mutex_);
    if (is_left_out(event.kind)) return;
    enqueue_overruns(device, room(device));
    items_.push_back({device, event});
  }
  filled_.notify_one();
}

bool SampleRing::wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const Room& room = this->room(device);
  return emptied_.wait_for(lock, timeout, [&] { return room.has_room(samples); });
}

std::optional<RingItem> SampleRing::pop_until(int64_t deadline_ns) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(mutex_);
  filled_.wait_until(lock, deadline, [&] { return woken_ || !items_.empty(); });
  woken_ = false;
  if (items_.empty())  // nothing follows them just now, perhaps never
    for (auto& [device, room] : rooms_) enqueue_overruns(device, room);
  if (items_.empty()) return std::nullopt;
  std::optional<RingItem> item(std::move(items_.front()));
  items_.pop_front();
  if (const auto* block = std::get_if<OwnedBlock>(&item->what)) {
    Room& of = room(item->device);
    of.samples -= block->i.size();
    --of.blocks;
  }
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
  return {static_cast<double>(room.samples) / max, static_cast<double>(room.samples_peak) / max, room.samples_lost, room.blocks,
          room.samples_spare};
}

}  // namespace joulespool::app
