#include "agent/cli/live_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

#include "agent/base/units.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

constexpr std::array<const char*, 8> blocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr size_t value_columns = 12;  // "-123.4 mA" and some

std::string si_or_dash(const std::optional<Spread>& spread, double Spread::*member, std::string_view unit) {
  return spread ? format_si((*spread).*member, unit) : "-";
}

std::string padded(std::string text, size_t columns) {
  if (text.size() < columns) text.append(columns - text.size(), ' ');
  return text;
}

std::string ring_text(const DeviceReading& reading) {
  return reading.ring_fill ? std::to_string(std::lround(*reading.ring_fill * 100)) + " %" : "-";
}

std::string loss_text(const DeviceReading& reading, const char* between) {
  std::string text = "lost " + std::to_string(reading.samples_lost);
  if (reading.samples_missing > 0) text += between + ("missing " + std::to_string(reading.samples_missing));
  return text + between + "ring " + ring_text(reading);
}

std::string signal_text(const char* name, const std::optional<Spread>& spread, std::string_view unit) {
  std::string text = std::string(name) + " " + si_or_dash(spread, &Spread::average, unit);
  if (spread) text += " (" + format_si(spread->min, unit) + " .. " + format_si(spread->max, unit) + ")";
  return text;
}

// The extremes over all readings, with the average of the last one.
std::optional<Spread> over_time(const std::deque<DeviceReading>& recent, std::optional<Spread> DeviceReading::*signal) {
  std::optional<Spread> over;
  for (const DeviceReading& reading : recent) {
    const std::optional<Spread>& one = reading.*signal;
    if (!one) continue;
    over = over ? Spread{one->average, std::min(over->min, one->min), std::max(over->max, one->max)} : *one;
  }
  return over;
}

std::string signal_row(const char* name, const std::optional<Spread>& now, const std::optional<Spread>& over,
                       std::string_view unit) {
  return std::string("  ") + name + "  " + padded(si_or_dash(now, &Spread::average, unit), value_columns) + "  min " +
         padded(si_or_dash(over, &Spread::min, unit), value_columns) + "  max " + si_or_dash(over, &Spread::max, unit);
}

// The first `columns` characters of UTF-8 text.
std::string clipped(const std::string& text, size_t columns) {
  size_t characters = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && ++characters > columns) return text.substr(0, at);
  }
  return text;
}

}  // namespace

std::string sparkline(std::span<const double> values) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string text;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      text += ' ';
      continue;
    }
    const double share = high > low ? (value - low) / (high - low) : 0;
    text += blocks[std::min(blocks.size() - 1, static_cast<size_t>(share * static_cast<double>(blocks.size())))];
  }
  return text;
}

std::string reading_line(const DeviceReading& reading, int64_t utc_ns) {
  std::string line = format_utc(utc_ns, 3) + " " + printable(reading.identity.id) + " ";
  if (reading.state != "streaming") line += printable(reading.state) + " ";
  line += signal_text("i", reading.i, "A") + " " + signal_text("v", reading.v, "V") + " " + signal_text("p", reading.p, "W");
  line += " " + loss_text(reading, " ");
  if (!reading.detail.empty()) line += ": " + printable(reading.detail);
  return line;
}

void LiveView::add(const std::vector<DeviceReading>& readings) {
  for (const DeviceReading& reading : readings) {
    Track& track = tracks_[reading.identity.id];
    track.last = reading;
    track.recent.push_back(reading);
    if (track.recent.size() > readings_kept) track.recent.pop_front();
  }
}

std::vector<std::string> LiveView::lines(size_t columns, size_t rows) const {
  std::vector<std::string> lines;
  for (const auto& [id, track] : tracks_) add_lines(track, lines);
  if (lines.empty()) lines.emplace_back("no device yet");
  if (lines.size() > rows) lines.resize(rows);
  for (std::string& line : lines) line = clipped(line, columns);
  return lines;
}

void LiveView::add_lines(const Track& track, std::vector<std::string>& lines) const {
  const DeviceReading& last = track.last;
  lines.push_back(printable(last.identity.id) + "  " + printable(last.state) + "  " +
                  (last.sample_rate_hz > 0 ? format_si(last.sample_rate_hz, "S/s") + "  " : "") + loss_text(last, "  "));
  if (!last.detail.empty()) lines.push_back("  " + printable(last.detail));
  lines.push_back(signal_row("i", last.i, over_time(track.recent, &DeviceReading::i), "A"));
  lines.push_back(signal_row("v", last.v, over_time(track.recent, &DeviceReading::v), "V"));
  lines.push_back(signal_row("p", last.p, over_time(track.recent, &DeviceReading::p), "W"));
  std::vector<double> power;
  for (const DeviceReading& reading : track.recent)
    power.push_back(reading.p ? reading.p->average : std::numeric_limits<double>::quiet_NaN());
  std::ostringstream span;
  span.precision(3);
  span << static_cast<double>(readings_kept) * static_cast<double>(interval_ms_) / 1000;
  lines.push_back("  " + sparkline(power) + " power; min and max: last " + span.str() + " s");
}

std::string redraw(const std::vector<std::string>& lines, size_t lines_before) {
  std::string text = lines_before > 0 ? "\x1b[" + std::to_string(lines_before) + "A\r" : "";
  for (const std::string& line : lines) text += line + "\x1b[K\n";
  return text + "\x1b[J";
}

}  // namespace joulespool::cli
