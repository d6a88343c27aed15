#include "cloud-bridge/cli/tail_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <vector>

#include "agent/base/stop_signals.h"
#include "agent/base/units.h"
#include "agent/codec/windows.h"
#include "agent/wire/event.h"
#include "agent/wire/replaced_frames.h"
#include "cloud-bridge/cli/stream_flags.h"
#include "cloud-bridge/reader/frame_collector.h"
#include "cloud-bridge/reader/stream_scan.h"

namespace joulespool::bridge_cli {
namespace {

// A frame that stands for others comes when the outage is over, at most as many frames later as a spool holds; a day of frames,
// each of a second, in some 10 MB.
constexpr size_t counted_max = 100'000;
constexpr int64_t poll_ms = 250;  // Kinesis answers five reads a second per shard, of all readers together

// Energy of the frames of one lane stat that were counted, so that it can be taken back when a frame comes that stands for them.
class CountedFrames {
 public:
  // What the sum of p changes by: nothing, if a frame that came before stands for this one.
  struct Change {
    int128 p_sum = 0;
    bool is_new = false;  // none of its samples was counted before
  };
  Change count(const wire::FrameHeader& header) {
    if (replaced_.contains(header)) return {};
    Change change{header.p_sum, true};
    replaced_.add(header);
    for (const auto& [epoch, seqs] : header.replaces) take_back(epoch, seqs, change);
    p_sums_[{header.epoch, header.seq}] = header.p_sum;
    order_.push_back({header.epoch, header.seq});
    if (order_.size() > counted_max) {
      p_sums_.erase(order_.front());
      order_.pop_front();
    }
    return change;
  }

 private:
  void take_back(uint64_t epoch, wire::SeqRange seqs, Change& change) {
    const auto first = p_sums_.lower_bound({epoch, seqs.first});
    const auto end = p_sums_.upper_bound({epoch, seqs.last});
    for (auto at = first; at != end; ++at) change = {wrapping_subtract(change.p_sum, at->second), false};
    p_sums_.erase(first, end);
  }

  std::map<std::pair<uint64_t, uint64_t>, int128> p_sums_;  // by epoch and seq
  std::deque<std::pair<uint64_t, uint64_t>> order_;
  wire::ReplacedFrameSet replaced_;
};

struct DeviceLine {
  wire::Window interval;           // what arrived since the last line, by the windows
  std::optional<int64_t> lag_ms;   // of the newest statistics: arrival in Kinesis - time of their last sample
  double energy_j = 0;             // since tail began
  uint64_t frames = 0, bytes = 0;  // of all lanes, since tail began
  uint64_t gaps = 0;               // records since tail began, and
  uint64_t samples_lost = 0;       // what they count for all lanes
  CountedFrames counted;
};

double mean(int128 sum, uint64_t valid) {
  return valid == 0 ? 0.0 : static_cast<double>(sum) / units_per_one / static_cast<double>(valid);
}

// What the lines say, without any input or output.
class Board {
 public:
  explicit Board(const TailOptions& options) : options_(options) {}

  void add(const reader::CollectedFrame& frame) {
    if (!options_.device.empty() && frame.header.device.id != options_.device) return;
    DeviceLine& line = lines_[frame.header.device.id];
    ++line.frames;
    line.bytes += frame.bytes.size();
    if (frame.header.lane == wire::Lane::stat) add_windows(frame, line);
    if (frame.header.lane == wire::Lane::event) add_gaps(frame, line);
  }

  void write(int64_t utc_ns, double seconds, const reader::FrameCollector& collector, std::ostream& out) {
    for (auto& [device, line] : lines_) {
      const std::string utc = format_utc(utc_ns, 0);
      const double rate_hz = static_cast<double>(line.interval.count) / seconds;
      const uint64_t duplicates = collector.duplicates(device);
      out << (options_.json ? json_line(utc, device, line, rate_hz, duplicates, collector)
                            : text_line(utc, device, line, rate_hz, duplicates))
          << '\n';
      line.interval = {};
    }
    out.flush();
  }

