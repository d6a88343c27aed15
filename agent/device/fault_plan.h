// What a simulated device is told to do wrong, and when. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::device {

struct Fault {
  enum class Kind : uint8_t {
    drop,  // samples are missing, sample_id jumps over them
    lose,  // the device is gone: event `lost`, samples missing, event `found`
    nan,   // samples come, but i and v are NaN
  };
  Kind kind = Kind::drop;
  // every_ticks == 0: ticks [first_tick, end_tick). Else [n * every_ticks, n * every_ticks + length_ticks) for n = 1, 2, ...
  uint64_t first_tick = 0;
  uint64_t end_tick = 0;
  uint64_t every_ticks = 0;
  uint64_t length_ticks = 0;

  [[nodiscard]] bool hits(uint64_t tick) const;
  [[nodiscard]] uint64_t next_change(uint64_t tick) const;  // first tick after `tick` where hits() may differ; 2^64-1: none
  bool operator==(const Fault&) const = default;
};

using Faults = std::vector<Fault>;

constexpr size_t faults_max = 1000;  // each sample block asks them all

// Faults separated by ';' or blanks: "drop:1000-3000; lose:every=4000000,length=200000; nan:0-64". Kinds drop, lose, nan;
// numbers are ticks (2,000,000 a second); '/' may stand for the ','. Empty text: none. Errors: usage, with what is allowed.
Result<Faults> parse_faults(std::string_view text);
// The same text back, normalised.
std::string to_string(const Faults& faults);

// 0 < length < every; first < end; not more than faults_max.
Status validate(const Faults& faults);

bool is_hit(const Faults& faults, Fault::Kind kind, uint64_t tick);
uint64_t next_change(const Faults& faults, uint64_t tick);  // of any of them

// Is the sample with this id handed over at all (neither dropped nor lost)?
inline bool is_present(const Faults& faults, uint64_t tick) {
  return !is_hit(faults, Fault::Kind::drop, tick) && !is_hit(faults, Fault::Kind::lose, tick);
}

// Bits of the NaN that fault `nan` puts at a tick: the usual quiet NaN, but where tick / 2 % 4 == 3 it carries a payload, and
// there the voltage is a negative NaN.
constexpr uint32_t nan_current_bits(uint64_t tick) {
  return 0x7FC00000U | (tick / 2 % 4 == 3 ? static_cast<uint32_t>(tick & 0x3FFFFF) : 0U);
}
constexpr uint32_t nan_voltage_bits(uint64_t tick) { return nan_current_bits(tick) | (tick / 2 % 4 == 3 ? 0x80000000U : 0U); }

}  // namespace joulespool::device
