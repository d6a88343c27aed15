#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/agent/cli/cli_run.h"
#include "tests/support/device_spool.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using nlohmann::json;

namespace {

CliResult plot_spool(const std::string& directory, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"spool", "plot", "--spool", directory});
  return run_in_process(arguments);
}

json plot_json(const std::string& directory, std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const CliResult result = plot_spool(directory, arguments);
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  return json::parse(result.out);
}

size_t columns_with(const json& plot, const char* signal) {
  size_t count = 0;
  for (const json& column : plot.at("columns")) count += column.at(signal).is_null() ? 0U : 1U;
  return count;
}

std::vector<float> wave_form(size_t count) {
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k) values[k] = std::sin(static_cast<float>(k) * 0.01F) + (k == count / 3 ? 5.0F : 0.0F);
  return values;
}

}  // namespace

TEST_CASE("spool plot: the columns are the lowest and highest of the samples in their time") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  const std::vector<float> i = wave_form(5000), v(5000, 2.0F);
  spool.add(spool.factory().wave(0, std::span(i).first(3000), std::span(v).first(3000)));
  spool.add(spool.factory().wave(6000, std::span(i).subspan(3000), std::span(v).subspan(3000)));
  const json plot = plot_json(directory / "s", {"--size", "64x24"});
  const json& columns = plot.at("columns");
  REQUIRE(columns.size() == 100);  // 50 samples of 1 us each
  CHECK(plot.at("end_ns").get<int64_t>() - plot.at("first_ns").get<int64_t>() == 5'000'000);
  for (size_t column = 0; column < 100; ++column) {
    const auto [low, high] =
        std::minmax_element(i.begin() + static_cast<int64_t>(column) * 50, i.begin() + static_cast<int64_t>(column + 1) * 50);
    CHECK(columns[column].at("i") == json({*low, *high}));
    CHECK(columns[column].at("v") == json({2.0F, 2.0F}));
  }
  CHECK(plot.at("footer") == "5000 rows: samples at 1.000 MS/s");
}

TEST_CASE("spool plot: windows where there are enough of them, samples where one looks closer; --what decides itself") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 1'000'000));  // 500 windows
  spool.add(spool.factory().flat_wave(0, 500'000));
  CHECK(plot_json(directory / "s", {}).at("footer") == "500 rows: windows of 1.000 ms");
  CHECK(plot_json(directory / "s", {"--to", "20000"}).at("footer") == "10000 rows: samples at 1.000 MS/s");
  CHECK(plot_json(directory / "s", {"--to", "20000", "--what", "windows"}).at("footer") == "10 rows: windows of 1.000 ms");
  CHECK(plot_json(directory / "s", {"--what", "samples"}).at("footer") == "500000 rows: samples at 1.000 MS/s");
}

TEST_CASE("spool plot: a range that begins where a frame ends is drawn from its beginning") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  for (uint64_t first = 0; first < 1'000'000; first += 100'000) spool.add(spool.factory().flat_stat(first, first + 100'000));
  const json plot = plot_json(directory / "s", {"--since", "250ms", "--what", "windows"});
  CHECK(plot.at("end_ns").get<int64_t>() - plot.at("first_ns").get<int64_t>() == 250'000'000);
  CHECK(columns_with(plot, "i") == plot.at("columns").size());
}

