#include "agent/codec/csv.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>
#include <vector>

using namespace joulespool;
using namespace joulespool::codec;

namespace {

wire::FrameHeader header() {
  wire::FrameHeader made;
  made.device.id = "js220-1";
  made.utc = {0, 1767225600000000000, 2e6, wire::UtcQuality::host};
  return made;
}

std::vector<std::string> cells(const std::string& row) {
  std::istringstream stream(row.substr(0, row.find('\n')));
  std::vector<std::string> parts;
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

TEST_CASE("csv: a sample's floats read back bit for bit") {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isnan(value)) continue;
    std::string row;
    append_sample_row(row, header(), 5, value, 1.0F, -value);
    const auto parts = cells(row);
    REQUIRE(parts.size() == 6);
    CHECK(std::bit_cast<uint32_t>(std::strtof(parts[3].c_str(), nullptr)) == std::bit_cast<uint32_t>(value));
    CHECK(std::bit_cast<uint32_t>(std::strtof(parts[5].c_str(), nullptr)) == std::bit_cast<uint32_t>(-value));
  }
}

TEST_CASE("csv: every row has as many cells as its header, and ends its line") {
  wire::Window window;
  std::string row;
  append_window_row(row, header(), window);
  CHECK(std::count(row.begin(), row.end(), ',') == std::count(window_csv_header().begin(), window_csv_header().end(), ','));
  CHECK(row.back() == '\n');
  row.clear();
  append_sample_row(row, header(), 0, 1, 2, 3);
  CHECK(std::count(row.begin(), row.end(), ',') == std::count(sample_csv_header().begin(), sample_csv_header().end(), ','));
}

TEST_CASE("csv: sums are exact, means of no valid sample are empty, NaN has no sign") {
  wire::Window window;
  window.count = 2;
  std::string row;
  append_window_row(row, header(), window);
  CHECK(cells(row)[6].empty());
  window.valid = 2;
  window.i_sum = -(static_cast<int128>(1) << 100);
  row.clear();
  append_window_row(row, header(), window);
  CHECK(cells(row)[15] == "-1267650600228229401496703205376");
  row.clear();
  append_sample_row(row, header(), 0, -std::nanf(""), std::nanf("1"), 0);
  CHECK(row == "2026-01-01T00:00:00.000000000Z,js220-1,0,nan,nan,0\n");
}

TEST_CASE("csv: without a time map the time is empty") {
  wire::FrameHeader unknown = header();
  unknown.utc.quality = wire::UtcQuality::unknown;
  std::string row;
  append_sample_row(row, unknown, 7, 1, 2, 2);
  CHECK(row == ",js220-1,7,1,2,2\n");
}
