// HTTP POST over one kept-alive connection.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "agent/base/result.h"
#include "cloud-bridge/sink/http_message.h"

namespace joulespool::sink {

struct HttpLimits {
  int connect_timeout_ms = 5'000;
  int request_timeout_ms = 30'000;             // from the call to the last byte of the answer, connecting included
  size_t answer_bytes_max = 64 * 1024 * 1024;  // body
};

// One thread at a time; make one client per thread.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Sends exactly `headers` (host among them) plus content-length, accept and user-agent. Any HTTP status is an answer.
  // Error: unreachable (no connection, broken, timeout, certificate), full (answer above the limit), usage (URL).
  // When a kept-alive connection turns out to be closed before any byte of an answer, the request is sent once more on a new one.
  virtual Result<HttpAnswer> post(const Url& url, std::span<const HttpHeader> headers, std::string_view body) = 0;
};

// http and https, HTTP/1.1, certificates checked against the system's authorities, no redirects, no cookies, no signals.
// Proxies: HTTPS_PROXY and NO_PROXY of the environment for https; never any for http, which only local emulators speak.
Result<std::unique_ptr<HttpClient>> make_http_client(const HttpLimits& limits);

}  // namespace joulespool::sink
