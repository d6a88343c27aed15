// The account after a run: reads all of a Kinesis stream, or of a spool, back and compares it, sample by sample, with what the
// simulated and replayed devices measured. JSON on stdout; exit 0 only if everything is accounted for.
//
//   account --endpoint URL --region R --stream S --device "source=simulated,..." [--device ...]
//   account --spool DIRECTORY --instruments --device ...
//
// The devices are given as to the agent, with an origin and (for exact totals) a duration; what they measured is computed anew.
// --instruments: they count whether anybody listens or not, and anew when they are plugged in: the account begins with the
// first sample of each life of the counter.

#include <algorithm>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/app/sources.h"
#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/config/settings.h"
#include "agent/signal/window_accumulator.h"
#include "agent/spool/sqlite_spool.h"
#include "agent/wire/event_json.h"
#include "cloud-bridge/reader/completeness.h"
#include "cloud-bridge/reader/stream_scan.h"
#include "cloud-bridge/sink/kinesis_source.h"

namespace {

using namespace joulespool;
using nlohmann::json;

// What a device measured, as a function of sample_id.
class Truth {
 public:
  static Result<std::unique_ptr<Truth>> make(const config::DeviceSettings& settings) {
    auto truth = std::make_unique<Truth>();
    truth->id_ = settings.identity.id;
    if (settings.source == config::SourceKind::simulated) {
      auto device = app::simulated_device(settings);
      if (!device) return device.error();
      truth->axis_ = device::time_axis(*device);
      truth->limit_ = device::sample_id_limit(*device);
      truth->simulated_ = std::move(*device);
    } else {
      const auto device = app::replay_device(settings);
      if (!device) return device.error();
      auto recording = device::Recording::load(*device);
      if (!recording) return recording.error();
      truth->axis_ = device::time_axis(*device);
      truth->limit_ = recording->sample_id_limit(*device);
      truth->recording_ = std::move(*recording);
    }
    return truth;
  }

  void samples(uint64_t sample_id, std::span<float> i, std::span<float> v, std::span<float> p) const {
    if (recording_) return recording_->samples(sample_id, i, v, p);
    device::simulated_samples(*simulated_, sample_id, i, v);
    for (size_t at = 0; at < p.size(); ++at) p[at] = codec::product(i[at], v[at]);
  }
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] uint32_t decimation() const { return axis_.decimation; }
  [[nodiscard]] uint64_t limit() const { return limit_; }

 private:
  std::string id_;
  wire::TimeAxis axis_;
  uint64_t limit_ = 0;
  std::optional<device::SimulatedDevice> simulated_;
  std::optional<device::Recording> recording_;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// What came of an hour of the device's counter.
struct Hour {
  std::map<uint64_t, uint64_t> samples_by_window;  // lane stat: by the length of the frame's windows, in ticks
  uint64_t wave_samples = 0;                       // lane wave, at any rate
  int128 i_sum = 0, p_sum = 0;                     // of lane stat
};

struct DeviceAccount {
  std::unique_ptr<Truth> truth;
  std::map<uint64_t, Hour> hours;  // also of frames that another one replaces
  uint64_t wave_samples_wrong = 0;
  std::map<uint32_t, uint64_t> wave_frames_by_decimation;  // of what was kept, in ticks; 0: windows only
  uint64_t late_frames = 0;
  std::optional<wire::Stopped> stopped;
  json gap_records = json::array();  // of all lanes, in the order of the records
  json notes = json::array();
  json clock_corrections = json::array();
  std::vector<double> latency_ms;  // of windows, sample to Kinesis
  uint64_t frame_bytes = 0;
};

class Auditor {
 public:
  explicit Auditor(std::map<std::string, DeviceAccount>& accounts) : accounts_(accounts) {}

