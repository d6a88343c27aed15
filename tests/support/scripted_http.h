// An HttpClient that answers from a script and remembers what it was asked.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloud-bridge/sink/http_client.h"

namespace joulespool::sink {

struct HttpExchange {
  Url url;
  std::vector<HttpHeader> headers;
  std::string body;
};

// What the client and the test share: the client itself belongs to whoever uses it.
struct HttpScript {
  std::deque<Result<HttpAnswer>> answers;
  std::vector<HttpExchange> asked;

  void answer(int status, std::string body, std::vector<HttpHeader> headers = {}) {
    answers.emplace_back(HttpAnswer{status, std::move(headers), std::move(body)});
  }
  void fail(Error error) { answers.emplace_back(std::move(error)); }
};

class ScriptedHttp final : public HttpClient {
 public:
  explicit ScriptedHttp(HttpScript& script) : script_(script) {}
  Result<HttpAnswer> post(const Url& url, std::span<const HttpHeader> headers, std::string_view body) override {
    script_.asked.push_back({url, {headers.begin(), headers.end()}, std::string(body)});
    if (script_.answers.empty()) return Error{Errc::internal, "the script has no answer left"};
    auto answer = std::move(script_.answers.front());
    script_.answers.pop_front();
    return answer;
  }

 private:
  HttpScript& script_;
};

}  // namespace joulespool::sink
