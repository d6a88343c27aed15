#include "agent/config/settings.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::config;

namespace {

// A file that is gone with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) { std::ofstream(path()) << text; }
  [[nodiscard]] std::string path() const { return directory_ / "joulespool.toml"; }

 private:
  test::TemporaryDirectory directory_;
};

SettingsSources sources(std::vector<std::pair<std::string, std::string>> flags = {}) {
  SettingsSources given;
  given.flags = std::move(flags);
  given.hostname = "Lab-7";
  return given;
}

LoadedSettings loaded(const SettingsSources& given) {
  const auto result = load_settings(given);
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().message));
  return *result;
}

std::string problems(const SettingsSources& given) {
  const auto result = load_settings(given);
  if (result.ok()) return "";
  CHECK(result.error().code == Errc::usage);
  return result.error().message;
}

// The problems of a file's text, without the file's own path.
std::string file_problems(const std::string& text) {
  const TemporaryFile file(text);
  SettingsSources given = sources();
  given.file = file.path();
  std::string message = problems(given);
  for (size_t at = message.find(file.path()); at != std::string::npos; at = message.find(file.path()))
    message.replace(at, file.path().size(), "F");
  return message;
}

std::string device_problem(const std::string& text) { return problems(sources({{"device", text}})); }

}  // namespace

TEST_CASE("settings: the defaults are those of the contract") {
  const Settings settings = loaded(sources()).settings;
  CHECK(settings.host == "lab-7");
  CHECK(settings.spool.directory == "/var/lib/joulespool/spool");
  CHECK(settings.spool.budget_bytes == 1024 * 1024 * 1024);
  CHECK(settings.spool.commit_window_ms == 250);
  CHECK(settings.spool.check_interval_h == 24);
  CHECK(settings.spool.check_bytes_per_s == 1024 * 1024);
  CHECK(settings.spool.stat.share_percent == 45);
  CHECK(settings.spool.wave.share_percent == 50);
  CHECK(settings.spool.stat.age_max_h == 0);
  CHECK(settings.spool.wave.age_max_h == 0);
  CHECK(settings.frame_size_max_bytes == 122880);
  CHECK(settings.stat_window_us == 1000);
  CHECK(settings.wave_mode == WaveMode::off);
  CHECK(settings.capture_ring_ms == 2000);
  CHECK(settings.mqtt.uri == "tcp://127.0.0.1:1883");
  CHECK(settings.mqtt.client_id == "joulespool-lab-7");
  CHECK(settings.mqtt.username.empty());
  CHECK(settings.mqtt.password.empty());
  CHECK(settings.mqtt.keep_alive_s == 20);
  CHECK(settings.uplink.window_bytes == 8 * 1024 * 1024);
  CHECK(settings.uplink.window_frames == 512);
  CHECK(settings.uplink.ack_timeout_ms == 5000);
  CHECK(settings.uplink.state_interval_ms == 5000);
  CHECK(settings.labels.empty());
  CHECK(settings.log_level == LogLevel::info);
  CHECK(settings.devices.empty());
}

TEST_CASE("settings: every default is valid, and every key has a name of its own everywhere") {
  std::set<std::string> names;
  for (const OptionRow& row : agent_options()) {
    CHECK_MESSAGE(names.insert(environment_name(environment_prefix, row.key)).second, row.key);
    CHECK_MESSAGE(!row.doc.empty(), row.key);
    CHECK_MESSAGE(!row.key.starts_with("device."), row.key);  // [[device]] is an array of tables
    if (row.type == OptionType::list) continue;               // a list of nothing has no flag
    CHECK_MESSAGE(problems(sources({{row.key, option_to_text(row.value)}})).empty(), row.key);
  }
}