  void add(const reader::CollectedFrame& frame) {
    coverage_.add(frame);
    const auto at = accounts_.find(frame.header.device.id);
    if (at == accounts_.end()) {
      problems_.push_back("a frame of " + frame.header.device.id + ", which was not expected");
      return;
    }
    DeviceAccount& account = at->second;
    account.late_frames += frame.late ? 1U : 0U;
    account.frame_bytes += frame.bytes.size();
    if (frame.header.lane == wire::Lane::wave) check_wave(frame, account);
    if (frame.header.lane == wire::Lane::stat) note_windows(frame, account);
    if (frame.header.lane == wire::Lane::event) note_events(frame, account);
  }
  reader::CoverageMap& coverage() { return coverage_; }
  std::vector<std::string>& problems() { return problems_; }

 private:
  void check_wave(const reader::CollectedFrame& frame, DeviceAccount& account) {
    const wire::FrameHeader& header = frame.header;
    const auto samples = codec::decode_samples(frame.payload(), header.codec, wire::kept_samples(header).count);
    if (!samples) return problems_.push_back("a frame that cannot be decoded: " + samples.error().message);
    account.hours[header.sample_id_first / (3600ULL * header.axis.counter_rate_hz)].wave_samples += header.samples;
    ++account.wave_frames_by_decimation[header.kept ? header.kept->decimation : header.axis.decimation];
    if (!header.keeps_all()) return check_kept_windows(frame, samples->windows, account);
    const size_t count = samples->i.size();
    i_.resize(count);
    v_.resize(count);
    p_.resize(count);
    account.truth->samples(frame.header.sample_id_first, i_, v_, p_);
    if (same_bits(samples->i, i_) && same_bits(samples->v, v_) && same_bits(samples->p, p_)) return;
    account.wave_samples_wrong += count;
  }

  // What a lower rate leaves of the samples that are gone: exact statistics of all of them.
  void check_kept_windows(const reader::CollectedFrame& frame, const wire::Bytes& payload, DeviceAccount& account) {
    const auto windows = codec::decode_windows(payload, frame.header.codec, frame.header.sample_id_first);
    if (!windows) return problems_.push_back("windows that cannot be decoded: " + windows.error().message);
    wire::Window all;
    for (const wire::Window& window : *windows) {
      i_.resize(window.count);
      v_.resize(window.count);
      p_.resize(window.count);
      account.truth->samples(window.sample_id_first, i_, v_, p_);
      all.merge(window);
      if (signal::summarise({window.sample_id_first, frame.header.axis.decimation, i_, v_, p_}) == window) continue;
      account.wave_samples_wrong += window.count;
    }
    if (all.count != frame.header.samples || all.i_sum != frame.header.i_sum || all.p_sum != frame.header.p_sum)
      problems_.push_back("windows of lane wave add up to something else than their header");
  }

  void note_windows(const reader::CollectedFrame& frame, DeviceAccount& account) {
    const auto windows = codec::decode_windows(frame.payload(), frame.header.codec, frame.header.sample_id_first);
    if (!windows) return problems_.push_back("windows that cannot be decoded: " + windows.error().message);
    uint64_t longest = 0;
    for (const wire::Window& window : *windows) longest = std::max(longest, window.sample_id_end - window.sample_id_first);
    for (const wire::Window& window : *windows) {
      account.latency_ms.push_back(static_cast<double>(frame.arrival_utc_ns - frame.header.utc.utc_ns_at(window.sample_id_end)) /
                                   1e6);
      Hour& hour = account.hours[window.sample_id_first / (3600ULL * frame.header.axis.counter_rate_hz)];
      hour.samples_by_window[longest] += window.count;
      hour.i_sum += window.i_sum;
      hour.p_sum += window.p_sum;
    }
  }

  void note_events(const reader::CollectedFrame& frame, DeviceAccount& account) {
    const auto events = wire::read_events(frame.payload());
    if (!events) return problems_.push_back("events that cannot be decoded: " + events.error().message);
    for (const wire::Event& event : *events) note(event, account);
  }