 private:
  static void add_windows(const reader::CollectedFrame& frame, DeviceLine& line) {
    const auto windows = codec::decode_windows(frame.payload(), frame.header.codec, frame.header.sample_id_first);
    if (!windows) return;
    const CountedFrames::Change change = line.counted.count(frame.header);
    line.energy_j += integral(change.p_sum, frame.header.axis.sample_rate_hz());
    if (!change.is_new) return;
    for (const wire::Window& window : *windows) line.interval.merge(window);
    if (frame.header.utc.quality != wire::UtcQuality::unknown)
      line.lag_ms = (frame.arrival_utc_ns - frame.header.utc.utc_ns_at(frame.header.sample_id_end)) / ns_per_ms;
  }

  static void add_gaps(const reader::CollectedFrame& frame, DeviceLine& line) {
    const auto events = wire::read_events(frame.payload());
    if (!events) return;
    for (const wire::Event& event : *events)
      if (const auto* gap = std::get_if<wire::Gap>(&event)) {
        ++line.gaps;
        if (!gap->lane) line.samples_lost += gap->samples_lost;
      }
  }

  static std::string text_line(const std::string& utc, const std::string& device, const DeviceLine& line, double rate_hz,
                               uint64_t duplicates) {
    const wire::Window& all = line.interval;
    const auto quantity = [&](int128 sum, const char* unit) {
      return all.valid == 0 ? "-" : format_si(mean(sum, all.valid), unit);
    };
    std::ostringstream text;
    text << utc << ' ' << std::left << std::setw(14) << device << std::right << std::setw(12) << format_si(rate_hz, "S/s")
         << "  lag " << std::setw(6) << (line.lag_ms ? std::to_string(*line.lag_ms) : "-") << " ms" << std::setw(11)
         << quantity(all.p_sum, "W") << std::setw(11) << quantity(all.i_sum, "A") << std::setw(11) << quantity(all.v_sum, "V")
         << "  energy " << std::setw(10) << format_si(line.energy_j, "J") << "  gaps " << line.gaps << " (" << line.samples_lost
         << " samples)  duplicates " << duplicates;
    return text.str();
  }

  static std::string json_line(const std::string& utc, const std::string& device, const DeviceLine& line, double rate_hz,
                               uint64_t duplicates, const reader::FrameCollector& collector) {
    const wire::Window& all = line.interval;
    const auto quantity = [&](int128 sum) { return all.valid == 0 ? nlohmann::json() : nlohmann::json(mean(sum, all.valid)); };
    return nlohmann::json{{"version", json_version},
                          {"utc", utc},
                          {"device", device},
                          {"samples_per_s", rate_hz},
                          {"lag_ms", line.lag_ms ? nlohmann::json(*line.lag_ms) : nlohmann::json()},
                          {"power_w", quantity(all.p_sum)},
                          {"current_a", quantity(all.i_sum)},
                          {"voltage_v", quantity(all.v_sum)},
                          {"energy_j", line.energy_j},
                          {"frames", line.frames},
                          {"bytes", line.bytes},
                          {"gaps", line.gaps},
                          {"samples_lost", line.samples_lost},
                          {"duplicates", duplicates},
                          {"damaged_records", collector.counters().damaged_total()}}
        .dump();
  }

  const TailOptions& options_;
  std::map<std::string, DeviceLine> lines_;
};

// The open shards of a stream. New ones (after a split or merge) are opened when one of their parents has ended.
class Shards {
 public:
  Shards(sink::RecordSource& source, Clock& clock) : source_(source), clock_(clock) {}

  Status open(sink::StartAt start) {
    const auto all = source_.shards();
    if (!all) return all.error().in("list shards");
    for (const std::string& shard : *all) {
      if (std::find(known_.begin(), known_.end(), shard) != known_.end()) continue;
      JOULESPOOL_TRY(source_.open(shard, start), "open " + shard);
      known_.push_back(shard);
      open_.push_back(shard);
    }
    return {};
  }

