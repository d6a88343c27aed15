// A device whose samples are a function of the tick, and the account of what came of them: for tests of pipeline and writer.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "agent/app/device_pipeline.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"

namespace joulespool::test {

constexpr uint32_t decimation = 2;

// The device: a pure function of the tick, so that anything that comes out can be checked.
inline float current_at(uint64_t tick) {
  uint64_t hash = tick * 0x9E3779B97F4A7C15U;
  hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9U;
  return static_cast<float>(static_cast<int64_t>((hash >> 32) % 20011) - 10000) * 1e-6F;
}
inline float voltage_at(uint64_t tick) { return 1.8F + static_cast<float>(tick % 7) * 1e-3F; }

inline app::OwnedBlock block(uint64_t tick, size_t count, uint64_t life) {
  app::OwnedBlock block;
  block.sample_id = tick;
  block.axis = {life, 2'000'000, decimation};
  block.utc = {0, 1'700'000'000'000'000'000, 2e6, wire::UtcQuality::host};
  for (size_t at = 0; at < count; ++at) {
    block.i.push_back(current_at(tick + at * decimation));
    block.v.push_back(voltage_at(tick + at * decimation));
  }
  return block;
}

inline app::PipelineSettings settings(app::WaveMode wave, size_t frame_size = 16 * 1024) {
  app::PipelineSettings settings;
  settings.host = "host-1";
  settings.device = {"js220-000001", "js220", "000001"};
  settings.source = "test";
  settings.boot = "boot";
  settings.epoch = 99;
  settings.wave = wave;
  settings.frame_size_max_bytes = frame_size;
  settings.labels = {{"run", "42"}};
  return settings;
}

struct Account {
  IntervalSet windows, waves, gaps;  // ticks
  uint64_t overlaps = 0;
  wire::Totals stat;
  uint64_t lost = 0;
  size_t starts = 0;
  std::vector<wire::Gap> gap_list;
  std::optional<wire::Stopped> stopped;
};

inline void add_frame(const wire::Bytes& bytes, Account& account) {
  const auto read = wire::read_frame(bytes);
  REQUIRE(std::holds_alternative<wire::Frame>(read));
  const auto& [header, payload] = std::get<wire::Frame>(read);
  CHECK(header.labels.size() == 1);
  if (header.lane == wire::Lane::stat) {
    const auto windows = codec::decode_windows(payload, header.codec, header.sample_id_first);
    REQUIRE(windows.ok());
    int128 sum = 0;
    for (const wire::Window& window : *windows) {
      account.stat.samples += window.count;
      account.stat.valid += window.valid;
      account.stat.i_sum += window.i_sum;
      account.stat.p_sum += window.p_sum;
      sum += window.p_sum;
    }
    CHECK((sum == header.p_sum));
  } else if (header.lane == wire::Lane::wave) {
    const auto samples = codec::decode_samples(payload, header.codec, header.samples);
    REQUIRE(samples.ok());
    for (size_t at = 0; at < samples->i.size(); ++at) {
      const uint64_t tick = header.sample_id_first + at * decimation;
      REQUIRE(samples->i[at] == current_at(tick));
      REQUIRE(samples->v[at] == voltage_at(tick));
    }
    account.overlaps += account.waves.insert(header.sample_id_first, header.sample_id_end);
  } else {
    const auto events = wire::read_events(payload);
    REQUIRE(events.ok());
    for (const wire::Event& event : *events) {
      if (std::holds_alternative<wire::Started>(event)) ++account.starts;
      if (const auto* stopped = std::get_if<wire::Stopped>(&event)) account.stopped = *stopped;
      const auto* gap = std::get_if<wire::Gap>(&event);
      if (gap == nullptr) continue;
      account.gap_list.push_back(*gap);
      account.lost += gap->samples_lost;
      account.overlaps += account.gaps.insert(gap->sample_id_first, gap->sample_id_end);
    }
  }
}

template <class Frames>  // anything with `bytes`
Account account_of(const Frames& frames) {
  Account account;
  for (const auto& frame : frames) add_frame(frame.bytes, account);
  return account;
}

// The sums over all samples in `ticks`, straight from the device's function.
inline wire::Totals totals_over(const IntervalSet& ticks) {
  wire::Totals totals;
  for (const auto& run : ticks.intervals())
    for (uint64_t tick = run.first; tick < run.end; tick += decimation) {
      ++totals.samples;
      ++totals.valid;
      totals.i_sum += wire::to_units(current_at(tick)).value;
      totals.p_sum += wire::to_units(codec::product(current_at(tick), voltage_at(tick))).value;
    }
  return totals;
}

}  // namespace joulespool::test