  static void note(const wire::Event& event, DeviceAccount& account) {
    if (const auto* stopped = std::get_if<wire::Stopped>(&event)) account.stopped = *stopped;
    if (const auto* gap = std::get_if<wire::Gap>(&event); gap != nullptr && !gap->lane)
      account.gap_records.push_back(json(wire::event_json(event)));
    if (std::holds_alternative<wire::DeviceNote>(event)) account.notes.push_back(json(wire::event_json(event)));
    if (std::holds_alternative<wire::ClockCorrected>(event)) account.clock_corrections.push_back(json(wire::event_json(event)));
  }

  std::map<std::string, DeviceAccount>& accounts_;
  reader::CoverageMap coverage_;
  std::vector<std::string> problems_;
  std::vector<float> i_, v_, p_;
};

struct Sums {
  uint64_t samples = 0;
  int128 i = 0, p = 0;
};

// The integers of all samples in [first, end), straight from the device's function.
void add_sums(const Truth& truth, uint64_t first, uint64_t end, Sums& sums) {
  std::vector<float> i(65536), v(65536), p(65536);
  while (first < end) {
    const size_t count = std::min<uint64_t>(i.size(), (end - first) / truth.decimation());
    const auto part = [&](std::vector<float>& values) { return std::span(values).first(count); };
    truth.samples(first, part(i), part(v), part(p));
    for (size_t at = 0; at < count; ++at) {
      const auto i_units = wire::to_units(i[at]), v_units = wire::to_units(v[at]), p_units = wire::to_units(p[at]);
      if (!(i_units.ok && v_units.ok && p_units.ok)) continue;
      sums.i += i_units.value;
      sums.p += p_units.value;
    }
    sums.samples += count;
    first += count * truth.decimation();
  }
}

// Samples that came in lane stat: spans of windows without the holes that gap records name.
void add_sums_of_delivered(const Truth& truth, const reader::AxisCoverage& axis, Sums& sums) {
  for (const auto& span : axis.lane(wire::Lane::stat).delivered.intervals())
    for (const auto& present : axis.gaps.missing(span.first, span.end)) add_sums(truth, present.first, present.end, sums);
}

double percentile(std::vector<double>& values, double fraction) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Samples in [first, limit) that are in no frame of the lane and in no gap record.
struct Unaccounted {
  uint64_t samples = 0;
  std::string where;  // for people
  void add(const reader::AxisCoverage& axis, wire::Lane lane, uint64_t first, uint64_t limit) {
    IntervalSet accounted = axis.gaps;
    for (const IntervalSet* spans : {&axis.lane(lane).delivered, &axis.lane(lane).lost})
      for (const auto& span : spans->intervals()) accounted.insert(span.first, span.end);
    for (const auto& hole : accounted.missing(first, limit)) {
      samples += (hole.end - hole.first) / axis.decimation;
      where +=
          " " + std::string(wire::to_string(lane)) + " [" + std::to_string(hole.first) + ", " + std::to_string(hole.end) + ")";
    }
  }
};

// What was measured then is known to the agent only.
bool windows_were_lost(const reader::DeviceCoverage& coverage) {
  return std::any_of(coverage.axes.begin(), coverage.axes.end(),
                     [](const reader::AxisCoverage& axis) { return !axis.lane(wire::Lane::stat).lost.empty(); });
}

// Frames that stand for others.
uint64_t merged_frames(const reader::DeviceCoverage& coverage) {
  uint64_t count = 0;
  for (const auto& [id, sequence] : coverage.sequences) count += sequence.merged.size();
  return count;
}

json hours_of(const DeviceAccount& account) {
  json hours = json::array();
  for (const auto& [number, hour] : account.hours) {
    json windows = json::object();
    for (const auto& [ticks, samples] : hour.samples_by_window) windows[std::to_string(ticks)] = samples;
    hours.push_back({{"hour", number},
                     {"samples_by_window_ticks", windows},
                     {"wave_samples", hour.wave_samples},
                     {"i_units", to_decimal(hour.i_sum)},
                     {"p_units", to_decimal(hour.p_sum)}});
  }
  return hours;
}

json report(DeviceAccount& account, const reader::DeviceCoverage& coverage, const reader::FrameCollector& collector,
            bool instruments) {
  json out = {{"device", account.truth->id()}, {"problems", json::array()}};
  const auto problem = [&](const std::string& text) { out["problems"].push_back(text); };
  if (!instruments && coverage.axes.size() != 1)
    problem("expected one life of the counter, found " + std::to_string(coverage.axes.size()));
  const bool endless = instruments || account.truth->limit() == UINT64_MAX;

  const auto verdict = reader::judge(coverage, {});
  if (!verdict.complete()) problem("the reader's verdict: not complete");
  const auto& wave = coverage.total(wire::Lane::wave);
  const auto& stat = coverage.total(wire::Lane::stat);
  Unaccounted unaccounted;
  uint64_t made = 0;
  Sums truth;
  for (const reader::AxisCoverage& axis : coverage.axes) {
    const uint64_t first = instruments ? axis.first : 0;
    const uint64_t limit = endless ? axis.end : account.truth->limit();
    made += (limit - first) / axis.decimation;
    unaccounted.add(axis, wire::Lane::stat, first, limit);
    if (wave.frames > 0) unaccounted.add(axis, wire::Lane::wave, first, limit);
    add_sums_of_delivered(*account.truth, axis, truth);
  }
  if (unaccounted.samples != 0)
    problem(std::to_string(unaccounted.samples) + " samples are in no frame and in no gap record:" + unaccounted.where);
  if (account.wave_samples_wrong != 0) problem(std::to_string(account.wave_samples_wrong) + " samples differ from the source");
  if (account.late_frames != 0) problem(std::to_string(account.late_frames) + " frames came out of order");

  if (truth.samples != stat.samples)
    problem("windows count " + std::to_string(stat.samples) + " samples, the source " + std::to_string(truth.samples));
  if (truth.p != stat.p_sum || truth.i != stat.i_sum) problem("energy or charge differs between source and cloud");
  if (!account.stopped) problem("the agent never said that the device ended");
  else if (!windows_were_lost(coverage) &&
           (account.stopped->totals.p_sum != stat.p_sum || account.stopped->totals.i_sum != stat.i_sum))
    problem("energy or charge differs between agent and cloud");

  uint64_t lost = 0;
  json gaps = json::object();
  json kept = json::object();
  for (const auto& [ticks, frames] : account.wave_frames_by_decimation) kept[std::to_string(ticks)] = frames;
  for (const auto& [reason, totals] : coverage.gaps) {
    lost += totals.samples;
    gaps[std::string(wire::to_string(reason))] = {{"records", totals.records}, {"samples", totals.samples}};
  }
  if (account.stopped && account.stopped->totals.samples_lost != lost)
    problem("the agent counts other losses than the gap records");
  const double rate = static_cast<double>(coverage.axes.front().counter_rate_hz) / account.truth->decimation();
  out.update({{"made", made},
              {"lives", coverage.axes.size()},
              {"first", coverage.axes.front().first},
              {"end", coverage.axes.back().end},
              {"delivered", stat.samples},
              {"delivered_wave", wave.samples},
              {"missing", stat.samples - stat.valid},
              {"lost", lost},
              {"gaps", gaps},
              {"gap_records", account.gap_records},
              {"notes", account.notes},
              {"clock_corrections", account.clock_corrections},
              {"unaccounted", unaccounted.samples},
              {"merged_frames", merged_frames(coverage)},
              {"replaced_frames", coverage.replaced_frames},
              {"duplicate_frames", collector.duplicates(account.truth->id())},
              {"energy_source_units", to_decimal(truth.p)},
              {"energy_cloud_units", to_decimal(stat.p_sum)},
              {"energy_agent_units", account.stopped ? to_decimal(account.stopped->totals.p_sum) : ""},
              {"energy_j", integral(stat.p_sum, rate)},
              {"charge_c", integral(stat.i_sum, rate)},
              {"frame_bytes", account.frame_bytes},
              {"wave_bytes", wave.bytes},
              {"wave_frames_by_decimation", kept},
              {"hours", hours_of(account)},
              {"raw_bytes", wave.samples * 8},
              {"latency_p50_ms", percentile(account.latency_ms, 0.5)},
              {"latency_p99_ms", percentile(account.latency_ms, 0.99)}});
  return out;
}

int fail(const Error& error) {
  std::cerr << "account: " << error.message << "\n";
  return 3;
}

}  // namespace

