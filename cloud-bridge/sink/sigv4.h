// AWS Signature Version 4 in the Authorization header (AWS documentation, "Create a signed AWS API request"). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "cloud-bridge/sink/credentials.h"
#include "cloud-bridge/sink/http_message.h"

namespace joulespool::sink {

struct SigningRequest {
  std::string_view method;              // "POST"
  std::string_view path;                // as sent, percent-encoded
  std::string_view query;               // as sent, without '?'
  std::span<const HttpHeader> headers;  // what will be sent exactly so; `host` must be among them
  std::string_view body;
};

struct SigningScope {
  std::string_view region;
  std::string_view service;
};

// The headers to add to the request: x-amz-date, x-amz-security-token (with a session token), authorization.
// All given headers are signed, except those that proxies change (expect, user-agent, x-amzn-trace-id); their values count with
// outer blanks removed and inner runs of blanks as one. Values are bytes (UTF-8). Error: internal (OpenSSL refused).
Result<std::vector<HttpHeader>> sign_v4(const SigningRequest& request, const Credentials& credentials, const SigningScope& scope,
                                        int64_t realtime_ns);

}  // namespace joulespool::sink
