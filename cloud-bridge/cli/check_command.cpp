#include "cloud-bridge/cli/check_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "agent/base/units.h"
#include "cloud-bridge/cli/stream_flags.h"
#include "cloud-bridge/reader/stream_scan.h"

namespace joulespool::bridge_cli {
namespace {

using nlohmann::json;
using reader::Span;
using wire::Lane;

constexpr size_t listed_max = 1000;  // of each kind of finding; the rest is counted only

std::string hex(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

// What was found out about one device, and about the stream it was read from.
struct Answer {
  const reader::DeviceCoverage& device;
  const reader::Verdict& verdict;
  const reader::CollectorCounters& counters;
  uint64_t duplicates;
};

uint32_t decimation(const Answer& answer, uint64_t axis) { return answer.device.find_axis(axis)->decimation; }

json span_json(Span span) { return {{"sample_id_first", span.first}, {"sample_id_end", span.end}}; }

json axes_json(const Answer& answer) {
  json list = json::array();
  for (const reader::AxisVerdict& axis : answer.verdict.axes) {
    json one = span_json(axis.asked);
    one["axis"] = hex(axis.axis);
    one["ended"] = axis.ended;
    one["samples"] = (axis.asked.end - axis.asked.first - axis.gap_ticks) / decimation(answer, axis.axis);
    one["samples_in_gaps"] = axis.gap_ticks / decimation(answer, axis.axis);
    one["lanes"] = json::array();
    for (const Lane lane : axis.lanes) one["lanes"].push_back(std::string(to_string(lane)));
    list.push_back(std::move(one));
  }
  return list;
}

json missing_samples_json(const reader::Verdict& verdict) {
  json list = json::array();
  for (const reader::MissingSamples& missing : verdict.missing_samples) {
    if (list.size() == listed_max) break;
    json one = span_json(missing.span);
    one["axis"] = hex(missing.axis);
    one["lane"] = to_string(missing.lane);
    one["samples"] = missing.samples;
    one["why"] = missing.why;
    if (missing.utc_first_ns != 0) one["utc_first"] = format_utc(missing.utc_first_ns, 9);
    if (missing.utc_end_ns != 0) one["utc_end"] = format_utc(missing.utc_end_ns, 9);
    list.push_back(std::move(one));
  }
  return list;
}

json missing_frames_json(const reader::Verdict& verdict) {
  json list = json::array();
  for (const reader::MissingFrames& missing : verdict.missing_frames) {
    if (list.size() == listed_max) break;
    list.push_back({{"epoch", hex(missing.epoch)},
                    {"lane", to_string(missing.lane)},
                    {"seq_first", missing.seqs.first},
                    {"seq_last", missing.seqs.last}});
  }
  return list;
}

json contradictions_json(const reader::Verdict& verdict) {
  json list = json::array();
  for (const reader::Contradiction& contradiction : verdict.contradictions) {
    if (list.size() == listed_max) break;
    json one = span_json(contradiction.span);
    one["axis"] = hex(contradiction.axis);
    one["lane"] = to_string(contradiction.lane);
    one["what"] = contradiction.what;
    list.push_back(std::move(one));
  }
  return list;
}

// Sums as text: they do not fit the numbers of JSON.
json totals_json(const reader::DeviceCoverage& device) {
  json lanes = json::object();
  for (const Lane lane : wire::lanes) {
    const reader::LaneTotals& totals = device.total(lane);
    lanes[std::string(to_string(lane))] = {{"frames", totals.frames},           {"bytes", totals.bytes},
                                           {"samples", totals.samples},         {"valid", totals.valid},
                                           {"i_sum", to_decimal(totals.i_sum)}, {"p_sum", to_decimal(totals.p_sum)}};
  }
  return lanes;
}

json gaps_json(const reader::DeviceCoverage& device) {
  json reasons = json::object();
  for (const auto& [reason, totals] : device.gaps) {
    json& one = reasons[std::string(to_string(reason))];
    one = {{"records", totals.records}, {"samples", totals.samples}};
    for (const Lane lane : wire::lanes) {
      const uint64_t samples = totals.lane_samples[static_cast<size_t>(lane)];
      if (samples > 0) one["samples_of_lane"][std::string(to_string(lane))] = samples;
    }
  }
  return reasons;
}

json stream_json(const Answer& answer) {
  json damaged = json::object();
  for (size_t defect = 0; defect < wire::frame_defect_count; ++defect)
    if (answer.counters.damaged[defect] > 0)
      damaged[std::string(to_string(static_cast<wire::FrameDefect>(defect)))] = answer.counters.damaged[defect];
  return {{"records", answer.counters.records},
          {"bytes", answer.counters.bytes},
          {"frames", answer.counters.frames},
          {"duplicates", answer.counters.duplicates},
          {"late", answer.counters.late},
          {"wrong_key", answer.counters.wrong_key},
          {"damaged", damaged}};
}

void write_json(const Answer& answer, std::ostream& out) {
  const reader::Verdict& verdict = answer.verdict;
  const json all = {{"version", json_version},
                    {"device", answer.device.device.id},
                    {"complete", verdict.complete()},
                    {"axes", axes_json(answer)},
                    {"missing_samples", missing_samples_json(verdict)},
                    {"missing_samples_count", verdict.missing_samples.size()},
                    {"missing_frames", missing_frames_json(verdict)},
                    {"missing_frames_count", verdict.missing_frames.size()},
                    {"contradictions", contradictions_json(verdict)},
                    {"contradictions_count", verdict.contradictions.size()},
                    {"damaged_frames", verdict.damaged_frames},
                    {"damaged", answer.device.damaged},
                    {"totals", totals_json(answer.device)},
                    {"gaps", gaps_json(answer.device)},
                    {"duplicates", answer.duplicates},
                    {"replaced_frames", answer.device.replaced_frames},
                    {"stream", stream_json(answer)}};
  out << all.dump(2) << '\n';
}

void write_axes(const Answer& answer, std::ostream& out) {
  for (const reader::AxisVerdict& axis : answer.verdict.axes) {
    const uint64_t samples = (axis.asked.end - axis.asked.first) / decimation(answer, axis.axis);
    const uint64_t lost = axis.gap_ticks / decimation(answer, axis.axis);
    out << "  axis " << hex(axis.axis) << ": sample_id " << axis.asked.first << " to " << axis.asked.end << ", " << samples - lost
        << " samples and " << lost << " in gaps" << (axis.ended ? ", ended\n" : ", goes on\n");
  }
}

void write_totals(const Answer& answer, std::ostream& out) {
  for (const Lane lane : wire::lanes) {
    const reader::LaneTotals& totals = answer.device.total(lane);
    out << "  " << to_string(lane) << ": " << totals.frames << " frames, " << format_bytes(totals.bytes) << ", " << totals.samples
        << " samples";
    if (lane != Lane::event)
      out << ", charge " << to_decimal(totals.i_sum) << ", energy " << to_decimal(totals.p_sum) << " (2^-31 A, W per sample)";
    out << '\n';
  }
  for (const auto& [reason, totals] : answer.device.gaps) {
    out << "  gaps " << to_string(reason) << ": " << totals.records << " records, " << totals.samples << " samples of all lanes";
    for (const Lane lane : wire::lanes)
      if (const uint64_t samples = totals.lane_samples[static_cast<size_t>(lane)]; samples > 0)
        out << ", " << samples << " of " << to_string(lane);
    out << '\n';
  }
}

void write_missing_samples(const reader::MissingSamples& missing, std::ostream& out) {
  out << "  missing: " << to_string(missing.lane) << ", " << missing.samples << " samples, sample_id " << missing.span.first
      << " to " << missing.span.end;
  if (missing.utc_first_ns != 0) out << ", " << format_utc(missing.utc_first_ns) << " to " << format_utc(missing.utc_end_ns);
  out << ": " << missing.why << '\n';
}

template <class Item, class Write>
void write_some(const std::vector<Item>& items, std::ostream& out, Write write) {
  const size_t listed = std::min(items.size(), listed_max);
  for (size_t at = 0; at < listed; ++at) write(items[at]);
  if (listed < items.size()) out << "  ... and " << items.size() - listed << " more\n";
}

void write_findings(const Answer& answer, std::ostream& out) {
  const reader::Verdict& verdict = answer.verdict;
  if (verdict.axes.empty()) out << "  nothing is known of the device in this range\n";
  write_some(verdict.missing_samples, out, [&](const reader::MissingSamples& missing) { write_missing_samples(missing, out); });
  write_some(verdict.missing_frames, out, [&](const reader::MissingFrames& missing) {
    out << "  missing: " << to_string(missing.lane) << " frames " << missing.seqs.first << " to " << missing.seqs.last
        << " of epoch " << hex(missing.epoch) << '\n';
  });
  write_some(verdict.contradictions, out, [&](const reader::Contradiction& contradiction) {
    out << "  contradiction: " << to_string(contradiction.lane) << ", sample_id " << contradiction.span.first << " to "
        << contradiction.span.end << ": " << contradiction.what << '\n';
  });
  for (const std::string& damaged : answer.device.damaged) out << "  damaged: " << damaged << '\n';
}

void write_text(const Answer& answer, std::ostream& out) {
  out << answer.device.device.id << ": " << (answer.verdict.complete() ? "complete" : "NOT complete") << '\n';
  write_axes(answer, out);
  write_findings(answer, out);
  write_totals(answer, out);
  if (answer.device.replaced_frames > 0)
    out << "  ignored: " << answer.device.replaced_frames << " frames for which merged ones stand that came, too\n";
  out << "  dropped: " << answer.duplicates << " second copies; of the whole stream " << answer.counters.damaged_total()
      << " damaged records, " << answer.counters.wrong_key << " with a wrong key\n";
}

ExitCode report_unknown(const CheckOptions& options, const Surroundings& surroundings) {
  if (options.json)
    surroundings.out << json{{"version", json_version}, {"device", options.device}, {"complete", false}, {"known", false}}.dump(2)
                     << '\n';
  surroundings.err << "joulespool-bridge: device " << options.device << " is not in the stream\n";
  return exit_no;
}

}  // namespace

Result<ExitCode> run_check(const CheckOptions& options, sink::RecordSource& source, const Surroundings& surroundings) {
  reader::CoverageMap coverage;
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) {
    if (frame.header.device.id == options.device) coverage.add(frame);
  });
  JOULESPOOL_TRY(
      reader::scan_stream(source, surroundings.clock, {}, [&](sink::StoredRecord&& record) { collector.add(std::move(record)); }),
      "check");
  collector.finish();
  const auto device = coverage.devices().find(options.device);
  if (device == coverage.devices().end()) return report_unknown(options, surroundings);
  const reader::Verdict verdict = reader::judge(device->second, options.range);
  const Answer answer{device->second, verdict, collector.counters(), collector.duplicates(options.device)};
  options.json ? write_json(answer, surroundings.out) : write_text(answer, surroundings.out);
  return verdict.complete() ? exit_ok : exit_no;
}

Action add_check(CLI::App& app, const Surroundings& surroundings) {
  const auto options = std::make_shared<CheckOptions>();
  const auto flags = SettingsFlags::add(app, SettingsFlags::Which::reading);
  app.add_option("--device", options->device, "Id of the device")->required();
  add_time_range(app, options->range.from_ns, options->range.to_ns);
  app.add_flag("--json", options->json, "The answer as JSON");
  return [options, flags, &surroundings]() -> Result<ExitCode> {
    const auto source = open_stream(*flags, surroundings);
    if (!source) return source.error();
    return run_check(*options, **source, surroundings);
  };
}

}  // namespace joulespool::bridge_cli
