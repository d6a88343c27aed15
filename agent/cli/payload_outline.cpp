#include "agent/cli/payload_outline.h"

#include "agent/codec/byte_io.h"
#include "agent/codec/codec.h"
#include "agent/codec/section.h"
#include "agent/codec/windows.h"
#include "agent/signal/sample_block.h"

namespace joulespool::cli {
namespace {

constexpr uint8_t power = 3;  // signals 1 to 3 are floats
constexpr uint8_t windows = 64;

std::string signal_name(uint8_t signal) {
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

template <size_t count>
std::string name_in(const std::string_view (&names)[count], size_t number) {
  return number < count ? std::string(names[number]) : "unknown";
}

// --- codec 1 -------------------------------------------------------------------------------------------------------------------

std::string section_name(uint8_t signal) {
  constexpr std::string_view columns[] = {"sample_id_first", "length", "count", "valid", "i_sum", "v_sum", "p_sum", "i2_sum",
                                          "v2_sum",          "i_min",  "i_max", "v_min", "v_max", "p_min", "p_max"};
  constexpr uint8_t column_first = 64;
  const bool is_column = signal >= column_first && signal < column_first + std::size(columns);
  return is_column ? std::string(columns[signal - column_first]) : signal_name(signal);
}

Result<std::vector<OutlineRow>> outline_codec1(const wire::Frame& frame) {
  constexpr std::string_view codings[] = {"raw", "shuffled", "zstd", "sparse"};
  const auto sections = codec::read_sections(frame.payload);
  if (!sections) return sections.error();
  std::vector<OutlineRow> rows;
  for (const auto& [header, data] : *sections)
    rows.push_back({section_name(header.signal), name_in(codings, static_cast<size_t>(header.coding)), header.bits, header.count,
                    header.offset, header.stride, header.size});
  return rows;
}

// --- codec 2 -------------------------------------------------------------------------------------------------------------------

OutlineRow outline_section(uint8_t signal, uint8_t coding, wire::ByteView data, uint64_t samples) {
  constexpr std::string_view of_floats[] = {"raw", "shuffled", "pages", "corrections"};
  constexpr std::string_view of_packed[] = {"elements", "runs"};
  OutlineRow row{signal_name(signal), "unknown", 0, 0, 0, 0, data.size()};
  if (signal > 0 && signal <= power) {
    row.coding = name_in(of_floats, coding);
    row.bits = 32;
    row.elements = samples;
  } else if (signal == windows) {
    row.section = "windows";
    row.coding = "columns";
    if (const auto parts = codec::list_window_columns(data)) row.elements = parts->windows;
  } else if (row.section.starts_with("gpi") || row.section.ends_with("range") || row.section == "trigger") {
    codec::ByteReader from(data);
    row.coding = name_in(of_packed, coding);
    row.bits = from.u8();
    row.offset = from.varint();
    row.stride = from.varint();
    row.elements = from.varint();
  }
  return row;
}

Result<std::vector<OutlineRow>> outline_samples(const wire::Frame& frame) {
  const uint64_t samples = wire::kept_samples(frame.header).count;
  std::vector<OutlineRow> rows;
  for (codec::ByteReader from(frame.payload); from.left() > 0;) {
    const uint8_t signal = from.u8(), coding = from.u8();
    const wire::ByteView data = from.bytes(from.varint());
    if (!from.ok()) return Error{Errc::damaged, "section " + std::to_string(rows.size() + 1) + " of the payload is cut off"};
    rows.push_back(outline_section(signal, coding, data, samples));
  }
  return rows;
}

Result<std::vector<OutlineRow>> outline_windows(const wire::Frame& frame) {
  const auto parts = codec::list_window_columns(frame.payload);
  if (!parts) return parts.error();
  std::vector<OutlineRow> rows;
  for (const auto& [name, model, size_bytes] : parts->columns) {
    const unsigned bits = name.ends_with("_sum") ? 128 : name.ends_with("_min") || name.ends_with("_max") ? 32 : 64;
    rows.push_back({std::string(name), "model " + std::to_string(model), bits, parts->windows, 0, 0, size_bytes});
  }
  return rows;
}

}  // namespace

Result<std::vector<OutlineRow>> outline_payload(const wire::Frame& frame) {
  if (frame.header.codec == codec::codec_1) return outline_codec1(frame);
  if (frame.header.codec == codec::codec_2)
    return frame.header.lane == wire::Lane::wave ? outline_samples(frame) : outline_windows(frame);
  return Error{Errc::usage, "codec " + std::to_string(frame.header.codec) + " is not known to this version"};
}

}  // namespace joulespool::cli
