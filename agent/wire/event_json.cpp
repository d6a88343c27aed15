#include "agent/wire/event_json.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/units.h"

namespace joulespool::wire {
namespace {

using Json = nlohmann::ordered_json;

std::string hex_id(uint64_t id) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(id));
  return text.data();
}

std::string seqs_text(SeqRange seqs) { return std::to_string(seqs.first) + ".." + std::to_string(seqs.last); }

Json utc_json(int64_t utc_ns) { return utc_ns == 0 ? Json() : Json(format_utc(utc_ns, 9)); }

Json to_json(const UtcMap& map) {
  return {{"sample_id", map.sample_id},
          {"utc", utc_json(map.utc_ns)},
          {"counter_rate_hz", map.counter_rate_hz},
          {"quality", static_cast<int>(map.quality)}};
}

Json to_json(const std::monostate&) { return {{"kind", "unknown"}}; }

Json to_json(const Gap& gap) {
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
  if (gap.frames) json["frames"] = seqs_text(*gap.frames);
  if (gap.epoch != 0) json["epoch"] = hex_id(gap.epoch);
  for (const ReplacedFrames& frames : gap.replaced)
    json["replaced"].push_back({{"epoch", hex_id(frames.epoch)}, {"frames", seqs_text(frames.seqs)}});
  if (!gap.detail.empty()) json["detail"] = gap.detail;
  return json;
}

Json to_json(const Started& started) {
  Json json = {{"kind", "started"},
               {"version", started.version},
               {"boot", started.boot},
               {"axis", hex_id(started.axis)},
               {"sample_id", started.sample_id},
               {"source", started.source},
               {"window_ticks", started.window_ticks}};
  json["lanes"] = Json::array();
  for (const LaneStart& lane : started.lanes)
    json["lanes"].push_back({{"lane", to_string(lane.lane)}, {"next_seq", lane.next_seq}, {"uploaded", lane.uploaded}});
  return json;
}

Json to_json(const Stopped& stopped) {
  return {{"kind", "stopped"},
          {"reason", stopped.reason},
          {"sample_id_end", stopped.sample_id_end},
          {"samples", stopped.totals.samples},
          {"valid", stopped.totals.valid},
          {"charge_units", to_decimal(stopped.totals.i_sum)},
          {"energy_units", to_decimal(stopped.totals.p_sum)},
          {"samples_lost", stopped.totals.samples_lost}};
}

Json to_json(const ClockCorrected& corrected) {
  return {{"kind", "clock_corrected"}, {"before", to_json(corrected.before)}, {"after", to_json(corrected.after)}};
}

Json to_json(const DeviceNote& note) {
  return {{"kind", "device_note"}, {"note", note.kind}, {"detail", note.detail}, {"sample_id", note.sample_id}};
}

}  // namespace

Json event_json(const Event& event) {
  return std::visit([](const auto& kind) { return to_json(kind); }, event);
}

std::string event_message(const std::string& device, const Event& event) {
  const Json message = {{"version", 1}, {"device", device}, {"event", event_json(event)}};
  return message.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace joulespool::wire
