#include "agent/base/log.h"

#include <array>
#include <atomic>
#include <cstdio>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace joulespool {
namespace {

constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warning", "error"};
std::atomic<LogLevel> level_min{LogLevel::info};

bool needs_quotes(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c == '"' || c == '=' || c == 0x7f) return true;
  return text.empty();
}

void append_value(std::string& line, std::string_view text) {
  if (!needs_quotes(text)) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') (line += '\\') += c;
    else if (c == '\n') line += "\\n";
    else if (static_cast<unsigned char>(c) < ' ') line += '?';
    else line += c;
  }
  line += '"';
}

}  // namespace

std::string format_log_line(LogLevel level, std::string_view event, LogFields fields) {
  std::string line(level_names[static_cast<size_t>(level)]);
  (line += ' ') += event;
  for (const auto& [key, value] : fields) {
    ((line += ' ') += key) += '=';
    append_value(line, value.text);
  }
  return line;
}

void log_event(LogLevel level, std::string_view event, LogFields fields) {
  if (level < level_min.load(std::memory_order_relaxed)) return;
  SystemClock clock;
  const std::string line = format_utc(clock.realtime_ns(), 3) + ' ' + format_log_line(level, event, fields) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call, so that lines of threads do not mix
}

void set_log_level(LogLevel level) { level_min = level; }

bool parse_log_level(std::string_view text, LogLevel& level) {
  for (size_t at = 0; at < level_names.size(); ++at) {
    if (level_names[at] != text) continue;
    level = static_cast<LogLevel>(at);
    return true;
  }
  return false;
}

}  // namespace joulespool
