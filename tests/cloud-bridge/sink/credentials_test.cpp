#include "cloud-bridge/sink/credentials.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

namespace joulespool::sink {
namespace {

CredentialPlaces places(Environment environment, std::optional<std::string> credentials = {},
                        std::optional<std::string> config = {}) {
  environment["HOME"] = "/home/x";
  CredentialPlaces result = credential_places(std::move(environment));
  result.credentials.text = std::move(credentials);
  result.config.text = std::move(config);
  return result;
}

std::string key_of(const CredentialPlaces& where) {
  const auto found = find_credentials(where);
  return found ? found->access_key_id + "/" + found->secret_access_key + "/" + found->session_token
               : "error: " + found.error().message;
}

constexpr const char* file = R"(# keys
[default]
aws_access_key_id = AKID
aws_secret_access_key=sec/ret+=

[ lab ]
aws_access_key_id: LAB
aws_secret_access_key : lab secret
; aws_session_token = no
aws_session_token = token=
)";

// A folder of its own for each test, gone afterwards.
struct Folder {
  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
  joulespool::test::TemporaryDirectory directory;
  std::filesystem::path path = directory.path();
};

std::string keys(const std::string& id) { return "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = s\n"; }

}  // namespace

TEST_CASE("credentials: the environment comes first, even with AWS_PROFILE") {
  const Environment environment{
      {"AWS_ACCESS_KEY_ID", "E"}, {"AWS_SECRET_ACCESS_KEY", "S"}, {"AWS_SESSION_TOKEN", "T"}, {"AWS_PROFILE", "lab"}};
  CHECK(key_of(places(environment, file)) == "E/S/T");
  CHECK(find_credentials(places(environment, file))->origin == "environment");
}

TEST_CASE("credentials: the profile of the credentials file, default or named") {
  CHECK(key_of(places({}, file)) == "AKID/sec/ret+=/");
  CHECK(key_of(places({{"AWS_PROFILE", "lab"}}, file)) == "LAB/lab secret/token=");
  CHECK(find_credentials(places({}, file))->origin == "profile default in /home/x/.aws/credentials");
}

TEST_CASE("credentials: the config file is looked at last, where profiles are called so") {
  const std::string config =
      "[default]\naws_access_key_id=D\naws_secret_access_key=1\n[profile lab]\naws_access_key_id=L\n"
      "aws_secret_access_key=2\n";
  CHECK(key_of(places({}, std::nullopt, config)) == "D/1/");
  CHECK(key_of(places({{"AWS_PROFILE", "lab"}}, "", config)) == "L/2/");
  CHECK(key_of(places({}, file, config)) == "AKID/sec/ret+=/");
}

TEST_CASE("credentials: empty variables count as not set") {
  CHECK(key_of(places({{"AWS_ACCESS_KEY_ID", ""}, {"AWS_SECRET_ACCESS_KEY", ""}, {"AWS_PROFILE", ""}}, file)) ==
        "AKID/sec/ret+=/");
}

TEST_CASE("credentials: nested settings, blank lines and Windows line ends do not disturb") {
  const std::string nested =
      "[default]\r\ns3 =\r\n  aws_access_key_id = WRONG\r\n\r\naws_access_key_id = K\r\n"
      "aws_secret_access_key = S\r\n[other]\r\naws_secret_access_key = X\r\n";
  CHECK(key_of(places({}, nested)) == "K/S/");
  CHECK(key_of(places({}, "[default]\n  aws_access_key_id = K\n  aws_secret_access_key = S\n")) == "K/S/");
}

TEST_CASE("credentials: when there are none, the error names every place and is a matter of usage") {
  const auto found = find_credentials(places({{"AWS_PROFILE", "nope"}}, file));
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == Errc::usage);
  for (const char* part : {"AWS_ACCESS_KEY_ID", "/home/x/.aws/credentials", "[nope]", "/home/x/.aws/config"})
    CHECK_MESSAGE(found.error().message.find(part) != std::string::npos, found.error().message);
  CHECK(find_credentials(credential_places({})).error().message.find("HOME is not set") != std::string::npos);
}

TEST_CASE("credentials: half of a pair is an error that does not show it") {
  CHECK(key_of(places({{"AWS_ACCESS_KEY_ID", "E"}}, file)) ==
        "error: AWS credentials: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
  const std::string message = key_of(places({}, "[default]\naws_secret_access_key = hidden\n"));
  CHECK(message.starts_with("error: "));
  CHECK(message.find("hidden") == std::string::npos);
}

TEST_CASE("credentials: damaged files are files without keys") {
  for (const char* text : {"", "\n\n", "[default", "[]", "=", "[default]\n=x\n:y\n", "aws_access_key_id = K", "[default]\n[[["})
    CHECK_FALSE(find_credentials(places({}, text)).ok());
  CHECK_FALSE(find_credentials(places({}, std::string("[default]\n\0\xff\xfe", 13))).ok());
}

TEST_CASE("credentials: file names come from the environment, with ~ for the home") {
  const auto named = credential_places({{"HOME", "/h"}, {"AWS_SHARED_CREDENTIALS_FILE", "/c"}, {"AWS_CONFIG_FILE", "~/conf"}});
  CHECK(named.credentials.path == "/c");
  CHECK(named.config.path == "/h/conf");
}

TEST_CASE("region: AWS_REGION, AWS_DEFAULT_REGION, then the profile") {
  const std::string config = "[default]\nregion = r1\n[profile lab]\nregion=r2\n";
  CHECK(*find_region(places({{"AWS_REGION", "a"}, {"AWS_DEFAULT_REGION", "b"}}, {}, config)) == "a");
  CHECK(*find_region(places({{"AWS_DEFAULT_REGION", "b"}}, {}, config)) == "b");
  CHECK(*find_region(places({}, {}, config)) == "r1");
  CHECK(*find_region(places({{"AWS_PROFILE", "lab"}}, {}, config)) == "r2");
  CHECK(*find_region(places({}, "[default]\nregion=r3\n")) == "r3");
  CHECK(find_region(places({})).error().code == Errc::usage);
}

TEST_CASE("credential source: a changed file is read again, an unchanged one only when Kinesis refused the keys") {
  const Folder folder;
  folder.write("credentials", keys("FIRST"));
  CredentialSource source({{"HOME", "/nowhere"}, {"AWS_SHARED_CREDENTIALS_FILE", (folder.path / "credentials").string()}});
  CHECK(source.current()->access_key_id == "FIRST");

  folder.write("credentials", keys("SECOND-LONGER"));
  CHECK(source.current()->access_key_id == "SECOND-LONGER");

  const auto time = std::filesystem::last_write_time(folder.path / "credentials");
  folder.write("credentials", keys("THIRD-IS-HERE"));
  std::filesystem::last_write_time(folder.path / "credentials", time);
  CHECK(source.current()->access_key_id == "SECOND-LONGER");
  source.expire();
  CHECK(source.current()->access_key_id == "THIRD-IS-HERE");

  std::filesystem::remove(folder.path / "credentials");
  CHECK_FALSE(source.current().ok());
}

}  // namespace joulespool::sink
