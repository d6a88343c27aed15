#include "agent/app/agent_status.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/signal/window_accumulator.h"

namespace {

using namespace joulespool;
using nlohmann::json;

app::DeviceStatus some_device() {
  app::DeviceStatus device;
  device.device = {"js220-001122", "js220", "001122"};
  device.source = "joulescope";
  device.state = "streaming";
  device.firmware = "1.3.0";
  device.axis = {7, 2'000'000, 2};
  const std::vector<float> i = {0.25F, 0.75F, 0.5F, 0.5F}, v(4, 2.0F), p = {0.5F, 1.5F, 1.0F, 1.0F};
  device.live = signal::summarise({1000, 2, i, v, p});
  device.gaps[wire::GapReason::usb_drop] = {2, 252};
  device.clock = {wire::UtcQuality::instrument, 3, -6'000'000};
  device.cross_check.compared = 10;
  device.cross_check.charge_largest = 0.0005;
  return device;
}

json status_of(const app::DeviceStatus& device) {
  ManualClock clock;
  const app::SampleRing ring({{device.device.id, 1000}});
  app::WriterStatus writer;
  writer.devices.push_back(device);
  return json::parse(app::status_json({"lab-7", "b1", 0, "/spool", 1000}, writer, ring, {}, {}, clock));
}

}  // namespace

TEST_CASE("agent status: a device's live reading, losses, clock and cross-check are there, and the version is still 1") {
  const json status = status_of(some_device());
  CHECK(status.at("version") == 1);
  const json& device = status.at("devices").at(0);
  CHECK(device.at("firmware") == "1.3.0");
  CHECK(device.at("detail") == "");
  CHECK(device.at("live").at("i") == json{{"mean", 0.5}, {"min", 0.25}, {"max", 0.75}});
  CHECK(device.at("live").at("v").at("mean") == 2.0);
  CHECK(device.at("live").at("p").at("max") == 1.5);
  CHECK(device.at("live").at("duration_s") == 4e-6);
  CHECK(device.at("live").at("samples") == 4);
  CHECK(device.at("gaps") == json{{"usb_drop", {{"records", 2}, {"samples", 252}}}});
  CHECK(device.at("clock") == json{{"quality", "instrument"}, {"corrections", 3}, {"last_correction_ns", -6'000'000}});
  CHECK(device.at("cross_check").at("compared") == 10);
  CHECK(device.at("cross_check").at("charge_largest") == 0.0005);
}

TEST_CASE("agent status: the background check says what it has done") {
  ManualClock clock;
  const app::SampleRing ring({});
  app::ScrubStatus scrub{true, 2, clock.realtime_ns() - 90 * ns_per_s, 40, 4000, 1, ""};
  const auto check_of = [&] {
    return json::parse(app::status_json({"lab-7", "b1", 0, "/spool", 1000}, {}, ring, {}, scrub, clock)).at("spool").at("check");
  };
  CHECK(check_of() == json{{"enabled", true},
                           {"rounds", 2},
                           {"last_finished_age_s", 90.0},
                           {"frames_checked", 40},
                           {"bytes_checked", 4000},
                           {"damaged_found", 1},
                           {"error", ""}});
  scrub.last_finished_utc_ns = 0;
  CHECK(check_of().at("last_finished_age_s").is_null());
}

TEST_CASE("agent status: a device that does not stream has no live reading, but says why") {
  app::DeviceStatus device = some_device();
  device.state = "trouble";
  device.detail = "another program holds it: close it";
  const json shown = status_of(device).at("devices").at(0);
  CHECK(shown.at("live").is_null());
  CHECK(shown.at("detail") == "another program holds it: close it");
  CHECK(status_of({}).at("devices").at(0).at("live").is_null());
}

TEST_CASE("agent status: samples without numbers are a reading without values") {
  app::DeviceStatus device = some_device();
  const std::vector<float> nothing(5, std::numeric_limits<float>::quiet_NaN());
  device.live = signal::summarise({0, 2, nothing, nothing, nothing});
  const json live = status_of(device).at("devices").at(0).at("live");
  CHECK(live.at("samples") == 5);
  CHECK(live.at("valid") == 0);
  CHECK(live.at("i").is_null());
}
