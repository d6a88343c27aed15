#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/agent/cli/cli_run.h"
#include "tests/support/device_spool.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using nlohmann::json;

namespace {

CliResult export_spool(const std::string& directory, std::vector<std::string> arguments, const Environment& environment = {}) {
  arguments.insert(arguments.begin(), {"spool", "export", "--spool", directory});
  return run_in_process(arguments, environment);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class T>
std::vector<T> values_of(const std::string& path) {
  const std::string bytes = text_of(path);
  REQUIRE(bytes.size() % sizeof(T) == 0);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

json json_of(const std::string& path) { return json::parse(text_of(path)); }

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Samples k, k + 1, ... as currents, at 2 V.
std::vector<float> ramp(size_t count, float first = 0) {
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k) values[k] = first + static_cast<float>(k);
  return values;
}

wire::Bytes ramp_frame(DeviceSpool& spool, uint64_t sample_id, size_t count, float first = 0) {
  return spool.factory().wave(sample_id, ramp(count, first), std::vector<float>(count, 2.0F));
}

constexpr const char* axis_name = "js220-1-stat-00000000000000a1";

}  // namespace

TEST_CASE("spool export: merged windows stand for the frames they replace, in the order of samples") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  const wire::Bytes first = spool.factory().flat_stat(0, 20000), second = spool.factory().flat_stat(20000, 40000);
  spool.add(first);
  spool.add(second);
  spool.add(spool.factory().flat_stat(40000, 44000));
  spool.add(spool.factory().merged(std::vector<wire::Bytes>{first, second}, 20000));
  const CliResult result = export_spool(directory / "s", {});
  CHECK(result.exit_code == 0);
  const auto rows = lines_of(result.out);
  REQUIRE(rows.size() == 5);  // two of 10 ms, two of 1 ms
  CHECK(rows[1].find(",js220-1,0,20000,10000,10000,") != std::string::npos);
  CHECK(rows[2].find(",js220-1,20000,40000,") != std::string::npos);
  CHECK(rows[3].find(",js220-1,40000,42000,") != std::string::npos);
  CHECK(result.err.find("2 frames were left out: others, with longer windows, stand for them") != std::string::npos);
  CHECK(result.err.find("2 rows are windows of 10.00 ms") != std::string::npos);
  CHECK(result.err.find("2 rows are windows of 1.000 ms") != std::string::npos);
  // 22000 samples of 1 A and 2 W at 1 MS/s.
  CHECK(result.err.find("4 rows for 22000 samples (0 missing): charge 22.00 mC, energy 44.00 mJ") != std::string::npos);
}

TEST_CASE("spool export: the sums it tells are those of the frames, for windows, samples and lower rates") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  int128 i_sum = 0, p_sum = 0;
  const auto add = [&](const wire::FrameHeader& header) {
    i_sum += header.i_sum;
    p_sum += header.p_sum;
  };
  add(spool.add(spool.factory().wave(0, std::vector<float>{0.1F, NAN, -1e-9F}, std::vector<float>{3.3F, 3.3F, 3.3F})));
  spool.factory().header.kept = wire::Resolution{200, 2000, 50'000, false};
  add(spool.add(ramp_frame(spool, 2000, 1500)));
  const auto report = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--json", "--output", directory / "x"});
    return json::parse(export_spool(directory / "s", arguments).out);
  };
  const json samples = report({"--what", "samples"});
  CHECK(samples.at("well") == true);
  const json& device = samples.at("devices").at(0);
  CHECK(device.at("rows") == 3 + 15);
  CHECK(device.at("samples") == 1503);
  CHECK(device.at("valid") == 1502);
  CHECK(device.at("charge_units") == to_decimal(i_sum));
  CHECK(device.at("energy_units") == to_decimal(p_sum));
  CHECK(device.at("rows_by_resolution").at("samples at 1.000 MS/s") == 3);
  CHECK(device.at("rows_by_resolution").at("samples at 10.00 kS/s (a lower rate was kept)") == 15);
  const json windows = report({"--lane", "wave", "--what", "windows"});
  CHECK(windows.at("devices").at(0).at("rows") == 2);
  CHECK(windows.at("devices").at(0).at("samples") == 1500);
}