TEST_CASE("settings: a file sets everything, devices too") {
  const TemporaryFile file(R"(host = "h1"
labels = ["run=7", "build=a=b"]
[spool]
directory = "/tmp/s"
budget-bytes = "32MiB"
[frame]
size-max-bytes = "16KiB"
[wave]
mode = "upload"
[mqtt]
password = "hush"
[log]
level = "debug"
[[device]]
source = "simulated"
model = "js110"
serial = "000042"
seed = 9
load = "ranges"
origin = "2026-01-02T03:04:05Z"
duration-s = 1.5
rate-hz = 100000
unpaced = true
packed = ["range"]
faults = "drop:10-20; nan:0-4"
[[device]]
source = "replay"
current-file = "i.f32"
voltage-file = "v.f32"
power-file = "p.f32"
loop = true
)");
  SettingsSources given = sources();
  given.file = file.path();
  const LoadedSettings all = loaded(given);
  const Settings& settings = all.settings;
  CHECK(settings.host == "h1");
  CHECK(settings.mqtt.client_id == "joulespool-h1");
  CHECK(settings.mqtt.password == "hush");
  CHECK(settings.labels == std::vector<wire::Label>{{"run", "7"}, {"build", "a=b"}});
  CHECK(settings.spool.budget_bytes == 32 * 1024 * 1024);
  CHECK(settings.frame_size_max_bytes == 16384);
  CHECK(settings.wave_mode == WaveMode::upload);
  CHECK(settings.log_level == LogLevel::debug);
  REQUIRE(settings.devices.size() == 2);
  const DeviceSettings& simulated = settings.devices[0];
  CHECK(simulated.origin == file.path() + ":14");
  CHECK(simulated.source == SourceKind::simulated);
  CHECK(simulated.identity == wire::DeviceIdentity{"js110-000042", "js110", "000042"});
  CHECK(simulated.seed == 9);
  CHECK(simulated.load == "ranges");
  CHECK(simulated.origin_utc_ns == 1767323045000000000);
  CHECK(simulated.duration_s == 1.5);
  CHECK(simulated.rate_hz == 100000);
  CHECK(simulated.unpaced);
  CHECK(simulated.packed == std::vector<std::string>{"range"});
  CHECK(simulated.faults == "drop:10-20; nan:0-4");
  const DeviceSettings& replayed = settings.devices[1];
  CHECK(replayed.source == SourceKind::replay);
  CHECK(replayed.identity.id == "js220-000001");
  CHECK(replayed.current_file == "i.f32");
  CHECK(replayed.voltage_file == "v.f32");
  CHECK(replayed.power_file == "p.f32");
  CHECK(replayed.loop);
  CHECK(!replayed.origin_utc_ns);
  CHECK(all.devices.size() == 2);
  CHECK(all.options.at("host").origin == file.path() + ":1");
  CHECK(all.options.at("mqtt.client-id").origin == "default");
}

TEST_CASE("settings: environment before file, flags before environment") {
  const TemporaryFile file("host = \"from-file\"\n");
  SettingsSources given = sources();
  given.file = file.path();
  CHECK(loaded(given).settings.host == "from-file");
  given.environment["JOULESPOOL_HOST"] = "from-environment";
  CHECK(loaded(given).settings.host == "from-environment");
  given.flags = {{"host", "from-flag"}};
  CHECK(loaded(given).settings.host == "from-flag");
}

TEST_CASE("settings: devices of the flags replace those of the file") {
  const TemporaryFile file("[[device]]\nserial = \"000001\"\n[[device]]\nserial = \"000002\"\n");
  SettingsSources given = sources({{"device", "model=js110,serial=9,packed=range;gpi1"}, {"device", ""}});
  given.file = file.path();
  const Settings settings = loaded(given).settings;
  REQUIRE(settings.devices.size() == 2);
  CHECK(settings.devices[0].identity.id == "js110-9");
  CHECK(settings.devices[0].origin == "flag --device");
  CHECK(settings.devices[0].packed == std::vector<std::string>{"range", "gpi1"});
  CHECK(settings.devices[1].identity.id == "js220-000001");
}

TEST_CASE("settings: unknown variables of the environment are errors, those of the bridge are not") {
  SettingsSources given = sources();
  given.environment = {{"JOULESPOOL_BRIDGE_STREAM", "x"}, {"JOULESPOOL_CONFIG", "/x"}, {"HOME", "/root"}};
  CHECK(problems(given).empty());
  given.environment["JOULESPOOL_SPOOL_DIRECTROY"] = "/x";
  CHECK(problems(given) ==
        "environment \"JOULESPOOL_SPOOL_DIRECTROY\": unknown variable; did you mean 'JOULESPOOL_SPOOL_DIRECTORY'?");
}

TEST_CASE("settings: a hostname that is no id must be replaced by a host") {
  SettingsSources given = sources();
  given.hostname = "lab.example.org";
  CHECK(problems(given) ==
        "host: the hostname \"lab.example.org\" cannot be used (1 to 63 of a-z, 0-9 and '-'): set host in the file, "
        "JOULESPOOL_HOST or --host");
  given.flags = {{"host", "lab"}};
  CHECK(problems(given).empty());
  given.hostname = "";
  CHECK(problems(given).empty());
}

