// How far long work is, on a terminal.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/command_line.h"

namespace joulespool::cli {

// "export  45 %  1.20 GiB of 2.60 GiB  85.30 MiB/s  00:17 left", drawn again in place. One thread.
class Progress {
 public:
  enum class Unit { bytes, frames };
  static constexpr int64_t redraw_ns = 200 * ns_per_ms;

  // `shown` false: nothing is ever written. `total` 0: it is not known, and neither are the share and the time left.
  Progress(Clock& clock, std::ostream& err, bool shown, std::string what, uint64_t total, Unit unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws at most every `redraw_ns`, and not before that has passed since the beginning: short work shows nothing.
  void advance(uint64_t done);
  // Takes the line away, so that something else can be written; the next advance() may draw it again.
  void clear();

 private:
  [[nodiscard]] std::string line(int64_t now_ns) const;

  Clock& clock_;
  std::ostream& err_;
  const bool shown_;
  const std::string what_;
  const uint64_t total_;
  const Unit unit_;
  const int64_t begin_ns_;
  int64_t drawn_ns_;
  uint64_t done_ = 0;
  bool is_drawn_ = false;
};

// Is there a terminal to show it on? Not for --json or --quiet, not where stderr is a file, a pipe or a test's stream.
bool shows_progress(const Surroundings& surroundings, bool is_quiet);

}  // namespace joulespool::cli