TEST_CASE("spool export: frames with windows only are told, not passed over in silence") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.factory().header.kept = wire::Resolution{0, 2000, 50'000, false};
  spool.add(ramp_frame(spool, 0, 1000));
  const CliResult samples = export_spool(directory / "s", {"--what", "samples"});
  CHECK(samples.exit_code == 0);
  CHECK(lines_of(samples.out).size() == 1);
  CHECK(samples.err.find("1 frames (1.000 ms) keep windows only, no samples") != std::string::npos);
  CHECK(lines_of(export_spool(directory / "s", {"--what", "windows", "--lane", "wave"}).out).size() == 2);
}

TEST_CASE("spool export: filters by device, epoch, lane, range and labels") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.factory().header.labels = {{"run", "7"}, {"build", "a"}};
  const wire::FrameHeader header = spool.add(spool.factory().flat_stat(0, 20000));
  spool.factory().header.labels = {{"run", "8"}, {"build", "a"}};
  spool.add(spool.factory().flat_stat(20000, 40000));
  const auto rows = [&](const std::vector<std::string>& arguments) {
    const CliResult result = export_spool(directory / "s", arguments);
    REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return lines_of(result.out).size() - 1;
  };
  CHECK(rows({}) == 20);
  CHECK(rows({"--device", "js220-1", "--lane", "stat"}) == 20);
  CHECK(rows({"--label", "run=7"}) == 10);
  CHECK(rows({"--label", "run=7", "--label", "build=a"}) == 10);
  CHECK(rows({"--label", "run=7", "--label", "run=8"}) == 0);
  CHECK(rows({"--from", "4000", "--to", "24000"}) == 10);
  CHECK(rows({"--since", "5ms"}) == 5);
  CHECK(rows({"--from", "2026-01-01T00:00:00.018Z"}) == 2);
  char epoch[17];
  std::snprintf(epoch, sizeof epoch, "%016llx", static_cast<unsigned long long>(header.epoch));
  CHECK(rows({"--epoch", epoch}) == 20);
  CHECK(export_spool(directory / "s", {"--epoch", "1234"}).exit_code == 1);
  CHECK(export_spool(directory / "s", {"--device", "js220-2"}).exit_code == 1);
}

TEST_CASE("spool export: what contradicts itself is wrong usage") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 20000));
  const auto error = [&](const std::vector<std::string>& arguments) {
    const CliResult result = export_spool(directory / "s", arguments);
    CHECK_MESSAGE(result.exit_code == 2, result.err);
    return result.err;
  };
  CHECK(error({"--format", "raw"}).find("name it with --output") != std::string::npos);
  CHECK(error({"--format", "raw", "--what", "windows", "--output", directory / "x"}).find("holds samples") != std::string::npos);
  CHECK(error({"--lane", "event"}).find("see spool show") != std::string::npos);
  CHECK(error({"--lane", "stat", "--what", "samples"}).find("--lane wave") != std::string::npos);
  CHECK(error({"--json"}).find("--output") != std::string::npos);
  CHECK(error({"--label", "run"}).find("is not key=value") != std::string::npos);
  CHECK(error({"--format", "parquet"}).find("--format") != std::string::npos);
  CHECK(error({"--from", "9", "--to", "3"}).find("the range ends at") != std::string::npos);
}

