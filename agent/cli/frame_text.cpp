#include "agent/cli/frame_text.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/payload_outline.h"
#include "agent/cli/text_output.h"
#include "agent/wire/event_json.h"

namespace joulespool::cli {
namespace {

// "gap reason=evicted lane=wave frames=17..18 ..."
std::string event_text(const wire::Event& event) {
  const nlohmann::ordered_json json = wire::event_json(event);
  std::string text = json.at("kind").get<std::string>();
  for (const auto& [key, value] : json.items()) {
    if (key == "kind" || value.is_null()) continue;
    const bool is_text = value.is_string();
    text += " " + key + "=" +
            printable(is_text ? value.get<std::string>() : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return text;
}

std::string_view to_string(spool::FrameState state) { return state == spool::FrameState::kept ? "kept" : "queued"; }

std::string utc_at(const wire::FrameHeader& header, uint64_t sample_id) {
  return header.utc.quality == wire::UtcQuality::unknown ? "-" : format_utc(header.utc.utc_ns_at(sample_id), 9);
}

void print_sections(const wire::Frame& frame, std::ostream& out) {
  const auto rows = outline_payload(frame);
  if (!rows) {
    out << "payload: " << printable(rows.error().message) << '\n';
    return;
  }
  TextTable table({"section", "coding", "bits", "elements", "offset", "stride", "bytes", "bits/element"});
  for (const OutlineRow& row : *rows) {
    const double bits = row.elements == 0 ? 0 : 8.0 * static_cast<double>(row.bytes) / static_cast<double>(row.elements);
    table.add({row.section, row.coding, std::to_string(row.bits), std::to_string(row.elements), std::to_string(row.offset),
               std::to_string(row.stride), std::to_string(row.bytes), std::to_string(bits)});
  }
  table.print(out);
}

// "all samples", "100.0 kS/s: a sample every 20 ticks, windows of 2000 ticks; within 50000 bytes/s".
std::string kept_text(const wire::FrameHeader& header) {
  if (!header.kept) return "all samples";
  const wire::Resolution& kept = *header.kept;
  std::string text = header.keeps_all() ? "all samples" : kept.decimation == 0 ? "no waveform" : "";
  if (text.empty())
    text = format_si(static_cast<double>(header.axis.counter_rate_hz) / kept.decimation, "S/s") + ": a sample every " +
           std::to_string(kept.decimation) + " ticks";
  if (kept.window_ticks > 0) text += ", windows of " + std::to_string(kept.window_ticks) + " ticks";
  if (kept.without_packed) text += ", no packed signals";
  if (kept.budget_bytes_per_s > 0) text += "; within " + std::to_string(kept.budget_bytes_per_s) + " bytes/s";
  return text;
}

nlohmann::json kept_json(const wire::FrameHeader& header) {
  if (!header.kept) return nullptr;
  return {{"decimation", header.kept->decimation},
          {"window_ticks", header.kept->window_ticks},
          {"budget_bytes_per_s", header.kept->budget_bytes_per_s},
          {"without_packed", header.kept->without_packed}};
}

// The epoch is named where it is not the frame's own: "seq 17..26, seq 1..9 of epoch 00000000000000e1".
std::string replaces_text(const wire::FrameHeader& header) {
  std::string text;
  for (const wire::ReplacedFrames& frames : header.replaces) {
    text += (text.empty() ? "seq " : ", seq ") + std::to_string(frames.seqs.first) + ".." + std::to_string(frames.seqs.last);
    if (frames.epoch != header.epoch) text += " of epoch " + hex_id(frames.epoch);
  }
  return text;
}

nlohmann::json replaces_json(const wire::FrameHeader& header) {
  nlohmann::json json = nlohmann::json::array();
  for (const wire::ReplacedFrames& frames : header.replaces)
    json.push_back({{"epoch", hex_id(frames.epoch)}, {"seq_first", frames.seqs.first}, {"seq_last", frames.seqs.last}});
  return json;
}

}  // namespace

void print_header(const wire::FrameHeader& header, const spool::FrameInfo& info, std::ostream& out) {
  const double rate_hz = header.axis.sample_rate_hz();
  TextTable table({"frame", header.device.id + " " + std::string(to_string(header.lane)) + " seq " + std::to_string(header.seq)});
  table.add({"host", header.host});
  table.add(
      {"device", header.device.id + ", model " + printable(header.device.model) + ", serial " + printable(header.device.serial)});
  table.add({"epoch", hex_id(header.epoch)});
  table.add({"state", std::string(to_string(info.state)) + ", " + std::to_string(info.size_bytes) + " bytes, codec " +
                          std::to_string(header.codec)});
  table.add({"axis", hex_id(header.axis.life) + ", " + std::to_string(header.axis.counter_rate_hz) + " ticks/s, a sample every " +
                         std::to_string(header.axis.decimation)});
  table.add({"sample_id", std::to_string(header.sample_id_first) + ".." + std::to_string(header.sample_id_end)});
  table.add({"time", utc_at(header, header.sample_id_first) + " .. " + utc_at(header, header.sample_id_end) + " (" +
                         std::string(wire::to_string(header.utc.quality)) + ")"});
  table.add({"made", utc_text(header.host_realtime_ns)});
  table.add({"labels", header.labels.empty() ? "none" : labels_text(header.labels)});
  table.add({"samples", std::to_string(header.samples) + ", of these valid " + std::to_string(header.valid)});
  if (header.lane == wire::Lane::wave) table.add({"kept", kept_text(header)});
  if (header.lane == wire::Lane::stat && header.kept)
    table.add({"windows", "merged into ones of " + std::to_string(header.kept->window_ticks) + " ticks"});
  if (!header.replaces.empty()) table.add({"replaces", replaces_text(header)});
  table.add({"charge", to_decimal(header.i_sum) + " units = " + format_si(integral(header.i_sum, rate_hz), "C")});
  table.add({"energy", to_decimal(header.p_sum) + " units = " + format_si(integral(header.p_sum, rate_hz), "J")});
  table.print(out);
}

void print_payload(const wire::Frame& frame, std::ostream& out) {
  if (frame.header.lane != wire::Lane::event) return print_sections(frame, out);
  const auto events = wire::read_events(frame.payload);
  if (!events) {
    out << "payload: " << events.error().message << '\n';
    return;
  }
  for (const wire::Event& event : *events) out << event_text(event) << '\n';
}

nlohmann::json header_json(const wire::FrameHeader& header, const spool::FrameInfo& info) {
  nlohmann::json labels = nlohmann::json::array();
  for (const wire::Label& label : header.labels) labels.push_back({{"key", label.key}, {"value", label.value}});
  return {{"host", header.host},
          {"device", header.device.id},
          {"model", header.device.model},
          {"serial", header.device.serial},
          {"lane", to_string(header.lane)},
          {"epoch", hex_id(header.epoch)},
          {"seq", header.seq},
          {"state", to_string(info.state)},
          {"size_bytes", info.size_bytes},
          {"codec", header.codec},
          {"axis", hex_id(header.axis.life)},
          {"counter_rate_hz", header.axis.counter_rate_hz},
          {"decimation", header.axis.decimation},
          {"sample_id_first", header.sample_id_first},
          {"sample_id_end", header.sample_id_end},
          {"utc_first", utc_at(header, header.sample_id_first)},
          {"utc_end", utc_at(header, header.sample_id_end)},
          {"utc_quality", wire::to_string(header.utc.quality)},
          {"labels", labels},
          {"samples", header.samples},
          {"valid", header.valid},
          {"kept", kept_json(header)},
          {"replaces", replaces_json(header)},
          {"charge_units", to_decimal(header.i_sum)},
          {"energy_units", to_decimal(header.p_sum)}};
}

nlohmann::json payload_json(const wire::Frame& frame) {
  nlohmann::json json = nlohmann::json::array();
  if (frame.header.lane == wire::Lane::event) {
    const auto events = wire::read_events(frame.payload);
    if (!events) return {{"problem", events.error().message}};
    for (const wire::Event& event : *events) json.push_back(nlohmann::json(wire::event_json(event)));
    return json;
  }
  const auto rows = outline_payload(frame);
  if (!rows) return {{"problem", rows.error().message}};
  for (const OutlineRow& row : *rows)
    json.push_back({{"section", row.section},
                    {"coding", row.coding},
                    {"bits", row.bits},
                    {"elements", row.elements},
                    {"offset", row.offset},
                    {"stride", row.stride},
                    {"bytes", row.bytes}});
  return json;
}

}  // namespace joulespool::cli
