#include "agent/cli/live_view.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

using namespace joulespool;
using namespace joulespool::cli;

namespace {

DeviceReading streaming(double power_w = 0.04) {
  DeviceReading reading;
  reading.identity = {"js220-001122", "js220", "001122"};
  reading.state = "streaming";
  reading.sample_rate_hz = 1e6;
  reading.i = Spread{0.01234, 0.000001, 0.0558};
  reading.v = Spread{3.3, 3.29, 3.31};
  reading.p = Spread{power_w, power_w / 2, power_w * 2};
  reading.samples_lost = 12;
  reading.ring_fill = 0.02;
  return reading;
}

size_t characters(const std::string& text) {
  size_t count = 0;
  for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

bool contains(const std::vector<std::string>& lines, const std::string& part) {
  for (const std::string& line : lines)
    if (line.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("live view: a sparkline has its lowest block for the smallest value and its highest for the largest") {
  CHECK(sparkline({}).empty());
  const double rising[] = {0, 1, 2, 3, 4, 5, 6, 7};
  CHECK(sparkline(rising) == "▁▂▃▄▅▆▇█");
  const double negative[] = {-1e-9, 1e-9};
  CHECK(sparkline(negative) == "▁█");
  const double flat[] = {5, 5, 5};
  CHECK(sparkline(flat) == "▁▁▁");
  const double holes[] = {1, std::numeric_limits<double>::quiet_NaN(), 2, std::numeric_limits<double>::infinity()};
  CHECK(sparkline(holes) == "▁ █ ");
}

TEST_CASE("live view: a reading as a line, with SI prefixes, losses and the ring") {
  constexpr int64_t utc_ns = 1'800'000'000'000'000'000;
  CHECK(reading_line(streaming(), utc_ns) ==
        "2027-01-15T08:00:00.000Z js220-001122 i 12.34 mA (1.000 uA .. 55.80 mA) v 3.300 V (3.290 V .. 3.310 V) "
        "p 40.00 mW (20.00 mW .. 80.00 mW) lost 12 ring 2 %");
  DeviceReading lost = streaming();
  lost.state = "lost";
  lost.detail = "unplugged\x1b[2J";
  lost.i = lost.v = lost.p = std::nullopt;
  lost.ring_fill = std::nullopt;
  lost.samples_missing = 3;
  CHECK(reading_line(lost, utc_ns) ==
        "2027-01-15T08:00:00.000Z js220-001122 lost i - v - p - lost 12 missing 3 ring -: unplugged?[2J");
}

TEST_CASE("live view: the screen shows each device, extremes over the last readings and a curve") {
  LiveView view(250);
  CHECK(view.lines(80, 20) == std::vector<std::string>{"no device yet"});
  view.add({streaming(1), streaming(3)});
  DeviceReading other = streaming(2);
  other.identity.id = "js110-000456";
  other.state = "trouble";
  other.detail = "another program holds it";
  other.i = other.v = other.p = std::nullopt;
  view.add({other, streaming(2)});
  const auto lines = view.lines(80, 20);
  REQUIRE(lines.size() == 6 + 5);
  CHECK(lines[0].find("js110-000456  trouble") == 0);
  CHECK(lines[1] == "  another program holds it");
  CHECK(lines[4].find("-") != std::string::npos);
  CHECK(lines[6] == "js220-001122  streaming  1.000 MS/s  lost 12  ring 2 %");
  CHECK(lines[7].find("i  12.34 mA") != std::string::npos);
  CHECK(lines[9].find("p  2.000 W") != std::string::npos);
  CHECK(lines[9].find("min 500.0 mW") != std::string::npos);
  CHECK(lines[9].find("max 6.000 W") != std::string::npos);
  CHECK(lines[10] == "  ▁█▅ power; min and max: last 15 s");
}

TEST_CASE("live view: old readings leave the picture") {
  LiveView view(250);
  view.add({streaming(1000)});
  for (size_t at = 0; at < LiveView::readings_kept; ++at) view.add({streaming(1)});
  const auto lines = view.lines(200, 20);
  CHECK(contains(lines, "max 2.000 W"));
  CHECK(!contains(lines, "kW"));
  CHECK(characters(lines.back()) < LiveView::readings_kept + 40);
}

TEST_CASE("live view: nothing is wider or higher than the terminal") {
  LiveView view(250);
  for (size_t at = 0; at < 100; ++at) view.add({streaming(static_cast<double>(at))});
  for (const size_t columns : {1U, 5U, 30U, 80U})
    for (const std::string& line : view.lines(columns, 3)) CHECK(characters(line) <= columns);
  CHECK(view.lines(80, 3).size() == 3);
}

TEST_CASE("live view: drawing anew goes up over what was drawn and leaves nothing of it") {
  CHECK(redraw({"a", "b"}, 0) == "a\x1b[K\nb\x1b[K\n\x1b[J");
  CHECK(redraw({"c"}, 2) == "\x1b[2A\rc\x1b[K\n\x1b[J");
}

TEST_CASE("live reading: of an agent's status, also of one that says less") {
  const auto status = nlohmann::json::parse(R"({"version":1,"devices":[
    {"id":"js220-001122","source":"joulescope","state":"streaming","detail":"","firmware":"1.3.0","sample_rate_hz":1000000.0,
     "samples_lost":5,"ring_fill":0.25,"power_w":0.1,
     "live":{"duration_s":0.25,"samples":250000,"valid":249990,"i":{"mean":0.01,"min":-0.001,"max":0.05},"v":null,
             "p":{"mean":0.03,"min":0.0,"max":0.1}}},
    {"id":"js320-x2vj","source":"joulescope","state":"waiting","detail":"no permission","live":null},
    {"id":"js110-1","state":"streaming","power_w":0.5},
    {"id":"plain","source":"absent","state":"waiting"}]})");
  const auto readings = readings_of(status);
  REQUIRE(readings.ok());
  REQUIRE(readings->size() == 4);
  const DeviceReading& full = readings->at(0);
  CHECK(full.identity == wire::DeviceIdentity{"js220-001122", "js220", "001122"});
  CHECK(full.firmware == "1.3.0");
  REQUIRE(full.i.has_value());
  CHECK(full.i->min == -0.001);
  CHECK(!full.v.has_value());
  CHECK(full.p->max == 0.1);
  CHECK(full.samples_missing == 10);
  CHECK(full.ring_fill == 0.25);
  CHECK(readings->at(1).detail == "no permission");
  CHECK(!readings->at(1).p.has_value());
  CHECK(readings->at(2).p->average == 0.5);
  CHECK(readings->at(3).identity.serial.empty());
  CHECK(readings->at(3).is_absent());

  const auto object = to_json(full, 1'800'000'000'000'000'000);
  CHECK(object.at("version") == 1);
  CHECK(object.at("device") == "js220-001122");
  CHECK(object.at("i").at("mean") == 0.01);
  CHECK(object.at("v").is_null());
}

TEST_CASE("live reading: what is no status is damaged") {
  for (const char* wrong : {"null", "{}", "{\"version\":2,\"devices\":[]}", "{\"version\":1}", "{\"version\":1,\"devices\":[{}]}",
                            "{\"version\":1,\"devices\":[{\"id\":\"a\",\"state\":7}]}"}) {
    const auto readings = readings_of(nlohmann::json::parse(wrong));
    REQUIRE(!readings.ok());
    CHECK(readings.error().code == Errc::damaged);
  }
}
