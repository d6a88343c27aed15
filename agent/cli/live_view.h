// Readings as text: one line each, or a picture that is drawn anew in place. Pure.
#pragma once

#include <deque>
#include <map>
#include <span>

#include "agent/cli/live_reading.h"

namespace joulespool::cli {

// One block character per value, the highest for the largest value, the lowest for the smallest; a space where a value is no
// number.
std::string sparkline(std::span<const double> values);

// "2026-01-02T03:04:05.678Z js220-000001 i 12.34 mA (1.000 uA .. 55.80 mA) v ... p ... lost 0 ring 2 %".
std::string reading_line(const DeviceReading& reading, int64_t utc_ns);

// The screen: for each device its state, i, v and p with their extremes over the last readings, and a curve of power.
class LiveView {
 public:
  static constexpr size_t readings_kept = 60;

  explicit LiveView(int64_t interval_ms) : interval_ms_(interval_ms) {}
  void add(const std::vector<DeviceReading>& readings);
  // Lines of at most `columns` characters, at most `rows` of them.
  [[nodiscard]] std::vector<std::string> lines(size_t columns, size_t rows) const;

 private:
  struct Track {
    DeviceReading last;
    std::deque<DeviceReading> recent;
  };
  void add_lines(const Track& track, std::vector<std::string>& lines) const;

  const int64_t interval_ms_;
  std::map<std::string, Track> tracks_;  // by device id
};

// Terminal control: goes up over the `lines_before` lines drawn last, writes `lines` and clears what is left below.
std::string redraw(const std::vector<std::string>& lines, size_t lines_before);

}  // namespace joulespool::cli
