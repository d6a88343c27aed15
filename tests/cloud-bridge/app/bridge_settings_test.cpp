#include "cloud-bridge/app/bridge_settings.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cloud-bridge/app/run_bridge.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::bridge;

namespace {

std::string error_of(const BridgeSettingsSources& sources) {
  const auto settings = load_bridge_settings(sources);
  if (settings) return "no error";
  CHECK(settings.error().code == Errc::usage);
  return settings.error().message;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) { std::ofstream(name_) << text; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  test::TemporaryDirectory directory_;
  std::string name_ = directory_ / "bridge.toml";
};

}  // namespace

TEST_CASE("settings: with nothing but a stream the defaults hold") {
  const auto settings = load_bridge_settings({"", {}, {{"kinesis.stream", "power"}}});
  REQUIRE(settings);
  CHECK(settings->id == "bridge-1");
  CHECK(settings->bus.uri == "tcp://127.0.0.1:1883");
  CHECK(settings->bus.client_id == "joulespool-bridge-1");
  CHECK(settings->parts.all());
  CHECK(settings->kinesis.stream == "power");
  CHECK_FALSE(settings->create_stream);
}

TEST_CASE("settings: flags go before the environment, and that before the file") {
  const ConfigFile file(
      "[bridge]\nid = \"from-file\"\nworkers = 5\nparts = [\"0-3\", \"63\"]\n[kinesis]\nstream = \"from-file\"\nshards = 7\n");
  const auto settings = load_bridge_settings({file.name(),
                                              {{"JOULESPOOL_BRIDGE_BRIDGE_WORKERS", "6"},
                                               {"JOULESPOOL_BRIDGE_KINESIS_STREAM", "from-env"},
                                               {"JOULESPOOL_HOST", "of-the-agent"}},
                                              {{"kinesis.stream", "from-flag"}}});
  REQUIRE(settings);
  CHECK(settings->id == "from-file");
  CHECK(settings->workers == 6);
  CHECK(settings->kinesis.stream == "from-flag");
  CHECK(settings->shards == 7);
  CHECK(settings->parts.count() == 5);
  CHECK(settings->parts.test(63));
}

TEST_CASE("settings: the environment may name the file") {
  const ConfigFile file("[kinesis]\nstream = \"from-file\"\n");
  const auto settings = load_bridge_settings({"", {{"JOULESPOOL_BRIDGE_CONFIG", file.name()}}, {}});
  REQUIRE(settings);
  CHECK(settings->kinesis.stream == "from-file");
}

TEST_CASE("settings: what is wrong is said with its place and what is allowed") {
  CHECK(contains(error_of({"", {}, {}}), "kinesis.stream is not set: name the stream with --kinesis.stream"));
  CHECK(contains(error_of({"/no/such/file.toml", {}, {}}), "/no/such/file.toml"));
  CHECK(contains(error_of({"", {}, {{"kinesis.stream", "a b"}}}), "must be 1 to 128 of"));
  CHECK(contains(error_of({"", {}, {{"bridge.parts", "0-64"}}}), "must be parts of 0 to 63"));
  CHECK(contains(error_of({"", {}, {{"bridge.parts", "9-3"}}}), "must be parts of 0 to 63"));
  CHECK(contains(error_of({"", {}, {{"bridge.parts", "1,x"}}}), "must be parts of 0 to 63"));
  CHECK(contains(error_of({"", {}, {{"bridge.id", "No"}}}), "must be 1 to 63 of"));
  CHECK(contains(error_of({"", {}, {{"mqtt.uri", "http://x"}}}), "must be tcp://host:port"));
  CHECK(contains(error_of({"", {}, {{"mqtt.uri", "tcp://x:99999"}}}), "must be tcp://host:port"));
  CHECK(contains(error_of({"", {{"JOULESPOOL_BRIDGE_KINESIS_STREEM", "x"}}, {}}), "JOULESPOOL_BRIDGE_KINESIS_STREEM"));
  const ConfigFile file("[kinesis]\nstream = \"x\"\n[bridge]\nworkers = 0\n");
  CHECK(contains(error_of({file.name(), {}, {}}), file.name() + ":4: bridge.workers"));
}

TEST_CASE("settings: the memory is shared between the inbox and what is held, each with room for the largest frame") {
  const auto settings = load_bridge_settings({"", {}, {{"kinesis.stream", "x"}, {"bridge.memory-max-bytes", "8MiB"}}});
  REQUIRE(settings);
  const BridgeSetup setup = make_setup(*settings);
  CHECK(setup.inbox_bytes + setup.pipeline.batch.held_bytes == 8 * 1024 * 1024);
  CHECK(setup.inbox_bytes > wire::frame_bytes_limit);
}

TEST_CASE("settings: every option has a default that it accepts, and a sentence") {
  for (const OptionRow& row : bridge_options()) {
    CAPTURE(row.key);
    CHECK(row.doc.ends_with("."));
    CHECK((row.key == "mqtt.password") == row.secret);
  }
}
