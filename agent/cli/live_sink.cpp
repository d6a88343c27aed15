#include "agent/cli/live_sink.h"

#include <algorithm>

#include "agent/base/units.h"

namespace joulespool::cli {
namespace {

constexpr uint32_t windows_per_second = 10;
constexpr int64_t repeat_ns = ns_per_s;

Spread spread_of(int128 sum, uint64_t valid, float min, float max) {
  return {static_cast<double>(sum) / units_per_one / static_cast<double>(valid), static_cast<double>(min),
          static_cast<double>(max)};
}

void fill(DeviceReading& reading, const wire::Window& window) {
  reading.samples_missing = window.count - window.valid;
  if (window.valid == 0) return;
  reading.i = spread_of(window.i_sum, window.valid, window.i_min, window.i_max);
  reading.v = spread_of(window.v_sum, window.valid, window.v_min, window.v_max);
  reading.p = spread_of(window.p_sum, window.valid, window.p_min, window.p_max);
}

}  // namespace

void LiveSink::expect(const wire::DeviceIdentity& identity, std::string_view source) {
  const std::lock_guard lock(mutex_);
  DeviceReading& reading = tracks_[identity.id].reading;
  reading.identity = identity;
  reading.source = source;
}

// A new life of the counter, or the first block: what was open belongs to the old one.
void LiveSink::begin(Track& track, const signal::SampleBlock& block) {
  if (track.accumulator) track.accumulator->flush(track.windows);
  track.axis = block.axis;
  track.sample_id_next = block.sample_id;
  track.accumulator.emplace(std::max<uint64_t>(block.axis.counter_rate_hz / windows_per_second, block.axis.decimation));
  track.reading.sample_rate_hz = block.axis.sample_rate_hz();
}

void LiveSink::on_samples(const std::string& device, const signal::SampleBlock& block) {
  const std::lock_guard lock(mutex_);
  Track& track = tracks_[device];
  if (!track.accumulator || track.axis != block.axis || block.sample_id < track.sample_id_next) begin(track, block);
  track.condition.on_samples();
  track.reading.samples_lost += (block.sample_id - track.sample_id_next) / block.axis.decimation;
  track.sample_id_next = block.sample_id_end();
  track.accumulator->add({block.sample_id, block.axis.decimation, block.i, block.v, block.p}, track.windows);
}

void LiveSink::on_event(const std::string& device, const device::SourceEvent& event) {
  const std::lock_guard lock(mutex_);
  Track& track = tracks_[device];
  wire::DeviceIdentity& identity = track.reading.identity;
  if (!event.identity.id.empty()) identity = event.identity;
  if (identity.id.empty()) identity.id = device;
  track.condition.on_event(event);
  if (event.kind == device::SourceEvent::Kind::ended && track.accumulator) track.accumulator->flush(track.windows);
}

std::vector<DeviceReading> LiveSink::take() {
  const std::lock_guard lock(mutex_);
  const int64_t now_ns = clock_.monotonic_ns();
  std::vector<DeviceReading> readings;
  for (auto& [id, track] : tracks_) {
    if (!track.windows.empty()) {
      track.latest = wire::Window();
      for (const wire::Window& window : track.windows) track.latest.merge(window);
      track.windows.clear();
      track.latest_ns = now_ns;
    }
    DeviceReading& reading = readings.emplace_back(track.reading);
    reading.state = to_string(track.condition.state());
    reading.detail = track.condition.detail();
    reading.firmware = track.condition.firmware();
    if (now_ns - track.latest_ns < repeat_ns) fill(reading, track.latest);
  }
  return readings;
}

bool LiveSink::is_over() {
  const std::lock_guard lock(mutex_);
  return !tracks_.empty() && std::all_of(tracks_.begin(), tracks_.end(), [](const auto& track) {
    return track.second.condition.state() == app::DeviceState::ended;
  });
}

}  // namespace joulespool::cli
