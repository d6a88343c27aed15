#include "cloud-bridge/sink/http_message.h"

#include <doctest/doctest.h>

#include "agent/base/clock.h"

namespace joulespool::sink {

TEST_CASE("url: scheme, host, path and query are told apart") {
  const auto url = parse_url("HTTPS://Kinesis.EU.amazonaws.com:8443/a/b?c=d&e");
  REQUIRE(url.ok());
  CHECK(url->scheme == "https");
  CHECK(url->host == "kinesis.eu.amazonaws.com:8443");
  CHECK(url->path == "/a/b");
  CHECK(url->query == "c=d&e");
  CHECK(url->text() == "https://kinesis.eu.amazonaws.com:8443/a/b?c=d&e");
}

TEST_CASE("url: the scheme's own port is not part of the host, another one is") {
  CHECK(parse_url("https://h:443")->host == "h");
  CHECK(parse_url("http://h:80/")->host == "h");
  CHECK(parse_url("http://h:443")->host == "h:443");
  CHECK(parse_url("http://[::1]:4567")->host == "[::1]:4567");
  CHECK(parse_url("http://[::1]")->host == "[::1]");
}

TEST_CASE("url: without a path it is the root") {
  CHECK(parse_url("http://h")->path == "/");
  CHECK(parse_url("http://h?q")->path == "/");
  CHECK(parse_url("http://h?q")->query == "q");
}

TEST_CASE("url: what cannot be asked is refused") {
  for (const char* text : {"", "h", "h:80", "ftp://h", "http://", "http://:80", "http://h:0", "http://h:65536", "http://h:x",
                           "http://h:", "http://u:p@h/", "http://h/a b", "http://h/#f", "http://h/\x01", "http:///path"}) {
    const auto url = parse_url(text);
    CHECK_MESSAGE(!url.ok(), text);
    if (!url) CHECK(url.error().code == Errc::usage);
  }
}

TEST_CASE("http date: seconds since 1970") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784'111'777 * ns_per_s);
  CHECK(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT") == 1'709'251'199 * ns_per_s);
}

TEST_CASE("http date: anything else is nothing") {
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 2024 00:00:00 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
                           "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 25:00:00 GMT"})
    CHECK_MESSAGE(!parse_http_date(text), text);
}

TEST_CASE("http headers: found in any case, the first one counts") {
  const std::vector<HttpHeader> headers{{"Date", "x"}, {"DATE", "y"}};
  CHECK(find_header(headers, "date") == "x");
  CHECK(find_header(headers, "server").empty());
}

}  // namespace joulespool::sink
