// HTTP requests and answers as values. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::sink {

struct HttpHeader {
  std::string name;
  std::string value;
  bool operator==(const HttpHeader&) const = default;
};

struct HttpAnswer {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::string body;
};

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // as in the Host header: lower case, with the port only if it is not the scheme's own
  std::string path;    // begins with '/'; still percent-encoded
  std::string query;   // without '?'; still percent-encoded
  [[nodiscard]] std::string text() const;
};

// An absolute http or https URL without user name and fragment. Error: usage.
Result<Url> parse_url(std::string_view text);

// The first value of that header (name in any case); empty if there is none.
std::string_view find_header(const std::vector<HttpHeader>& headers, std::string_view name);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate) as nanoseconds since 1970.
std::optional<int64_t> parse_http_date(std::string_view text);

std::string to_lower(std::string_view text);  // ASCII only

}  // namespace joulespool::sink