TEST_CASE("spool export: a file gets its name when it is complete; what cannot be written leaves nothing behind") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 20000));
  std::ofstream(directory / "x.csv") << "older";
  CHECK(export_spool(directory / "s", {"--output", directory / "x.csv"}).exit_code == 0);
  CHECK(lines_of(text_of(directory / "x.csv")).size() == 11);
  CHECK(names_in(directory.path()) == std::vector<std::string>{"s", "x.csv"});

  const CliResult full = export_spool(directory / "s", {"--output", "/dev/full"});
  CHECK(full.exit_code == 3);
  CHECK(full.err.find("/dev/full: cannot be written to its end: No space left on device") != std::string::npos);
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(export_spool(directory / "s", {"--output", directory / "no/x.csv"}).exit_code == 3);
  CHECK(export_spool(directory / "s", {"--output", directory / "s"}).exit_code == 3);
  CHECK(export_spool(directory / "s", {"--format", "columns", "--output", directory / "no/x"}).exit_code == 3);

  const CliResult taken = export_spool(directory / "s", {"--format", "columns", "--output", directory / "s"});
  CHECK(taken.exit_code == 2);
  CHECK(taken.err.find("is not empty") != std::string::npos);
  CHECK(export_spool(directory / "s", {"--format", "columns", "--output", directory / "x.csv"}).exit_code == 2);
  std::filesystem::create_directory(directory / "x.partial");
  const CliResult broken_off = export_spool(directory / "s", {"--format", "columns", "--output", directory / "x/"});
  CHECK(broken_off.exit_code == 2);
  CHECK(broken_off.err.find("x.partial is in the way") != std::string::npos);
  CHECK(names_in(directory.path()) == std::vector<std::string>{"s", "x.csv", "x.partial"});
}

TEST_CASE("spool export: damaged frames are left out, counted, and are exit code 1") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  wire::Bytes bytes = spool.factory().flat_stat(0, 20000);
  const auto read = wire::read_frame(bytes);
  wire::FrameHeader header = std::get<wire::Frame>(read).header;
  header.p_sum += 1;
  spool.add(wire::write_frame(header, std::get<wire::Frame>(read).payload));
  wire::FrameHeader second = header;
  second.seq = 2;
  spool.add(wire::write_frame(second, wire::Bytes(5)));
  const CliResult result = export_spool(directory / "s", {"--quiet"});
  CHECK(result.exit_code == 1);
  CHECK(lines_of(result.out).size() == 11);
  CHECK(result.err.find("1 frames are damaged and were left out") != std::string::npos);
  CHECK(result.err.find("1 frames have other sums than their headers say") != std::string::npos);
}

TEST_CASE("spool export: columns of windows: exact sums, runs of labels and resolution, gaps, times") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.factory().header.labels = {{"run", "7"}};
  const wire::Bytes first = spool.factory().flat_stat(0, 20000);
  spool.add(first);
  spool.factory().header.labels = {{"run", "8"}};
  spool.add(spool.factory().flat_stat(30000, 40000));
  spool.factory().header.axis.life = 0xA2;
  spool.factory().header.utc.quality = wire::UtcQuality::unknown;
  spool.add(spool.factory().flat_stat(100, 4000));
  const CliResult result = export_spool(directory / "s", {"--format", "columns", "--output", directory / "x"});
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  CHECK(names_in(directory / "x") == std::vector<std::string>{axis_name, "js220-1-stat-00000000000000a2"});
  const std::string at = directory / ("x/" + std::string(axis_name));
  const json schema = json_of(at + "/schema.json");
  CHECK(schema.at("format") == "joulespool-columns");
  CHECK(schema.at("device").at("id") == "js220-1");
  CHECK(schema.at("tables").at("rows").at("rows") == 15);
  CHECK(schema.at("labels").at(1) == json::parse(R"([{"key":"run","value":"8"}])"));
  for (const auto& [name, table] : schema.at("tables").items())
    for (const json& column : table.at("columns")) {
      const size_t width = column.at("numpy").get<std::string>().back() == '4' ? 4 : 8;
      CHECK(std::filesystem::file_size(at + "/" + column.at("file").get<std::string>()) ==
            width * table.at("rows").get<size_t>());
    }
  CHECK(values_of<int64_t>(at + "/rows/sample_id.bin").at(10) == 30000);
  CHECK(values_of<int64_t>(at + "/rows/utc_ns.bin").at(10) == 1'767'225'600'015'000'000);
  CHECK(values_of<uint64_t>(at + "/rows/p_sum_low.bin").at(0) == 2000ULL << 31);
  CHECK(values_of<int64_t>(at + "/rows/p_sum_high.bin").at(0) == 0);
  CHECK(values_of<float>(at + "/rows/v_max.bin").at(14) == 2.0F);
  CHECK(values_of<double>(at + "/rows/i_mean.bin").at(14) == 1.0);
  CHECK(values_of<int64_t>(at + "/runs/row.bin") == std::vector<int64_t>{0, 10});
  CHECK(values_of<int32_t>(at + "/runs/labels.bin") == std::vector<int32_t>{0, 1});
  CHECK(values_of<int64_t>(at + "/runs/resolution.bin") == std::vector<int64_t>{2000, 2000});
  CHECK(values_of<int64_t>(at + "/gaps/row.bin") == std::vector<int64_t>{10});
  CHECK(values_of<int64_t>(at + "/gaps/sample_id.bin") == std::vector<int64_t>{20000});
  CHECK(values_of<int64_t>(at + "/gaps/sample_id_end.bin") == std::vector<int64_t>{30000});
  const std::string other = directory / "x/js220-1-stat-00000000000000a2";
  CHECK(values_of<int64_t>(other + "/rows/utc_ns.bin").at(0) == json_of(other + "/schema.json").at("utc_null").get<int64_t>());
}

