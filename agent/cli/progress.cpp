#include "agent/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "agent/base/units.h"

namespace joulespool::cli {
namespace {

std::string amount(double count, Progress::Unit unit) {
  if (unit == Progress::Unit::bytes) return format_bytes(static_cast<uint64_t>(count));
  return std::to_string(static_cast<uint64_t>(count)) + " frames";
}

// "00:17", "1:02:03": up to an hour without hours.
std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  std::array<char, 48> text{};
  if (whole < 3600) std::snprintf(text.data(), text.size(), "%02lld:%02lld", whole / 60, whole % 60);
  else std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  return text.data();
}

}  // namespace

Progress::Progress(Clock& clock, std::ostream& err, bool shown, std::string what, uint64_t total, Unit unit)
    : clock_(clock),
      err_(err),
      shown_(shown),
      what_(std::move(what)),
      total_(total),
      unit_(unit),
      begin_ns_(clock.monotonic_ns()),
      drawn_ns_(begin_ns_) {}

void Progress::advance(uint64_t done) {
  done_ += done;
  if (!shown_) return;
  const int64_t now_ns = clock_.monotonic_ns();
  if (now_ns - drawn_ns_ < redraw_ns) return;
  drawn_ns_ = now_ns;
  is_drawn_ = true;
  err_ << '\r' << line(now_ns) << "\x1b[K" << std::flush;
}

void Progress::clear() {
  if (is_drawn_) err_ << "\r\x1b[K" << std::flush;
  is_drawn_ = false;
}

std::string Progress::line(int64_t now_ns) const {
  const double seconds = static_cast<double>(now_ns - begin_ns_) / 1e9;
  const double rate = static_cast<double>(done_) / seconds;
  std::string text = what_;
  if (total_ > 0) text += "  " + std::to_string(std::min<uint64_t>(100, done_ * 100 / total_)) + " %";
  text += "  " + amount(static_cast<double>(done_), unit_);
  if (total_ > 0) text += " of " + amount(static_cast<double>(total_), unit_);
  text += "  " + amount(rate, unit_) + "/s";
  if (total_ > done_ && done_ > 0) text += "  " + clock_text(static_cast<double>(total_ - done_) / rate) + " left";
  return text;
}

bool shows_progress(const Surroundings& surroundings, bool is_quiet) {
  return !is_quiet && &surroundings.err == &std::cerr && isatty(STDERR_FILENO) == 1;
}

}  // namespace joulespool::cli