// Every frame of a spool, as if it had been stored.
Status scan_spool(const std::string& directory, reader::FrameCollector& collector) {
  auto reader = spool::open_spool_reader(directory, spool::ReadMode::snapshot);
  if (!reader) return reader.error();
  const auto usage = (*reader)->usage();
  if (!usage) return usage.error();
  for (const spool::LaneUsage& lane : usage->lanes) {
    for (uint64_t after_seq = 0;;) {
      auto batch = (*reader)->read(lane.sequence, after_seq, std::nullopt, 256, 8 << 20);
      if (!batch) return batch.error();
      if (batch->empty()) break;
      after_seq = batch->back().info.id.seq;
      for (spool::StoredFrame& frame : *batch)
        collector.add({lane.sequence.device, "", frame.info.utc_end_ns, std::move(frame.bytes)});
    }
  }
  return {};
}

Status scan_kinesis(const sink::KinesisOptions& options, reader::FrameCollector& collector) {
  SystemClock clock;
  auto source = sink::make_kinesis_source(options, clock);
  if (!source) return source.error();
  return reader::scan_stream(**source, clock, {}, [&](sink::StoredRecord&& record) { collector.add(std::move(record)); });
}

int main(int argc, char** argv) {
  sink::KinesisOptions options;
  config::SettingsSources sources;
  sources.hostname = "account";
  std::string spool;
  bool instruments = false;
  for (int at = 1; at < argc; ++at) {
    const std::string flag = argv[at];
    if (flag == "--instruments") {
      instruments = true;
      continue;
    }
    const std::string value = at + 1 < argc ? argv[++at] : "";
    if (flag == "--spool") spool = value;
    else if (flag == "--endpoint") options.endpoint = value;
    else if (flag == "--region") options.region = value;
    else if (flag == "--stream") options.stream = value;
    else if (flag == "--device") sources.flags.emplace_back("device", value);
    else return fail({Errc::usage, "unknown option " + flag});
  }
  const auto loaded = config::load_settings(sources);
  if (!loaded) return fail(loaded.error());
  std::map<std::string, DeviceAccount> accounts;
  for (const auto& device : loaded->settings.devices) {
    auto truth = Truth::make(device);
    if (!truth) return fail(truth.error());
    const std::string id = (*truth)->id();
    accounts[id].truth = std::move(*truth);
  }

  Auditor auditor(accounts);
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) { auditor.add(frame); });
  if (const Status status = spool.empty() ? scan_kinesis(options, collector) : scan_spool(spool, collector); !status)
    return fail(status.error());
  collector.finish();

  json out = {
      {"records", collector.counters().records}, {"record_bytes", collector.counters().bytes}, {"devices", json::array()}};
  if (collector.counters().damaged_total() != 0) auditor.problems().push_back("damaged records in the stream");
  for (auto& [id, account] : accounts) {
    const auto at = auditor.coverage().devices().find(id);
    if (at == auditor.coverage().devices().end()) auditor.problems().push_back("nothing came of " + id);
    else out["devices"].push_back(report(account, at->second, collector, instruments));
  }
  out["problems"] = auditor.problems();
  bool well = auditor.problems().empty();
  for (const json& device : out["devices"]) well = well && device["problems"].empty();
  std::cout << out.dump(2) << std::endl;
  return well ? 0 : 1;
}