TEST_CASE("spool export: columns of samples, also at a lower rate, which is no gap") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(ramp_frame(spool, 1000, 4));
  spool.factory().header.kept = wire::Resolution{200, 2000, 50'000, false};
  spool.add(ramp_frame(spool, 1008, 246));  // kept: 1200, 1400; ends at 1500
  spool.add(ramp_frame(spool, 1500, 100));  // 1600
  const CliResult result =
      export_spool(directory / "s", {"--format", "columns", "--what", "samples", "--output", directory / "x"});
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  const std::string at = directory / "x/js220-1-wave-00000000000000a1";
  CHECK(values_of<int64_t>(at + "/rows/sample_id.bin") == std::vector<int64_t>{1000, 1002, 1004, 1006, 1200, 1400, 1600});
  CHECK(values_of<float>(at + "/rows/i.bin") == std::vector<float>{0, 1, 2, 3, 96, 196, 50});
  CHECK(values_of<float>(at + "/rows/p.bin").at(3) == 6.0F);
  CHECK(values_of<int64_t>(at + "/runs/resolution.bin") == std::vector<int64_t>{2, 200});
  CHECK(values_of<int64_t>(at + "/gaps/row.bin").empty());
}

TEST_CASE("spool export: raw: short gaps are NaN and listed, a longer one and another rate begin a new part") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(ramp_frame(spool, 1000, 5));
  spool.factory().header.labels = {{"run", "8"}};
  spool.add(ramp_frame(spool, 1016, 2, 50));         // 3 samples are missing
  spool.add(ramp_frame(spool, 5'000'000, 3, 100));   // 2.5 s later
  spool.add(ramp_frame(spool, 5'000'007, 1, 1000));  // off the grid of the samples before
  spool.factory().header.kept = wire::Resolution{200, 2000, 50'000, false};
  spool.add(ramp_frame(spool, 5'000'009, 200));
  const CliResult result = export_spool(directory / "s", {"--format", "raw", "--output", directory / "x"});
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  const std::string name = directory / "x/js220-1-00000000000000a1-00000";
  const auto i = values_of<float>(name + "1.i.f32");
  REQUIRE(i.size() == 10);
  CHECK(i[4] == 4.0F);
  for (size_t k = 5; k < 8; ++k) CHECK(std::isnan(i[k]));
  CHECK(i[9] == 51.0F);
  CHECK(values_of<float>(name + "1.v.f32").at(9) == 2.0F);
  CHECK(values_of<float>(name + "1.p.f32").at(9) == 102.0F);
  const json side = json_of(name + "1.json");
  CHECK(side.at("samples") == 10);
  CHECK(side.at("sample_rate_hz") == 1e6);
  CHECK(side.at("sample_id_first") == 1000);
  CHECK(side.at("first").at("utc_ns") == 1'767'225'600'000'500'000);
  CHECK(side.at("last") == json::parse(R"({"index":9,"sample_id":1018,"utc_ns":1767225600000509000})"));
  CHECK(side.at("gaps") == json::parse(R"([{"index":5,"samples":3,"sample_id_first":1010,"sample_id_end":1016}])"));
  CHECK(side.at("labels").at(1).at("index") == 8);
  CHECK(side.at("files").at("i") == "js220-1-00000000000000a1-000001.i.f32");
  CHECK(values_of<float>(name + "2.i.f32") == std::vector<float>{100, 101, 102});
  CHECK(values_of<float>(name + "3.i.f32") == std::vector<float>{1000});
  CHECK(json_of(name + "4.json").at("sample_rate_hz") == 1e4);
  CHECK(names_in(directory / "x").size() == 16);
}

