#include "agent/cli/event_text.h"

#include <nlohmann/json.hpp>

#include "agent/base/units.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

using Json = nlohmann::ordered_json;

Json utc_json(int64_t utc_ns) { return utc_ns == 0 ? Json() : Json(format_utc(utc_ns, 9)); }

Json to_json(const wire::UtcMap& map) {
  return {{"sample_id", map.sample_id}, {"utc", utc_json(map.utc_ns)}, {"counter_rate_hz", map.counter_rate_hz},
          {"quality", static_cast<int>(map.quality)}};
}

Json to_json(const std::monostate&) { return {{"kind", "unknown"}}; }

Json to_json(const wire::Gap& gap) {
  Json json = {{"kind", "gap"},
               {"reason", to_string(gap.reason)},
               {"axis", hex_id(gap.axis)},
               {"sample_id_first", gap.sample_id_first},
               {"sample_id_end", gap.sample_id_end},
               {"open_ended", gap.open_ended},
               {"samples_lost", gap.samples_lost},
               {"utc_first", utc_json(gap.utc_first_ns)},
               {"utc_end", utc_json(gap.utc_end_ns)}};
  if (gap.lane) json["lane"] = to_string(*gap.lane);
  if (gap.frames) json["frames"] = std::to_string(gap.frames->first) + ".." + std::to_string(gap.frames->last);
  if (!gap.detail.empty()) json["detail"] = gap.detail;
  return json;
}

Json to_json(const wire::Started& started) {
  Json json = {{"kind", "started"},
               {"version", started.version},
               {"boot", started.boot},
               {"axis", hex_id(started.axis)},
               {"sample_id", started.sample_id},
               {"source", started.source},
               {"window_ticks", started.window_ticks}};
  json["lanes"] = Json::array();
  for (const wire::LaneStart& lane : started.lanes)
    json["lanes"].push_back({{"lane", to_string(lane.lane)}, {"next_seq", lane.next_seq}, {"uploaded", lane.uploaded}});
  return json;
}

Json to_json(const wire::Stopped& stopped) {
  return {{"kind", "stopped"},
          {"reason", stopped.reason},
          {"sample_id_end", stopped.sample_id_end},
          {"samples", stopped.totals.samples},
          {"valid", stopped.totals.valid},
          {"charge_units", to_decimal(stopped.totals.i_sum)},
          {"energy_units", to_decimal(stopped.totals.p_sum)},
          {"samples_lost", stopped.totals.samples_lost}};
}

Json to_json(const wire::ClockCorrected& corrected) {
  return {{"kind", "clock_corrected"}, {"before", to_json(corrected.before)}, {"after", to_json(corrected.after)}};
}

Json to_json(const wire::DeviceNote& note) {
  return {{"kind", "device_note"}, {"note", note.kind}, {"detail", note.detail}, {"sample_id", note.sample_id}};
}

Json ordered(const wire::Event& event) {
  return std::visit([](const auto& kind) { return to_json(kind); }, event);
}

}  // namespace

nlohmann::json event_json(const wire::Event& event) { return ordered(event); }

std::string event_text(const wire::Event& event) {
  const Json json = ordered(event);
  std::string text = json.at("kind").get<std::string>();
  for (const auto& [key, value] : json.items()) {
    if (key == "kind" || value.is_null()) continue;
    const bool is_text = value.is_string();
    text += " " + key + "=" +
            printable(is_text ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return text;
}

}  // namespace joulespool::cli
