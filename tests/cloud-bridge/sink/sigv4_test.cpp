#include "cloud-bridge/sink/sigv4.h"

#include <doctest/doctest.h>

#include "agent/base/clock.h"

namespace joulespool::sink {
namespace {

// The expected signatures are botocore's (SigV4Auth of 1.29.27); tests/cloud-bridge/sink/sigv4_botocore.py compares live.
const Credentials keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", ""};
constexpr int64_t at_2026_01_02_03_04_05 = 1'767'323'045 * ns_per_s;
const std::vector<HttpHeader> kinesis_headers{{"host", "kinesis.eu-central-1.amazonaws.com"},
                                              {"content-type", "application/x-amz-json-1.1"},
                                              {"x-amz-target", "Kinesis_20131202.PutRecords"}};

std::vector<HttpHeader> sign(const SigningRequest& request, const Credentials& credentials = keys) {
  auto added = sign_v4(request, credentials, {"eu-central-1", "kinesis"}, at_2026_01_02_03_04_05);
  REQUIRE(added.ok());
  return *added;
}

std::string authorization(const std::string& signed_headers, const std::string& signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/kinesis/aws4_request, SignedHeaders=" + signed_headers +
         ", Signature=" + signature;
}

}  // namespace

TEST_CASE("sigv4: a Kinesis request gets the date and the signature that botocore gives it") {
  const auto added = sign({"POST", "/", "", kinesis_headers, R"({"StreamName":"joulespool"})"});
  REQUIRE(added.size() == 2);
  CHECK(added[0] == HttpHeader{"x-amz-date", "20260102T030405Z"});
  CHECK(added[1].name == "authorization");
  CHECK(added[1].value == authorization("content-type;host;x-amz-date;x-amz-target",
                                        "9cffaaf4bab64ffc1e602062c4572b4943f7580896fbd81575a669c4149e9eab"));
}

TEST_CASE("sigv4: a session token is sent and signed") {
  Credentials temporary = keys;
  temporary.session_token = "FwoGZXIvYXdzEXAMPLE//token==";
  const auto added = sign({"POST", "/", "", kinesis_headers, R"({"StreamName":"joulespool"})"}, temporary);
  REQUIRE(added.size() == 3);
  CHECK(added[1] == HttpHeader{"x-amz-security-token", "FwoGZXIvYXdzEXAMPLE//token=="});
  CHECK(added[2].value == authorization("content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                                        "27b14ede9d91c544be41796c3c22a422d8a4090c62fc89dfe2b526fcb07af139"));
}

TEST_CASE("sigv4: an empty body and a port in the host are signed as they are sent") {
  const std::vector<HttpHeader> headers{{"Host", "127.0.0.1:4567"}};
  CHECK(sign({"POST", "/", "", headers, ""}).back().value ==
        authorization("host;x-amz-date", "f8bd6dbbd06a1080de92e9746ab2430dc00d5890a181b7601c94f247bf2fd793"));
}

TEST_CASE("sigv4: names that are prefixes of others, repeated names, blanks and headers that proxies change") {
  const std::vector<HttpHeader> headers{
      {"host", "h"},    {"x-amz-b", "2"},           {"x-amz", "1"},     {"x-amz-bc", "  a \t b  "},
      {"X-Amz-B", "3"}, {"expect", "100-continue"}, {"user-agent", "x"}};
  CHECK(sign({"POST", "/", "", headers, "x"}).back().value ==
        authorization("host;x-amz;x-amz-b;x-amz-bc;x-amz-date",
                      "ffca99fe838600d5bb32492da269a5e8a70ca6b0eb3ee4e7edd5f4296be341ee"));
}

TEST_CASE("sigv4: the path loses its dot segments and is encoded once more, the query is sorted") {
  const std::vector<HttpHeader> headers{{"host", "h"}};
  CHECK(sign({"GET", "/a%20b/../c//d/./", "b=2&a=3&a=1&c", headers, ""}).back().value ==
        authorization("host;x-amz-date", "9a583dbb1f28fa6d2a10505152bacef5c46c7820156b505e6e497ed0479fd06d"));
}

TEST_CASE("sigv4: another second, region, secret or byte of the body gives another signature") {
  const auto signature = [](const Credentials& credentials, const char* region, int64_t ns, const char* body) {
    return sign_v4({"POST", "/", "", kinesis_headers, body}, credentials, {region, "kinesis"}, ns)->back().value;
  };
  const std::string one = signature(keys, "eu-central-1", at_2026_01_02_03_04_05, "x");
  CHECK(signature(keys, "eu-central-1", at_2026_01_02_03_04_05, "x") == one);
  CHECK(signature(keys, "eu-central-1", at_2026_01_02_03_04_05 + ns_per_s, "x") != one);
  CHECK(signature(keys, "eu-west-1", at_2026_01_02_03_04_05, "x") != one);
  CHECK(signature({"AKIDEXAMPLE", "other", "", ""}, "eu-central-1", at_2026_01_02_03_04_05, "x") != one);
  CHECK(signature(keys, "eu-central-1", at_2026_01_02_03_04_05, "y") != one);
}

}  // namespace joulespool::sink
