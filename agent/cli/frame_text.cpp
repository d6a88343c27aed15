#include "agent/cli/frame_text.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/text_output.h"
#include "agent/codec/section.h"
#include "agent/signal/sample_block.h"
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

std::string_view coding_name(codec::Coding coding) {
  switch (coding) {
    case codec::Coding::raw: return "raw";
    case codec::Coding::shuffled: return "shuffled";
    case codec::Coding::zstd: return "zstd";
    case codec::Coding::sparse: return "sparse";
  }
  return "unknown";
}

// Numbers of agent/codec/FORMAT.md, sections 3 and 4.
std::string section_name(uint8_t signal) {
  constexpr std::string_view columns[] = {"sample_id_first", "length", "count", "valid", "i_sum", "v_sum", "p_sum", "i2_sum",
                                          "v2_sum",          "i_min",  "i_max", "v_min", "v_max", "p_min", "p_max"};
  constexpr uint8_t column_first = 64;
  if (signal >= column_first && signal < column_first + std::size(columns)) return std::string(columns[signal - column_first]);
  switch (static_cast<signal::SignalId>(signal)) {
    case signal::SignalId::current: return "current";
    case signal::SignalId::voltage: return "voltage";
    case signal::SignalId::power: return "power";
    case signal::SignalId::current_range: return "current_range";
    case signal::SignalId::voltage_range: return "voltage_range";
    case signal::SignalId::gpi0: return "gpi0";
    case signal::SignalId::trigger: return "trigger";
  }
  const int gpi = signal - static_cast<int>(signal::SignalId::gpi0);
  return gpi > 0 && gpi < 4 ? "gpi" + std::to_string(gpi) : "signal " + std::to_string(signal);
}

std::string utc_at(const wire::FrameHeader& header, uint64_t sample_id) {
  return header.utc.quality == wire::UtcQuality::unknown ? "-" : format_utc(header.utc.utc_ns_at(sample_id), 9);
}

void print_sections(const wire::Frame& frame, std::ostream& out) {
  const auto sections = codec::read_sections(frame.payload);
  if (!sections) {
    out << "payload: " << printable(sections.error().message) << '\n';
    return;
  }
  TextTable table({"section", "coding", "bits", "elements", "offset", "stride", "bytes", "bits/element"});
  for (const codec::Section& section : *sections) {
    const codec::SectionHeader& header = section.header;
    const double bits = header.count == 0 ? 0 : 8.0 * header.size / header.count;
    table.add({section_name(header.signal), std::string(coding_name(header.coding)), std::to_string(header.bits),
               std::to_string(header.count), std::to_string(header.offset), std::to_string(header.stride),
               std::to_string(header.size), std::to_string(bits)});
  }
  table.print(out);
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
  const auto sections = codec::read_sections(frame.payload);
  if (!sections) return {{"problem", sections.error().message}};
  for (const codec::Section& section : *sections)
    json.push_back({{"section", section_name(section.header.signal)},
                    {"coding", coding_name(section.header.coding)},
                    {"bits", section.header.bits},
                    {"elements", section.header.count},
                    {"offset", section.header.offset},
                    {"stride", section.header.stride},
                    {"bytes", section.header.size}});
  return json;
}

}  // namespace joulespool::cli
