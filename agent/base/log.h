// Structured log lines on stderr: `2026-01-02T03:04:05.678Z info spool_opened path=/var/lib/joulespool frames=12`.
// Only app/ and cli/ log; pure rooms return facts. Events are named <noun>_<past verb>.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace joulespool {

enum class LogLevel { debug, info, warning, error };

struct LogValue {
  std::string text;
  LogValue(std::string_view value) : text(value) {}    // NOLINT(google-explicit-constructor)
  LogValue(const char* value) : text(value) {}         // NOLINT(google-explicit-constructor)
  LogValue(const std::string& value) : text(value) {}  // NOLINT(google-explicit-constructor)
  template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
  LogValue(Number value) : text(std::to_string(value)) {}  // NOLINT(google-explicit-constructor)
};

using LogFields = std::initializer_list<std::pair<std::string_view, LogValue>>;

// Thread-safe. A value with a space, quote or control character is written in quotes with JSON escapes.
void log_event(LogLevel level, std::string_view event, LogFields fields = {});
// Lines below this level are dropped. Default: info.
void set_log_level(LogLevel level);
bool parse_log_level(std::string_view text, LogLevel& level);
// The line without its time stamp, for tests.
std::string format_log_line(LogLevel level, std::string_view event, LogFields fields);

}  // namespace joulespool
