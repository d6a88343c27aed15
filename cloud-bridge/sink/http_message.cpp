#include "cloud-bridge/sink/http_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "agent/base/clock.h"

namespace joulespool::sink {
namespace {

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// Splits "host:port" or "[::1]:port"; false if there is no host or the port is not one.
bool split_authority(std::string_view authority, std::string_view& host, std::string_view& port) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  host = has_port ? authority.substr(0, colon) : authority;
  port = has_port ? authority.substr(colon + 1) : std::string_view{};
  return !host.empty() && (!has_port || is_port(port));
}

bool is_url_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '#' && c != '"' && c != '\\'; });
}

}  // namespace

std::string Url::text() const { return scheme + "://" + host + path + (query.empty() ? "" : "?" + query); }

Result<Url> parse_url(std::string_view text) {
  const auto refused = [&](const char* why) { return Error{Errc::usage, "URL \"" + std::string(text) + "\": " + why}; };
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return refused("must begin with http:// or https://");
  Url url;
  url.scheme = to_lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") return refused("must begin with http:// or https://");
  if (!is_url_text(text)) return refused("has a space, a fragment or a character that must be percent-encoded");
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos) return refused("must not hold a user name");
  std::string_view host;
  std::string_view port;
  if (!split_authority(authority, host, port)) return refused("has no host, or a port that is not 1..65535");
  url.host = to_lower(host);
  if (!port.empty() && port != (url.scheme == "http" ? "80" : "443")) url.host.append(":").append(port);
  const std::string_view target = rest.substr(authority.size());
  const size_t question = target.find('?');
  url.path = target.substr(0, question);
  if (url.path.empty()) url.path = "/";
  if (question != std::string_view::npos) url.query = target.substr(question + 1);
  return url;
}

std::string_view find_header(const std::vector<HttpHeader>& headers, std::string_view name) {
  const std::string wanted = to_lower(name);
  for (const HttpHeader& header : headers)
    if (to_lower(header.name) == wanted) return header.value;
  return {};
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 4> month{};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0, end = 0;
  const std::string copy(text);
  const int fields = std::sscanf(copy.c_str(), "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month.data(), &year,
                                 &hour, &minute, &second, &end);
  const auto at = std::find(months.begin(), months.end(), std::string_view(month.data()));
  if (fields != 6 || end == 0 || at == months.end()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(at - months.begin()) + 1},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  const bool valid = date.ok() && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
  if (!valid) return std::nullopt;
  const int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * ns_per_s;
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

}  // namespace joulespool::sink