TEST_CASE("settings: all problems of a file are told at once, with their lines") {
  CHECK(file_problems("host = \"A B\"\nlables = [\"a=1\"]\n[spool]\nbudget-bytes = -5\n[[device]]\nmodel = "
                      "\"js330\"\n[[device]]\nsead = 1\n") ==
        "F:1: host = \"A B\": must be 1 to 63 of a-z, 0-9 and '-', not beginning with '-'\n"
        "F:2: unknown key \"lables\"; did you mean 'labels'?\n"
        "F:4: spool.budget-bytes = -5: must be 16777216..70368744177664 bytes\n"
        "F:6: model = \"js330\": must be js110 or js220\n"
        "F:8: unknown key \"sead\"; did you mean 'seed'?");
}

TEST_CASE("settings: a syntax error is told once") { CHECK(file_problems("host = \n").find('\n') == std::string::npos); }

TEST_CASE("settings: a file that cannot be read is an error with its name") {
  SettingsSources given = sources();
  given.file = "/nonexistent/joulespool.toml";
  CHECK(problems(given) == "/nonexistent/joulespool.toml: No such file or directory");
  given.file = "/";
  CHECK(problems(given).starts_with("/: "));
}

TEST_CASE("settings: rules beyond types and ranges") {
  const std::pair<std::pair<std::string, std::string>, std::string> cases[] = {
      {{"mqtt.uri", "127.0.0.1:1883"}, "must be tcp://host:port"},
      {{"mqtt.uri", "tcp://host"}, "must be tcp://host:port"},
      {{"mqtt.uri", "tcp://:1883"}, "must be tcp://host:port"},
      {{"mqtt.uri", "tcp://host:0"}, "must be tcp://host:port"},
      {{"mqtt.uri", "tcp://host:65536"}, "must be tcp://host:port"},
      {{"spool.directory", ""}, "must be a text that is not empty"},
      {{"frame.size-max-bytes", "16383"}, "must be 16384..1044480 bytes"},
      {{"frame.size-max-bytes", "1MiB"}, "must be 16384..1044480 bytes"},
      {{"wave.mode", "on"}, "must be off, keep or upload"},
      {{"wave.rate-hz", "300"}, "must be 0 (the full rate) or one of 100, 200, 500, 1000, 2000, ... 1000000"},
      {{"wave.rate-hz", "50"}, "must be 0 (the full rate) or one of 100, 200, 500, 1000, 2000, ... 1000000"},
      {{"wave.rate-hz", "2000000"}, "must be 0..1000000 Hz"},
      {{"wave.budget-bytes-per-s", "-1"}, "must be 0..1000000000 bytes/s"},
      {{"labels", "novalue"}, "must be key=value, both at most 128 bytes"},
      {{"labels", "=v"}, "must be key=value, both at most 128 bytes"},
      {{"labels", std::string(129, 'k') + "=v"}, "must be key=value, both at most 128 bytes"},
  };
  for (const auto& [flag, message] : cases) {
    CAPTURE(flag.second);
    CHECK(problems(sources({flag})).ends_with(": " + message));
  }
  CHECK(
      problems(sources({{"labels", "a=1"}, {"labels", "a=2"}})).ends_with("must be labels with different keys: 'a' comes twice"));
  std::vector<std::pair<std::string, std::string>> many;
  for (int label = 0; label < 33; ++label) many.emplace_back("labels", "k" + std::to_string(label) + "=v");
  CHECK(problems(sources(many)).ends_with("must be at most 32 labels"));
}

