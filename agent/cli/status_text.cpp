#include "agent/cli/status_text.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/base/int128.h"
#include "agent/base/units.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

using nlohmann::json;

// "123456" units at the device's rate as "1.234 J".
std::string integral_text(const json& device, const char* key, std::string_view unit) {
  int128 units = 0;
  if (!parse_decimal(device.at(key).get<std::string>(), units)) return "?";
  const auto rate_hz = device.at("sample_rate_hz").get<double>();
  return rate_hz > 0 ? format_si(integral(units, rate_hz), unit) : "-";
}

// "-" for what the agent does not know yet.
std::string si_text(const json& object, const char* key, std::string_view unit) {
  const json& value = object.at(key);
  return value.is_null() ? "-" : format_si(value.get<double>(), unit);
}

std::string percent_text(double share) {
  std::ostringstream text;
  text.precision(3);
  text << share * 100 << " %";
  return text.str();
}

void write_devices(const json& devices, std::ostream& out) {
  if (devices.empty()) out << "devices: none\n";
  else out << "devices:\n";
  TextTable table({"  device", "source", "state", "rate", "power", "energy", "charge", "samples", "lost", "ring"});
  for (const json& device : devices)
    table.add({"  " + printable(device.at("id").get<std::string>()), printable(device.at("source").get<std::string>()),
               printable(device.at("state").get<std::string>()), si_text(device, "sample_rate_hz", "S/s"),
               si_text(device, "power_w", "W"), integral_text(device, "energy_units", "J"),
               integral_text(device, "charge_units", "C"), std::to_string(device.at("samples").get<uint64_t>()),
               std::to_string(device.at("samples_lost").get<uint64_t>()),
               percent_text(device.at("ring_fill")) + ", peak " + percent_text(device.at("ring_peak"))});
  if (!devices.empty()) table.print(out);
  for (const json& device : devices) {
    const std::string detail = device.value("detail", "");
    if (!detail.empty())
      out << "  " << printable(device.at("id").get<std::string>()) << ": " << printable(device.at("state").get<std::string>())
          << ": " << printable(detail) << '\n';
  }
}

void write_check(const json& check, std::ostream& out) {
  if (!check.at("enabled").get<bool>()) return;
  const json& age_s = check.at("last_finished_age_s");
  out << "  background check: " << (age_s.is_null() ? "first round under way" : "finished " + age_text(age_s) + " ago") << "; "
      << check.at("frames_checked").get<uint64_t>() << " frames checked, " << check.at("damaged_found").get<uint64_t>()
      << " damaged\n";
  const std::string error = printable(check.at("error").get<std::string>());
  if (!error.empty()) out << "  the check cannot read: " << error << '\n';
}

void write_spool(const json& spool, std::ostream& out) {
  const auto disk_bytes = spool.at("disk_bytes").get<uint64_t>();
  const auto budget_bytes = spool.at("budget_bytes").get<uint64_t>();
  out << "spool: " << printable(spool.at("directory").get<std::string>()) << "\n  " << format_bytes(disk_bytes) << " of "
      << format_bytes(budget_bytes);
  if (budget_bytes > 0) out << " (" << percent_text(static_cast<double>(disk_bytes) / static_cast<double>(budget_bytes)) << ")";
  const auto queued = spool.at("queued_frames").get<uint64_t>();
  out << "; waiting: " << queued << " frames, " << format_bytes(spool.at("queued_bytes"));
  if (queued > 0) out << ", the oldest for " << age_text(spool.at("oldest_queued_age_s"));
  out << "; kept: " << spool.at("kept_frames").get<uint64_t>() << " frames, " << format_bytes(spool.at("kept_bytes")) << '\n';
  const auto aside = spool.at("quarantined_frames").get<uint64_t>();
  if (aside > 0) out << "  set aside as damaged or rejected: " << aside << " frames\n";
  const uint64_t merged = spool.value("frames_merged", uint64_t{0}), evicted = spool.value("frames_evicted", uint64_t{0});
  if (merged + evicted > 0)
    out << "  for want of room since the start: " << merged << " frames merged into longer windows, " << evicted << " dropped\n";
  const std::string error = printable(spool.value("error", ""));
  if (!error.empty()) out << "  last error: " << error << '\n';
  if (spool.contains("check")) write_check(spool.at("check"), out);
}

std::string reason_text(const json& uplink, const char* key) {
  const std::string reason = printable(uplink.at(key).get<std::string>());
  return reason.empty() ? "no reason known" : reason;
}

// The first thing that stands in the way, from here to the far end.
std::string connection_text(const json& uplink) {
  if (!uplink.at("connected").get<bool>()) return "broker not connected: " + reason_text(uplink, "last_error");
  if (!uplink.at("bridge_online").get<bool>()) return "broker connected, but no bridge serves this host";
  if (!uplink.at("bridge_accepting").get<bool>())
    return "bridge online, but not accepting: " + reason_text(uplink, "bridge_reason");
  return "broker connected, bridge accepting";
}

void write_uplink(const json& uplink, std::ostream& out) {
  out << "uplink: " << connection_text(uplink) << '\n';
  out << "  sent: " << uplink.at("frames_published").get<uint64_t>() << " frames, " << format_bytes(uplink.at("bytes_published"))
      << "; stored in Kinesis: " << uplink.at("frames_acked").get<uint64_t>()
      << "; sent again: " << uplink.at("frames_resent").get<uint64_t>()
      << "; on the way: " << uplink.at("unacked_frames").get<uint64_t>() << '\n';
}

}  // namespace

Result<std::string> status_text(const json& status) {
  if (!status.is_object() || status.value("version", json()) != 1)
    return Error{Errc::damaged, "the agent's answer is no status of version 1; is it of another version?"};
  std::ostringstream out;
  try {
    out << "host " << printable(status.at("host").get<std::string>()) << ", joulespool "
        << printable(status.at("software").get<std::string>()) << ", up " << age_text(status.at("uptime_s")) << ", boot "
        << printable(status.at("boot").get<std::string>()) << '\n';
    write_devices(status.at("devices"), out);
    write_spool(status.at("spool"), out);
    write_uplink(status.at("uplink"), out);
  } catch (const json::exception& failure) {
    return Error{Errc::damaged, std::string("the agent's answer: ") + failure.what()};
  }
  return out.str();
}

}  // namespace joulespool::cli