  // One read of every open shard; true if any has more right now.
  Result<bool> read(std::stop_token stop, reader::FrameCollector& collector) {
    bool more = false;
    bool ended = false;
    for (size_t at = 0; at < open_.size();) {
      auto batch = reader::read_patiently(source_, open_[at], clock_, stop);
      if (!batch) return batch.error().in("read " + open_[at]);
      for (sink::StoredRecord& record : batch->records) collector.add(std::move(record));
      more = more || (batch->behind_ms > 0 && !batch->records.empty());
      ended = ended || batch->closed;
      if (batch->closed) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
      else ++at;
    }
    if (ended) JOULESPOOL_TRY(open(sink::StartAt::oldest), "after the end of a shard");
    return more;
  }

 private:
  sink::RecordSource& source_;
  Clock& clock_;
  std::vector<std::string> known_;
  std::vector<std::string> open_;
};

Status follow(const TailOptions& options, Shards& shards, Board& board, reader::FrameCollector& collector, Clock& clock,
              std::stop_token stop, std::ostream& out) {
  const int64_t interval_ns = options.interval_ms * ns_per_ms;
  int64_t last_ns = clock.monotonic_ns();
  uint64_t rounds = 0;
  while (!stop.stop_requested() && out) {
    const auto more = shards.read(stop, collector);
    if (!more) return more.error();
    const int64_t line_ns = last_ns + interval_ns;
    if (!*more) clock.wait_until(std::min(clock.monotonic_ns() + poll_ms * ns_per_ms, line_ns), stop);
    const int64_t now_ns = clock.monotonic_ns();
    if (now_ns < line_ns) continue;
    board.write(clock.realtime_ns(), static_cast<double>(now_ns - last_ns) / 1e9, collector, out);
    last_ns = now_ns;
    if (++rounds == options.rounds_max) return {};
  }
  return {};
}

}  // namespace

Result<ExitCode> run_tail(const TailOptions& options, sink::RecordSource& source, const Surroundings& surroundings,
                          std::stop_token stop) {
  Board board(options);
  // Sums do not need an order: a frame counts when it comes.
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) { board.add(frame); }, {.held_frames_max = 0});
  Shards shards(source, surroundings.clock);
  Status status = shards.open(options.start);
  if (status) status = follow(options, shards, board, collector, surroundings.clock, stop, surroundings.out);
  if (!status && status.error().code != Errc::cancelled) return status.error().in("tail");
  return exit_ok;
}

Action add_tail(CLI::App& app, const Surroundings& surroundings) {
  const auto options = std::make_shared<TailOptions>();
  const auto flags = SettingsFlags::add(app, SettingsFlags::Which::reading);
  app.add_option("--device", options->device, "Id of the device; without it: all");
  app.add_option("--interval-ms", options->interval_ms, "Time from line to line")
      ->check(CLI::Range(int64_t{100}, int64_t{3'600'000}))
      ->type_name("MS")
      ->capture_default_str();
  app.add_option("--rounds", options->rounds_max, "End after so many intervals; 0: go on until stopped")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--json", options->json, "A JSON object per line");
  app.add_flag_callback(
      "--from-oldest", [options] { options->start = sink::StartAt::oldest; },
      "Begin with the oldest record, not with what arrives now");
  app.footer(
      "A frame whose windows were merged during a long outage stands for older ones, of which some may have arrived before. The\n"
      "energy counts each sample once: what was counted of them is taken back (of the newest 100000 frames). A line's power, "
      "current,\n"
      "voltage and rate are those of what arrived, and a line is not taken back: a merged frame is in them only if nothing that "
      "it\n"
      "stands for was counted before, and a replaced frame that arrives later is not.");
  return [options, flags, &surroundings]() -> Result<ExitCode> {
    const StopSignals signals;
    const auto source = open_stream(*flags, surroundings);
    if (!source) return source.error();
    return run_tail(*options, **source, surroundings, signals.token());
  };
}

}  // namespace joulespool::bridge_cli
