#include "agent/device/load_model.h"

#include <algorithm>
#include <limits>

#include "agent/device/tick_hash.h"

namespace joulespool::device {
namespace {

constexpr int64_t sleep_pa = 1'070'000;
constexpr uint64_t ble_period_ticks = 200'000;

struct Phase {
  uint64_t ticks;
  int64_t level_pa;
  int64_t slope_pa;
};

// One advertising event on three channels; shapes and sizes after real recordings of such an event.
constexpr Phase ble_event[] = {
    {600, sleep_pa, 5'331'550},                                                          // supply ramps up to 3.2 mA
    {1400, 2'100'000'000, 0},                                                            // crystal starts
    {1000, 4'500'000'000, 0},                                                            // stack prepares
    {10, 52'000'000'000, 0},         {752, 10'400'000'000, 0}, {300, 5'200'000'000, 0},  // channel 37: inrush, send, turn
    {400, 9'600'000'000, 0},         {240, 3'900'000'000, 0},                            //   listen, tune
    {10, 52'000'000'000, 0},         {752, 10'400'000'000, 0}, {300, 5'200'000'000, 0},  // channel 38
    {400, 9'600'000'000, 0},         {240, 3'900'000'000, 0},  {10, 52'000'000'000, 0},
    {752, 10'400'000'000, 0},        {300, 5'200'000'000, 0},                             // channel 39
    {400, 9'600'000'000, 0},         {240, 3'900'000'000, 0},  {1200, 3'400'000'000, 0},  // stack cleans up
    {1600, 1'200'000'000, -749'000},                                                      // supply discharges
};

LoadSegment ble_segment(uint64_t seed, uint64_t tick) {
  const uint64_t period = tick / ble_period_ticks;
  const uint64_t hash = hash_at(hash_key(seed, HashUse::load), period);
  const auto scale = static_cast<int64_t>(980 + (hash >> 32) % 41);
  uint64_t first = period * ble_period_ticks;
  uint64_t end = first + 20'000 + hash % 20'000;
  if (tick < end) return {first, end, sleep_pa, 0, false};
  for (const Phase& phase : ble_event) {
    first = end;
    end += phase.ticks;
    if (tick < end) return {first, end, phase.level_pa * scale / 1000, floor_div(phase.slope_pa * scale, 1000), true};
  }
  return {end, (period + 1) * ble_period_ticks, sleep_pa, 0, false};
}

LoadSegment cpu_segment(uint64_t seed, uint64_t tick) {
  constexpr uint64_t slot_ticks = 2'000;
  constexpr uint64_t detail_ticks = 40;
  const uint64_t slot = tick / slot_ticks;
  const uint64_t what = hash_at(hash_key(seed, HashUse::load), slot) % 8;
  if (what < 3) return {slot * slot_ticks, (slot + 1) * slot_ticks, 12'000'000'000, 0, false};
  if (what == 7) return {slot * slot_ticks, (slot + 1) * slot_ticks, 85'000'000'000, 0, true};
  const uint64_t detail = tick / detail_ticks;
  const auto step = static_cast<int64_t>(hash_at(hash_key(seed, HashUse::load_detail), detail) % 256);
  return {detail * detail_ticks, (detail + 1) * detail_ticks, 30'000'000'000 + 150'000'000 * step, 0, true};
}

LoadSegment ranges_segment(uint64_t seed, uint64_t tick) {
  constexpr uint64_t slot_ticks = 10'000;
  constexpr int64_t full_pa[] = {15'000'000,      150'000'000,       1'500'000'000,    15'000'000'000,
                                 150'000'000'000, 1'500'000'000'000, 9'000'000'000'000};
  const uint64_t slot = tick / slot_ticks;
  const uint64_t hash = hash_at(hash_key(seed, HashUse::load), slot);
  const int64_t full = full_pa[(hash >> 32) % 7];
  const int64_t from = full * static_cast<int64_t>(200 + hash % 512) / 1000;
  const int64_t to = full * static_cast<int64_t>(200 + (hash >> 9) % 512) / 1000;
  const int64_t slope = floor_div(to - from, static_cast<int64_t>(slot_ticks));
  return {slot * slot_ticks, (slot + 1) * slot_ticks, from, slope, ((hash >> 20) & 1) != 0};
}

}  // namespace

std::optional<Load> parse_load(std::string_view name) {
  if (name == "sleep-ble") return Load::sleep_ble;
  if (name == "cpu") return Load::cpu;
  if (name == "constant") return Load::constant;
  if (name == "ranges") return Load::ranges;
  return std::nullopt;
}

int64_t LoadSegment::peak_pa() const {
  if (slope_pa <= 0) return level_pa;
  return level_pa + slope_pa * static_cast<int64_t>(end - 1 - first);
}

LoadSegment load_segment_at(Load load, uint64_t seed, uint64_t tick) {
  switch (load) {
    case Load::sleep_ble: return ble_segment(seed, tick);
    case Load::cpu: return cpu_segment(seed, tick);
    case Load::ranges: return ranges_segment(seed, tick);
    case Load::constant: break;
  }
  return {0, std::numeric_limits<uint64_t>::max(), 10'000'000'000, 0, true};
}

}  // namespace joulespool::device
