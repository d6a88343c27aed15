#include "cloud-bridge/sink/kinesis_client.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/scripted_http.h"

namespace joulespool::sink {
namespace {

constexpr int64_t at_2026_01_02_03_04_05 = 1'767'323'045 * ns_per_s;
const Environment environment_keys{{"AWS_ACCESS_KEY_ID", "AKID"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};

struct Fixture {
  HttpScript script;
  ManualClock clock{at_2026_01_02_03_04_05};
  KinesisClient client;
  explicit Fixture(const Environment& environment = environment_keys)
      : client(*parse_url("https://kinesis.eu-central-1.amazonaws.com"), "eu-central-1", std::make_unique<ScriptedHttp>(script),
               CredentialSource(environment), clock) {}
  std::string header(size_t request, const char* name) {
    return std::string(find_header(script.asked.at(request).headers, name));
  }
};

std::string refusal(const std::string& type, const std::string& message = "no") {
  return R"({"__type":")" + type + R"(","message":")" + message + R"("})";
}

Error error_of(int status, const std::string& body, std::vector<HttpHeader> headers = {}) {
  Fixture fixture;
  fixture.script.answer(status, body, std::move(headers));
  const auto answer = fixture.client.request("PutRecords", "{}");
  REQUIRE_FALSE(answer.ok());
  return answer.error();
}

}  // namespace

TEST_CASE("kinesis client: a call is a signed POST of JSON with the operation as its target") {
  Fixture fixture;
  fixture.script.answer(200, R"({"x":1})");
  const auto body = fixture.client.request("ListShards", R"({"StreamName":"s"})");
  REQUIRE(body.ok());
  CHECK(*body == R"({"x":1})");
  REQUIRE(fixture.script.asked.size() == 1);
  CHECK(fixture.script.asked[0].body == R"({"StreamName":"s"})");
  CHECK(fixture.header(0, "host") == "kinesis.eu-central-1.amazonaws.com");
  CHECK(fixture.header(0, "x-amz-target") == "Kinesis_20131202.ListShards");
  CHECK(fixture.header(0, "content-type") == "application/x-amz-json-1.1");
  CHECK(fixture.header(0, "x-amz-date") == "20260102T030405Z");
  CHECK(fixture.header(0, "authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-central-1/kinesis/"));
}

TEST_CASE("kinesis client: trouble that passes by itself is unreachable") {
  CHECK(error_of(500, refusal("InternalFailure")).code == Errc::unreachable);
  CHECK(error_of(503, "<html>Service Unavailable</html>").code == Errc::unreachable);
  CHECK(error_of(400, refusal("ProvisionedThroughputExceededException")).code == Errc::unreachable);
  CHECK(error_of(400, refusal("com.amazonaws.kinesis.v20131202#LimitExceededException")).code == Errc::unreachable);
  CHECK(error_of(400, "", {{"x-amzn-ErrorType", "ThrottlingException:http://x/"}}).code == Errc::unreachable);
  CHECK(error_of(429, "").code == Errc::unreachable);
}

TEST_CASE("kinesis client: trouble that somebody must look at is usage, with Kinesis' own words") {
  const Error error = error_of(400, refusal("ResourceNotFoundException", "Stream s under account 1 not found."));
  CHECK(error.code == Errc::usage);
  CHECK(error.message == "Kinesis PutRecords: HTTP 400 ResourceNotFoundException: Stream s under account 1 not found.");
  CHECK(error_of(400, refusal("AccessDeniedException")).code == Errc::usage);
  CHECK(error_of(403, "<AccessDenied/>\n").message == "Kinesis PutRecords: HTTP 403: <AccessDenied/> ");
  CHECK(error_of(413, "").code == Errc::usage);
  CHECK(error_of(301, "[]").code == Errc::usage);
  CHECK(error_of(400, R"({"__type":7,"message":[]})").message == "Kinesis PutRecords: HTTP 400");
}

TEST_CASE("kinesis client: a foreign text is shortened and loses its control characters") {
  const Error error = error_of(400, "a\x1b[1m" + std::string(10'000, 'x'));
  CHECK(error.message.size() < 400);
  CHECK(error.message.find('\x1b') == std::string::npos);
}

TEST_CASE("kinesis client: no connection is the HTTP client's error, sent once") {
  Fixture fixture;
  fixture.script.fail({Errc::unreachable, "refused"});
  const auto answer = fixture.client.call("PutRecords", "{}");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == Errc::unreachable);
  CHECK(answer.error().message == "Kinesis PutRecords: refused");
  CHECK(fixture.script.asked.size() == 1);
}

TEST_CASE("kinesis client: a wrong clock is corrected from the Date header, once, and stays corrected") {
  Fixture fixture;
  for (const int status : {403, 400}) {
    fixture.script.asked.clear();
    fixture.clock.step_realtime(status == 403 ? 0 : -7200 * ns_per_s);
    const char* date = status == 403 ? "Fri, 02 Jan 2026 04:04:05 GMT" : "Fri, 02 Jan 2026 05:04:05 GMT";
    const char* stamp = status == 403 ? "20260102T040405Z" : "20260102T050405Z";
    fixture.script.answer(status, refusal("InvalidSignatureException", "Signature expired"), {{"Date", date}});
    fixture.script.answer(200, "{}");
    fixture.script.answer(200, "{}");
    CHECK(fixture.client.call("PutRecords", "{}")->ok());
    CHECK(fixture.client.call("PutRecords", "{}")->ok());
    REQUIRE(fixture.script.asked.size() == 3);
    CHECK(fixture.header(0, "x-amz-date") != stamp);
    CHECK(fixture.header(1, "x-amz-date") == stamp);
    CHECK(fixture.header(2, "x-amz-date") == stamp);
  }
}

TEST_CASE("kinesis client: a refused signature with our clock right, or without a Date, is not tried again") {
  for (const std::vector<HttpHeader>& headers : {std::vector<HttpHeader>{{"date", "Fri, 02 Jan 2026 03:04:20 GMT"}},
                                                 std::vector<HttpHeader>{}, std::vector<HttpHeader>{{"date", "x"}}}) {
    Fixture fixture;
    fixture.script.answer(403, refusal("SignatureDoesNotMatch"), headers);
    CHECK(fixture.client.call("PutRecords", "{}")->status == 403);
    CHECK(fixture.script.asked.size() == 1);
  }
}

TEST_CASE("kinesis client: a server whose clock never pleases is asked twice, not for ever") {
  Fixture fixture;
  for (int i = 0; i < 2; ++i)
    fixture.script.answer(403, refusal("InvalidSignatureException"), {{"date", "Fri, 02 Jan 2027 03:04:05 GMT"}});
  CHECK(fixture.client.call("PutRecords", "{}")->status == 403);
  CHECK(fixture.script.asked.size() == 2);
}

TEST_CASE("kinesis client: other refusals leave the clock alone") {
  Fixture fixture;
  fixture.script.answer(400, refusal("ResourceNotFoundException"), {{"date", "Fri, 02 Jan 2027 03:04:05 GMT"}});
  CHECK(fixture.client.call("PutRecords", "{}")->status == 400);
  CHECK(fixture.client.realtime_ns() == at_2026_01_02_03_04_05);
}

TEST_CASE("kinesis client: an expired token is read again from its file; the same token is not tried twice") {
  const std::string path = (std::filesystem::temp_directory_path() / ("joulespool-keys-" + std::to_string(::getpid()))).string();
  const auto write = [&](const std::string& token) {
    std::ofstream(path) << "[default]\naws_access_key_id=A\naws_secret_access_key=S\naws_session_token=" << token << "\n";
  };
  write("old");
  Fixture fixture({{"AWS_SHARED_CREDENTIALS_FILE", path}});
  fixture.script.answer(200, "{}");
  CHECK(fixture.client.call("PutRecords", "{}")->ok());
  CHECK(fixture.header(0, "x-amz-security-token") == "old");

  fixture.script.answer(400, refusal("ExpiredTokenException"));
  CHECK(fixture.client.call("PutRecords", "{}")->error_type == "ExpiredTokenException");
  CHECK(fixture.script.asked.size() == 2);

  const auto time = std::filesystem::last_write_time(path);
  write("new");
  std::filesystem::last_write_time(path, time);  // as in a file system with coarse times
  fixture.script.answer(400, refusal("ExpiredTokenException"));
  fixture.script.answer(200, "{}");
  CHECK(fixture.client.call("PutRecords", "{}")->ok());
  CHECK(fixture.header(3, "x-amz-security-token") == "new");
  std::filesystem::remove(path);
}

TEST_CASE("kinesis client: without credentials nothing is sent") {
  Fixture fixture(Environment{});
  const auto answer = fixture.client.call("PutRecords", "{}");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == Errc::usage);
  CHECK(fixture.script.asked.empty());
}

TEST_CASE("kinesis client: wrong options are said before anything is sent") {
  ManualClock clock;
  const auto code = [&](const std::string& region, const std::string& endpoint, const std::string& stream) {
    const auto client = make_kinesis_client({region, endpoint, stream}, clock);
    return client ? Errc::internal : client.error().code;
  };
  ::setenv("AWS_ACCESS_KEY_ID", "A", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
  CHECK(code("eu-central-1", "", "") == Errc::usage);
  CHECK(code("eu-central-1", "", "a b") == Errc::usage);
  CHECK(code("eu-central-1", "", std::string(129, 'a')) == Errc::usage);
  CHECK(code("eu-central-1", "127.0.0.1:80", "s") == Errc::usage);
  CHECK(code("bad region", "", "s") == Errc::usage);
  CHECK(make_kinesis_client({"eu-central-1", "", "s"}, clock).ok());
}

}  // namespace joulespool::sink