TEST_CASE("settings: a waveform's rate and its budget") {
  const auto loaded = load_settings(sources({{"wave.rate-hz", "20000"}, {"wave.budget-bytes-per-s", "50000"}}));
  REQUIRE(loaded.ok());
  CHECK(loaded->settings.wave_rate_hz == 20'000);
  CHECK(loaded->settings.wave_budget_bytes_per_s == 50'000);
  for (const char* rate : {"100", "500", "1000000"}) CHECK(load_settings(sources({{"wave.rate-hz", rate}})).ok());
}

TEST_CASE("settings: the lanes' parts of the spool leave something for the rest") {
  const auto given = load_settings(
      sources({{"spool.stat-share-percent", "15"}, {"spool.wave-share-percent", "80"}, {"spool.wave-age-max-h", "72"}}));
  REQUIRE(given.ok());
  CHECK(given->settings.spool.stat.share_percent == 15);
  CHECK(given->settings.spool.wave.share_percent == 80);
  CHECK(given->settings.spool.wave.age_max_h == 72);
  CHECK(problems(sources({{"spool.stat-share-percent", "46"}})) ==
        "spool.stat-share-percent = 46 (flag --spool.stat-share-percent) and spool.wave-share-percent = 50 (default): together "
        "they "
        "are 96, but must be at most 95: lane event and the files' own overhead need the rest");
}

TEST_CASE("settings: a budget for waveforms must leave room for a frame with each commit") {
  CHECK(load_settings(sources({{"wave.budget-bytes-per-s", "2560"}})).ok());
  CHECK(
      problems(sources({{"wave.budget-bytes-per-s", "2559"}})) ==
      "flag --wave.budget-bytes-per-s: wave.budget-bytes-per-s = 2559: must be at least 2560 with spool.commit-window-ms = 250, "
      "because each commit makes a frame of up to 640 bytes at the coarsest resolution");
  CHECK(problems(sources({{"wave.budget-bytes-per-s", "60000"}, {"spool.commit-window-ms", "10"}})).find("at least 64000") !=
        std::string::npos);
  CHECK(problems(sources({{"wave.budget-bytes-per-s", "2600"}, {"labels", "run=" + std::string(100, 'x')}}))
            .find("at least 3004") != std::string::npos);
}

TEST_CASE("settings: a segment is small beside the budget") {
  CHECK(load_settings(sources({}))->settings.spool.segment_bytes == 0);
  CHECK(load_settings(sources({{"spool.segment-bytes", "8MiB"}}))->settings.spool.segment_bytes == 8 << 20);
  CHECK(load_settings(sources({{"spool.segment-bytes", "1MiB"}, {"spool.budget-bytes", "16MiB"}})).ok());
  CHECK(problems(sources({{"spool.segment-bytes", "2MiB"}, {"spool.budget-bytes", "16MiB"}})) ==
        "flag --spool.segment-bytes: spool.segment-bytes = 2097152: must be 0 or 262144 to 1048576, 1/16 of spool.budget-bytes");
  CHECK(problems(sources({{"spool.segment-bytes", "262143"}})).find("must be 0 or 262144") != std::string::npos);
  CHECK(problems(sources({{"spool.segment-bytes", "65MiB"}})).find("must be 0..67108864") != std::string::npos);
}

TEST_CASE("settings: what a device cannot be is told with where it was given") {
  CHECK(device_problem("source=joulescope,serial=1") ==
        "flag --device: serial is for source simulated or replay, but source is joulescope: say devices = [\"js220-001122\"]");
  CHECK(device_problem("devices=js220-*") == "flag --device: devices is for source joulescope, but source is simulated");
  CHECK(device_problem("source=joulescope,devices=JS220-1")
            .ends_with("must be device ids like js220-001122, or patterns like js220-* (a-z, 0-9, '-', '*')"));
  CHECK(device_problem("serial=ABC") == "flag --device: serial = \"ABC\": must be a-z, 0-9 and '-', at most 57");
  CHECK(device_problem("serial=") == "flag --device: serial = \"\": must be a text that is not empty");
  CHECK(device_problem("load=party") == "flag --device: load = \"party\": must be sleep-ble, cpu, constant or ranges");
  CHECK(device_problem("origin=tomorrow") ==
        "flag --device: origin = \"tomorrow\": must be a time like 2026-01-02T03:04:05.678Z (UTC) or @<seconds since 1970>");
  CHECK(device_problem("packed=gpi7") == "flag --device: packed = \"gpi7\": must be of range, gpi0, gpi1, gpi2, gpi3, trigger");
  CHECK(device_problem("source=replay") == "flag --device: source replay needs current-file");
  CHECK(device_problem("source=replay,current-file=a") == "flag --device: source replay needs either voltage-file or voltage-v");
  CHECK(device_problem("source=replay,current-file=a,voltage-v=1,voltage-file=b") ==
        "flag --device: source replay needs either voltage-file or voltage-v");
  CHECK(device_problem("source=replay,current-file=a,voltage-v=3.3").empty());
  CHECK(device_problem("source=replay,current-file=a,voltage-v=3.3,seed=1") ==
        "flag --device: seed is for source simulated, but source is replay");
  CHECK(device_problem("loop") == "flag --device: loop is for source replay, but source is simulated");
  CHECK(file_problems("[[device]]\nserial = \"1\"\n[[device]]\nserial = \"1\"\n") ==
        "F:3: device js220-1 is there already (F:1): set another serial");
  CHECK(file_problems("[[device]]\nsource = \"joulescope\"\ncurrent-range = \"off\"\n")
            .starts_with("F:3: current-range = \"off\": must be"));
  CHECK(file_problems("[device]\nserial = \"1\"\n") == "F:2: device must be tables of the form [[device]]");
}
