#include "agent/base/log.h"

#include <doctest/doctest.h>

using namespace joulespool;

TEST_CASE("log: a line is level, event and fields in order") {
  CHECK(format_log_line(LogLevel::info, "spool_opened", {{"path", "/var/lib"}, {"frames", 12}, {"ok", true}}) ==
        "info spool_opened path=/var/lib frames=12 ok=1");
  CHECK(format_log_line(LogLevel::error, "agent_stopped", {}) == "error agent_stopped");
}

TEST_CASE("log: values that would break the line are quoted") {
  const auto value = [](std::string_view text) { return format_log_line(LogLevel::debug, "e", {{"v", text}}).substr(10); };
  CHECK(value("plain") == "plain");
  CHECK(value("") == "\"\"");
  CHECK(value("two words") == "\"two words\"");
  CHECK(value("a=b") == "\"a=b\"");
  CHECK(value("say \"hi\"") == "\"say \\\"hi\\\"\"");
  CHECK(value("back\\slash space") == "\"back\\\\slash space\"");
  CHECK(value("line\nbreak") == "\"line\\nbreak\"");
  CHECK(value("escape\x1b[31m") == "\"escape?[31m\"");
  CHECK(value(std::string_view("nul\0", 4)) == "\"nul?\"");
}

TEST_CASE("log: levels have names") {
  LogLevel level = LogLevel::info;
  CHECK(parse_log_level("debug", level));
  CHECK(level == LogLevel::debug);
  CHECK(parse_log_level("error", level));
  CHECK(level == LogLevel::error);
  CHECK(!parse_log_level("Error", level));
  CHECK(!parse_log_level("", level));
  CHECK(level == LogLevel::error);
}
