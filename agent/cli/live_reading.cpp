#include "agent/cli/live_reading.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/command_line.h"
#include "agent/base/units.h"

namespace joulespool::cli {
namespace {

using nlohmann::json;

// "js220-001122" -> model and serial, where an agent does not say them.
wire::DeviceIdentity identity_of(const json& device) {
  const auto id = device.at("id").get<std::string>();
  const size_t dash = std::min(id.find('-'), id.size());
  return {id, device.value("model", id.substr(0, dash)), device.value("serial", id.substr(std::min(dash + 1, id.size())))};
}

std::optional<double> number_of(const json& object, const std::string& key) {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_number()) return std::nullopt;
  return object.at(key).get<double>();
}

// {mean, min, max}.
std::optional<Spread> spread_of(const json& live, const char* signal) {
  if (!live.is_object() || !live.contains(signal)) return std::nullopt;
  const auto average = number_of(live.at(signal), "mean");
  if (!average) return std::nullopt;
  return Spread{*average, number_of(live.at(signal), "min").value_or(*average),
                number_of(live.at(signal), "max").value_or(*average)};
}

DeviceReading reading_of(const json& device) {
  DeviceReading reading;
  reading.identity = identity_of(device);
  reading.source = device.value("source", "");
  reading.state = device.at("state").get<std::string>();
  reading.detail = device.value("detail", "");
  reading.firmware = device.value("firmware", "");
  reading.sample_rate_hz = number_of(device, "sample_rate_hz").value_or(0);
  reading.samples_lost = device.value("samples_lost", uint64_t{0});
  reading.ring_fill = number_of(device, "ring_fill");
  const json live = device.value("live", json());
  reading.i = spread_of(live, "i");
  reading.v = spread_of(live, "v");
  reading.p = spread_of(live, "p");
  if (live.is_object()) reading.samples_missing = live.value("samples", uint64_t{0}) - live.value("valid", uint64_t{0});
  if (const auto power_w = number_of(device, "power_w"); !reading.p && power_w && reading.state == "streaming")
    reading.p = Spread{*power_w, *power_w, *power_w};
  return reading;
}

json spread_json(const std::optional<Spread>& spread) {
  return spread ? json{{"mean", spread->average}, {"min", spread->min}, {"max", spread->max}} : json();
}

}  // namespace

Result<std::vector<DeviceReading>> readings_of(const json& status) {
  if (!status.is_object() || status.value("version", json()) != 1)
    return Error{Errc::damaged, "the agent's answer is no status of version 1; is it of another version?"};
  std::vector<DeviceReading> readings;
  try {
    for (const json& device : status.at("devices")) readings.push_back(reading_of(device));
  } catch (const json::exception& failure) {
    return Error{Errc::damaged, std::string("the agent's answer: ") + failure.what()};
  }
  return readings;
}

json to_json(const DeviceReading& reading, int64_t utc_ns) {
  return {{"version", json_version},
          {"utc", format_utc(utc_ns, 6)},
          {"device", reading.identity.id},
          {"state", reading.state},
          {"detail", reading.detail},
          {"sample_rate_hz", reading.sample_rate_hz},
          {"i", spread_json(reading.i)},
          {"v", spread_json(reading.v)},
          {"p", spread_json(reading.p)},
          {"samples_missing", reading.samples_missing},
          {"samples_lost", reading.samples_lost},
          {"ring_fill", reading.ring_fill ? json(*reading.ring_fill) : json()}};
}

}  // namespace joulespool::cli