TEST_CASE("spool export: jls: source, signals, samples on the library's grid, times in its own units") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(ramp_frame(spool, 1000, 3));
  spool.add(ramp_frame(spool, 1008, 1, 9));
  const CliResult result =
      export_spool(directory / "s", {"--format", "jls", "--output", directory / "x", "--jls-library", JOULESPOOL_JLS_RECORDER});
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  const std::string name = directory / "x/js220-1-00000000000000a1-000001";
  const auto lines = lines_of(text_of(name + ".jls"));
  // 2026-01-01 is 252,460,800 s after 2018-01-01; 500 us and 504 us later, in 2^-30 s.
  const int64_t first = 252'460'800LL * (1LL << 30) + 536'870, last = 252'460'800LL * (1LL << 30) + 541'165;
  const std::vector<std::string> expected = {
      "source 1 js220-1 Jetperch js220 00000000000000a1 1",
      "signal 1 of 1 current A 1000000 Hz",
      "signal 2 of 1 voltage V 1000000 Hz",
      "signal 3 of 1 power W 1000000 Hz",
      "utc 1 500 " + std::to_string(first),
      "utc 2 500 " + std::to_string(first),
      "utc 3 500 " + std::to_string(first),
      "samples 1 500 0 1 2",
      "samples 2 500 2 2 2",
      "samples 3 500 0 2 4",
      "samples 1 503 nan",
      "samples 2 503 nan",
      "samples 3 503 nan",
      "samples 1 504 9",
      "samples 2 504 2",
      "samples 3 504 18",
      "utc 1 504 " + std::to_string(last),
      "utc 2 504 " + std::to_string(last),
      "utc 3 504 " + std::to_string(last),
      "end",
  };
  CHECK(lines == expected);
  CHECK(json_of(name + ".json").at("files") == json::parse(R"({"jls":"js220-1-00000000000000a1-000001.jls","libjls":"0.12.1"})"));
}

TEST_CASE("spool export: a libjls that is not there, is none or is too old is exit code 3, and says what to install") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(ramp_frame(spool, 1000, 3));
  const auto error = [&](const std::string& library) {
    const CliResult result = export_spool(directory / "s", {"--format", "jls", "--output", directory / "x"},
                                          {{"JOULESPOOL_JLS_LIBRARY", library}, {"JOULESPOOL_CONFIG", ""}});
    CHECK(result.exit_code == 3);
    CHECK(result.err.find("build libjls 0.7.0 or later as a shared library") != std::string::npos);
    CHECK(names_in(directory.path()) == std::vector<std::string>{"s"});
    return result.err;
  };
  CHECK(error("/nonexistent/libjls.so").find("/nonexistent/libjls.so: cannot open shared object file") != std::string::npos);
  CHECK(error("libsqlite3.so.0").find("has no function jls_wr_open") != std::string::npos);
  CHECK(error(JOULESPOOL_JLS_RECORDER_OLD).find("is libjls 0.6.2, which is too old") != std::string::npos);
}
