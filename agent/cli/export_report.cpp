#include "agent/cli/export_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/command_line.h"
#include "agent/base/units.h"

namespace joulespool::cli {
namespace {

std::string windows_text(const WindowRows& rows) {
  uint64_t ticks = rows.header.kept ? rows.header.kept->window_ticks : 0;
  if (ticks == 0)
    for (const wire::Window& window : rows.windows) ticks = std::max(ticks, window.sample_id_end - window.sample_id_first);
  return "windows of " + format_si(static_cast<double>(ticks) / rows.header.axis.counter_rate_hz, "s");
}

std::string samples_text(const SampleRows& rows) {
  return "samples at " + format_si(rows.rate_hz(), "S/s") +
         (rows.step == rows.header.axis.decimation ? "" : " (a lower rate was kept)");
}

}  // namespace

void ExportReport::add(const wire::FrameHeader& header, size_t rows, const std::string& resolution, const Sums& sums,
                       bool is_whole) {
  Device& device = devices_[header.device.id];
  device.rows += rows;
  if (rows > 0) device.rows_by_resolution[resolution] += rows;
  device.by_rate_hz[header.axis.sample_rate_hz()].add(sums);
  if (is_whole && sums != sums_of(header)) ++differing_frames_;
}

void ExportReport::add(const WindowRows& rows, const Sums& sums, bool is_whole) {
  add(rows.header, rows.windows.size(), windows_text(rows), sums, is_whole);
}

void ExportReport::add(const SampleRows& rows, const Sums& sums, bool is_whole) {
  add(rows.header, rows.i.size(), samples_text(rows), sums, is_whole);
}

void ExportReport::add_without_samples(const wire::FrameHeader& header) {
  Device& device = devices_[header.device.id];
  ++device.frames_without_samples;
  device.seconds_without_samples += static_cast<double>(header.samples) / header.axis.sample_rate_hz();
}

Sums ExportReport::Device::all() const {
  Sums sums;
  for (const auto& [rate_hz, one] : by_rate_hz) sums.add(one);
  return sums;
}

double ExportReport::Device::charge_c() const {
  double charge = 0;
  for (const auto& [rate_hz, sums] : by_rate_hz) charge += integral(sums.i_sum, rate_hz);
  return charge;
}

double ExportReport::Device::energy_j() const {
  double energy = 0;
  for (const auto& [rate_hz, sums] : by_rate_hz) energy += integral(sums.p_sum, rate_hz);
  return energy;
}

void ExportReport::print(std::ostream& out) const {
  const auto line = [&](const std::string& text) { out << "joulespool: " << text << '\n'; };
  if (devices_.empty()) line("nothing is there of what was asked for");
  for (const auto& [id, device] : devices_) {
    const Sums sums = device.all();
    line(id + ": " + std::to_string(device.rows) + " rows for " + std::to_string(sums.samples) + " samples (" +
         std::to_string(sums.samples - sums.valid) + " missing): charge " + format_si(device.charge_c(), "C") + ", energy " +
         format_si(device.energy_j(), "J"));
    for (const auto& [resolution, rows] : device.rows_by_resolution)
      line(id + ": " + std::to_string(rows) + " rows are " + resolution);
    if (device.frames_without_samples > 0)
      line(id + ": " + std::to_string(device.frames_without_samples) + " frames (" +
           format_si(device.seconds_without_samples, "s") + ") keep windows only, no samples: see --what windows --lane wave");
  }
  if (replaced_frames > 0)
    line(std::to_string(replaced_frames) + " frames were left out: others, with longer windows, stand for them");
  if (gone_frames > 0) line(std::to_string(gone_frames) + " frames left the spool meanwhile and are not in the output");
  if (damaged_frames > 0) line(std::to_string(damaged_frames) + " frames are damaged and were left out (see spool verify)");
  if (differing_frames_ > 0)
    line(std::to_string(differing_frames_) + " frames have other sums than their headers say (see spool verify)");
}

nlohmann::json ExportReport::to_json() const {
  nlohmann::json json = {{"version", json_version},           {"well", is_well()},
                         {"damaged_frames", damaged_frames},  {"differing_frames", differing_frames_},
                         {"gone_frames", gone_frames},        {"replaced_frames", replaced_frames},
                         {"devices", nlohmann::json::array()}};
  for (const auto& [id, device] : devices_) {
    const Sums sums = device.all();
    json["devices"].push_back({{"device", id},
                               {"rows", device.rows},
                               {"samples", sums.samples},
                               {"valid", sums.valid},
                               {"charge_units", to_decimal(sums.i_sum)},
                               {"energy_units", to_decimal(sums.p_sum)},
                               {"charge_c", device.charge_c()},
                               {"energy_j", device.energy_j()},
                               {"rows_by_resolution", device.rows_by_resolution},
                               {"frames_without_samples", device.frames_without_samples}});
  }
  return json;
}

}  // namespace joulespool::cli
