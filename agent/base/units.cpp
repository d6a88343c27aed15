#include "agent/base/units.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "agent/base/clock.h"

namespace joulespool {
namespace {

struct Prefix {
  double factor;
  const char* name;
};
constexpr std::array<Prefix, 9> prefixes = {
    {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}, {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}, {1e-12, "p"}, {1e-15, "f"}}};

// Reads exactly `digits` decimal digits at `at`; negative when there are none.
int read_digits(std::string_view text, size_t at, size_t digits) {
  int value = 0;
  for (size_t end = at + digits; at < end; ++at) {
    if (at >= text.size() || text[at] < '0' || text[at] > '9') return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

Error not_a_time(std::string_view text) {
  return {Errc::usage,
          "'" + std::string(text) + "' is not a time: expected 2026-01-02T03:04:05.678Z (UTC) or @<seconds since 1970>"};
}

// The fraction ".678" at `at` (up to 9 digits), then an optional Z, then the end. Negative: malformed.
int64_t read_fraction_ns(std::string_view text, size_t at) {
  int64_t ns = 0;
  if (at < text.size() && text[at] == '.') {
    int64_t place = ns_per_s / 10;
    const size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && place > 0; ++at, place /= 10) ns += place * (text[at] - '0');
    if (at == first) return -1;
  }
  if (at < text.size() && text[at] == 'Z') ++at;
  return at == text.size() ? ns : -1;
}

// "@1767323045.25". Not by way of a double, which cannot hold nanoseconds of this century.
Result<int64_t> parse_epoch_seconds(std::string_view text) {
  constexpr int64_t seconds_end = 9'000'000'000;  // int64 nanoseconds last until the year 2262
  int64_t seconds = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data() + 1, last, seconds);
  if (failure != std::errc() || seconds < 0 || seconds >= seconds_end) return not_a_time(text);
  const int64_t fraction = read_fraction_ns(text, static_cast<size_t>(end - text.data()));
  if (fraction < 0 || text.back() == 'Z') return not_a_time(text);
  return seconds * ns_per_s + fraction;
}

bool is_date(const std::tm& parts) {
  const std::chrono::year year(parts.tm_year + 1900);
  const auto month = static_cast<unsigned>(parts.tm_mon + 1);
  return (year / std::chrono::month(month) / std::chrono::day(static_cast<unsigned>(parts.tm_mday))).ok();
}

}  // namespace

std::string format_si(double value, std::string_view unit) {
  std::array<char, 64> buffer{};
  const double magnitude = std::fabs(value);
  const Prefix* prefix = &prefixes[3];
  if (std::isfinite(value) && magnitude > 0)
    for (const Prefix& candidate : prefixes) {
      prefix = &candidate;
      if (magnitude >= candidate.factor * 0.99995) break;
    }
  std::snprintf(buffer.data(), buffer.size(), "%#.4g", value / prefix->factor);
  std::string text(buffer.data());
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text + " " + prefix->name + std::string(unit);
}

std::string format_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> names = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t step = 0;
  for (; value >= 1024 && step + 1 < names.size(); ++step) value /= 1024;
  std::array<char, 48> buffer{};
  std::snprintf(buffer.data(), buffer.size(), step == 0 ? "%.0f %s" : "%.2f %s", value, names[step]);
  return buffer.data();
}

std::string format_utc(int64_t utc_ns, int digits) {
  int64_t seconds = utc_ns / ns_per_s;
  int64_t fraction = utc_ns % ns_per_s;
  if (fraction < 0) {
    fraction += ns_per_s;
    --seconds;
  }
  std::tm parts{};
  const auto time = static_cast<std::time_t>(seconds);
  gmtime_r(&time, &parts);
  std::array<char, 80> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  std::string text(buffer.data());
  if (digits > 0) {
    std::snprintf(buffer.data(), buffer.size(), ".%09lld", static_cast<long long>(fraction));
    text.append(buffer.data(), static_cast<size_t>(digits) + 1);
  }
  return text + "Z";
}

Result<int64_t> parse_utc(std::string_view text) {
  if (!text.empty() && text.front() == '@') return parse_epoch_seconds(text);
  const bool shaped = text.size() >= 19 && text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == ' ') &&
                      text[13] == ':' && text[16] == ':';
  if (!shaped) return not_a_time(text);
  std::tm parts{};
  parts.tm_year = read_digits(text, 0, 4) - 1900;
  parts.tm_mon = read_digits(text, 5, 2) - 1;
  parts.tm_mday = read_digits(text, 8, 2);
  parts.tm_hour = read_digits(text, 11, 2);
  parts.tm_min = read_digits(text, 14, 2);
  parts.tm_sec = read_digits(text, 17, 2);
  const int64_t fraction = read_fraction_ns(text, 19);
  const bool in_range = parts.tm_year >= 70 && parts.tm_year < 360 && is_date(parts) && parts.tm_hour >= 0 &&
                        parts.tm_hour < 24 && parts.tm_min >= 0 && parts.tm_min < 60 && parts.tm_sec >= 0 && parts.tm_sec <= 60;
  if (!in_range || fraction < 0) return not_a_time(text);
  return static_cast<int64_t>(timegm(&parts)) * ns_per_s + fraction;
}

double integral(int128 sum, double sample_rate_hz) { return static_cast<double>(sum) / units_per_one / sample_rate_hz; }

}  // namespace joulespool