TEST_CASE("spool plot: gaps and missing samples stay empty, and are told") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.factory().header.labels = {{"run", "7"}};
  spool.add(spool.factory().flat_stat(0, 200'000));
  spool.add(spool.factory().flat_stat(800'000, 1'000'000));
  const json plot = plot_json(directory / "s", {"--size", "64x24"});
  CHECK(columns_with(plot, "i") == 40);
  CHECK(plot.at("columns")[19].at("p") == json({2.0F, 2.0F}));
  CHECK(plot.at("columns")[20].at("p").is_null());
  CHECK(plot.at("footer").get<std::string>().find("; 1 gaps, 300.0 ms in all") != std::string::npos);
  CHECK(plot.at("title") == "js220-1  2026-01-01T00:00:00.000Z .. 2026-01-01T00:00:00.500Z (500.0 ms)  run=7");

  const std::vector<float> i(100, NAN), v(100, 2.0F);
  spool.add(spool.factory().wave(0, i, v));
  const json missing = plot_json(directory / "s", {"--what", "samples"});
  CHECK(columns_with(missing, "i") == 0);
  CHECK(columns_with(missing, "v") == missing.at("columns").size());
}

TEST_CASE("spool plot: one sample, frames with windows only, merged windows, and an axis without UTC") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.factory().header.utc.quality = wire::UtcQuality::unknown;
  spool.add(spool.factory().flat_wave(4'000'000, 1));
  const json one = plot_json(directory / "s", {});
  CHECK(columns_with(one, "i") == one.at("columns").size());
  CHECK(one.at("title") == "js220-1  2.000 s .. 2.000 s (1.000 us)");
  spool.factory().header.kept = wire::Resolution{0, 2000, 50'000, false};
  spool.add(spool.factory().flat_wave(4'000'002, 999));
  CHECK(plot_json(directory / "s", {}).at("footer") == "2 rows: samples at 1.000 MS/s, windows of 999.0 us");
  spool.factory().header.kept.reset();
  const wire::Bytes first = spool.factory().flat_stat(4'000'000, 4'020'000);
  spool.add(first);
  spool.add(spool.factory().merged(std::vector<wire::Bytes>{first}, 20000));
  CHECK(plot_json(directory / "s", {"--what", "windows"}).at("footer") == "1 rows: windows of 10.00 ms");
}

TEST_CASE("spool plot: as text without a terminal, 80 x 24 or as asked, with a logarithmic current") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 2'000'000));
  const CliResult text = plot_spool(directory / "s", {});
  CHECK(text.exit_code == 0);
  CHECK(text.err.empty());
  CHECK(std::count(text.out.begin(), text.out.end(), '\n') <= 24);
  CHECK(text.out.find("1.050 A │") != std::string::npos);
  CHECK(text.out.find("⠤⠤⠤") + text.out.find("⠒⠒⠒") + text.out.find("⣀⣀") + text.out.find("⠉⠉") != 4 * std::string::npos);
  const CliResult logarithmic = plot_spool(directory / "s", {"--log", "--size", "120x40"});
  CHECK(logarithmic.out.find("\nlog ") != std::string::npos);
  CHECK(std::count(logarithmic.out.begin(), logarithmic.out.end(), '\n') > 30);
}

TEST_CASE("spool plot: what cannot be drawn is said, with the right exit code") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 20000));
  const auto error = [&](int exit_code, const std::vector<std::string>& arguments) {
    const CliResult result = plot_spool(directory / "s", arguments);
    CHECK_MESSAGE(result.exit_code == exit_code, result.err);
    return result.err;
  };
  CHECK(error(1, {"--from", "900000"}).find("js220-1 has no windows in that range") != std::string::npos);
  CHECK(error(1, {"--what", "samples"}).find("has no samples in that range") != std::string::npos);
  CHECK(error(2, {"--size", "80"}).find("'80' is not a size between 30x12 and 1000x1000") != std::string::npos);
  CHECK(error(2, {"--size", "5x5"}).find("--size") != std::string::npos);
  CHECK(error(2, {"--size", "10x10", "--png", directory / "x.png"}).find("400x200") != std::string::npos);
  CHECK(error(2, {"--from", "tomorrow"}).find("--from") != std::string::npos);
  CHECK(error(3, {"--png", directory / "no/x.png"}).find("cannot be written") != std::string::npos);
  CHECK(error(3, {"--png", "/dev/full"}).find("No space left") != std::string::npos);

  wire::FrameHeader& header = spool.factory().header;
  header.device = {"js220-2", "js220", "2"};
  spool.factory().next_seq(wire::Lane::stat) = 1;
  spool.add(spool.factory().flat_stat(0, 20000));
  CHECK(error(2, {}).find("choose with --device among js220-1, js220-2") != std::string::npos);
  CHECK(plot_spool(directory / "s", {"--device", "js220-2"}).exit_code == 0);
}

TEST_CASE("spool plot: several axes share a time if they have UTC, and must be told apart if not") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  spool.add(spool.factory().flat_stat(0, 20000));
  spool.factory().header.axis.life = 0xA2;
  spool.factory().header.utc.utc_ns += 30'000'000;
  spool.add(spool.factory().flat_stat(0, 20000));
  const json both = plot_json(directory / "s", {"--size", "64x24"});
  CHECK(columns_with(both, "i") == 50);
  CHECK(both.at("footer").get<std::string>().find("1 gaps, 20.00 ms") != std::string::npos);
  spool.factory().header.axis.life = 0xA3;
  spool.factory().header.utc.quality = wire::UtcQuality::unknown;
  spool.add(spool.factory().flat_stat(0, 20000));
  const CliResult mixed = plot_spool(directory / "s", {});
  CHECK(mixed.exit_code == 2);
  CHECK(mixed.err.find("several axes and no time that they share") != std::string::npos);
}
