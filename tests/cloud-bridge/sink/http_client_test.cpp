#include "cloud-bridge/sink/http_client.h"

#include <doctest/doctest.h>

#include <thread>

#include "tests/support/loopback_server.h"

namespace joulespool::sink {
namespace {

HttpLimits short_limits() { return {1'000, 300, 1'000}; }

std::unique_ptr<HttpClient> client(const HttpLimits& limits = {}) {
  auto made = make_http_client(limits);
  REQUIRE(made.ok());
  return std::move(*made);
}

Url url_of(const LoopbackServer& server) { return *parse_url("http://127.0.0.1:" + std::to_string(server.port()) + "/path?q=1"); }

const std::vector<HttpHeader> headers{{"host", "signed.example"}, {"x-amz-target", "T"}, {"x-empty", ""}};

}  // namespace

TEST_CASE("http client: requests go out as they were signed, over one kept connection") {
  LoopbackServer server({{http_answer(200, "one", "Date: D\r\n")}, {http_answer(404, "two")}});
  const auto http = client();
  const auto first = http->post(url_of(server), headers, "body");
  const auto second = http->post(url_of(server), std::vector<HttpHeader>{{"content-type", "json"}}, "");
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->status == 200);
  CHECK(first->body == "one");
  CHECK(find_header(first->headers, "date") == "D");
  CHECK(second->status == 404);
  CHECK(second->body == "two");
  CHECK(find_header(second->headers, "date").empty());
  CHECK(server.connections() == 1);
  const std::string request = server.requests().at(0);
  CHECK(request.starts_with("POST /path?q=1 HTTP/1.1\r\n"));
  CHECK(request.ends_with("\r\n\r\nbody"));
  for (const char* line :
       {"\r\nHost: signed.example\r\n", "\r\nx-amz-target: T\r\n", "\r\nx-empty:\r\n", "\r\nContent-Length: 4\r\n"})
    CHECK_MESSAGE(request.find(line) != std::string::npos, request);
  CHECK(request.find("Content-Type") == std::string::npos);
  CHECK(server.requests().at(1).find("content-type: json\r\n") != std::string::npos);
}

TEST_CASE("http client: a body of megabytes is sent whole, without asking to continue") {
  LoopbackServer server({{http_answer(200, "")}});
  std::string body(7 * 1024 * 1024, 'x');
  body[12345] = '\0';
  REQUIRE(client()->post(url_of(server), headers, body).ok());
  const std::string request = server.requests().at(0);
  CHECK(request.find("xpect") == std::string::npos);
  CHECK(request.substr(request.find("\r\n\r\n") + 4) == body);
}

TEST_CASE("http client: an interim answer is not the answer") {
  LoopbackServer server({{"HTTP/1.1 100 Continue\r\nDate: wrong\r\n\r\n" + http_answer(200, "real")}});
  const auto answer = client()->post(url_of(server), headers, "body");
  REQUIRE(answer.ok());
  CHECK(answer->body == "real");
  CHECK(find_header(answer->headers, "date").empty());
}

TEST_CASE("http client: chunked answers are put together") {
  LoopbackServer server({{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"}});
  CHECK(client()->post(url_of(server), headers, "body")->body == "abcde");
}

TEST_CASE("http client: an answer above the limit is refused, with and without a length, and the next one works") {
  const std::string large(5'000, 'x');
  LoopbackServer server({{http_answer(200, large), true},
                         {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + large, true},
                         {http_answer(200, std::string(1'000, 'y'))}});
  const auto http = client(short_limits());
  CHECK(http->post(url_of(server), headers, "").error().code == Errc::full);
  CHECK(http->post(url_of(server), headers, "").error().code == Errc::full);
  CHECK(http->post(url_of(server), headers, "")->body.size() == 1'000);
}

TEST_CASE("http client: silence ends with the timeout as unreachable") {
  LoopbackServer server({{"", false, true}, {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false, true}});
  const auto http = client(short_limits());
  for (int i = 0; i < 2; ++i) {
    const auto answer = http->post(url_of(server), headers, "body");
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code == Errc::unreachable);
  }
}

TEST_CASE("http client: a connection that breaks in the middle of an answer is unreachable") {
  for (const char* bytes : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "HTTP/1.1 200", "garbage\r\n\r\n", ""}) {
    LoopbackServer server({{bytes, true}});
    const auto answer = client(short_limits())->post(url_of(server), headers, "body");
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code == Errc::unreachable);
  }
}

TEST_CASE("http client: a server that closed the kept connection gets the request on a new one") {
  LoopbackServer server({{http_answer(200, "one"), true}, {http_answer(200, "two")}});
  const auto http = client();
  REQUIRE(http->post(url_of(server), headers, "body").ok());
  CHECK(http->post(url_of(server), headers, "body")->body == "two");
  CHECK(server.connections() == 2);
}

TEST_CASE("http client: nobody listening and a name that does not exist are unreachable") {
  int port = 0;
  { port = LoopbackServer({}).port(); }
  const auto http = client();
  CHECK(http->post(*parse_url("http://127.0.0.1:" + std::to_string(port)), headers, "").error().code == Errc::unreachable);
  CHECK(http->post(*parse_url("http://no-such-host.invalid"), headers, "").error().code == Errc::unreachable);
}

TEST_CASE("http client: a redirect is an answer, not followed") {
  LoopbackServer server({{http_answer(301, "", "Location: http://127.0.0.1:1/\r\n")}});
  CHECK(client()->post(url_of(server), headers, "body")->status == 301);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("http client: a proxy of the environment is not used for http") {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  LoopbackServer server({{http_answer(200, "direct")}});
  CHECK(client()->post(url_of(server), headers, "body")->body == "direct");
  ::unsetenv("http_proxy");
}

TEST_CASE("http client: clients of several threads do not disturb each other") {
  LoopbackServer first({{http_answer(200, "a")}, {http_answer(200, "a")}});
  LoopbackServer second({{http_answer(200, "b")}, {http_answer(200, "b")}});
  const auto twice = [](const LoopbackServer& server, std::string& got) {
    auto http = make_http_client({});
    for (int i = 0; i < 2; ++i) got += (*http)->post(url_of(server), headers, "x")->body;
  };
  std::string got_first, got_second;
  std::thread one([&] { twice(first, got_first); });
  std::thread two([&] { twice(second, got_second); });
  one.join();
  two.join();
  CHECK(got_first == "aa");
  CHECK(got_second == "bb");
}

}  // namespace joulespool::sink
