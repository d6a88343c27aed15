#include "agent/app/scrub.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/int128.h"
#include "agent/base/log.h"
#include "agent/wire/frame.h"

namespace joulespool::app {
namespace {

// One read: short, because it keeps a transaction open; at least a frame.
constexpr size_t frames_at_once = 64;
constexpr size_t bytes_at_once = 256 * 1024;
// A damaged frame costs the writer a file in the quarantine: as long as it takes to read so much.
constexpr uint64_t damaged_bytes = 64 * 1024;
// Until the spool is asked again after it could not be read, or had no time for us.
constexpr int64_t rest_ns = 10 * ns_per_s;

std::optional<std::string> damage_of(const spool::StoredFrame& frame) {
  if (!frame.intact) return "the stored bytes do not match their checksum";
  const auto read = wire::read_frame(frame.bytes);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&read)) return "no frame: " + std::string(wire::to_string(*defect));
  return std::nullopt;
}

}  // namespace

void ScrubPace::has_read(uint64_t bytes, int64_t now_ns) {
  const uint64_t rate = std::max<uint64_t>(settings_.bytes_per_s, 1);
  due_ns_ = now_ns + static_cast<int64_t>(static_cast<int128>(bytes) * ns_per_s / rate);
}

void ScrubPace::round_ends(int64_t now_ns) { due_ns_ = std::max(now_ns, round_ns_ + settings_.interval_ns); }

void ScrubPace::rests(int64_t now_ns) { due_ns_ = now_ns + rest_ns; }

Scrub::Scrub(ScrubSettings settings, Clock& clock, Surroundings surroundings)
    : settings_(settings), clock_(clock), surroundings_(std::move(surroundings)), pace_(settings, clock.monotonic_ns()) {
  status_.enabled = settings.interval_ns > 0;
}

void Scrub::run(const std::stop_token& stop) {
  if (settings_.interval_ns <= 0) return;
  int64_t due_ns = pace_.due_ns();
  while (clock_.wait_until(due_ns, stop)) due_ns = advance();
}

int64_t Scrub::advance() {
  if (clock_.monotonic_ns() < pace_.due_ns()) return pace_.due_ns();
  if (!surroundings_.may_read()) {
    rest("");
    return pace_.due_ns();
  }
  if (const Status begun = reader_ != nullptr ? Status{} : begin(); !begun) {
    rest(begun.error().message);
    return pace_.due_ns();
  }
  if (round_.at == round_.sequences.size()) {
    finish();
    return pace_.due_ns();
  }
  const auto bytes = read_portion();
  if (bytes) pace_.has_read(*bytes, clock_.monotonic_ns());
  else rest(bytes.error().message);
  return pace_.due_ns();
}

// Opens the spool: for a new round, or to go on after a rest.
Status Scrub::begin() {
  auto reader = surroundings_.open();
  if (!reader) return reader.error();
  if (round_.sequences.empty()) {
    const auto usage = (*reader)->usage();
    if (!usage) return usage.error();
    for (const spool::LaneUsage& lane : usage->lanes)
      if (lane.queued_frames + lane.kept_frames > 0) round_.sequences.push_back(lane.sequence);
    pace_.round_begins(clock_.monotonic_ns());
  }
  reader_ = std::move(*reader);
  const std::lock_guard lock(mutex_);
  status_.error.clear();
  return {};
}

Result<uint64_t> Scrub::read_portion() {
  const auto frames = reader_->read(round_.sequences[round_.at], round_.after_seq, std::nullopt, frames_at_once, bytes_at_once);
  if (!frames) return frames.error();
  uint64_t bytes = 0, cost = 0;
  for (const spool::StoredFrame& frame : *frames) {
    if (check(frame)) cost += damaged_bytes;
    bytes += frame.bytes.size();
    round_.after_seq = frame.info.id.seq;
  }
  if (frames->empty()) {
    ++round_.at;
    round_.after_seq = 0;
  }
  const std::lock_guard lock(mutex_);
  status_.frames_checked += frames->size();
  status_.bytes_checked += bytes;
  return bytes + cost;
}

// A frame whose segment goes while it is read looks damaged: then it is somewhere else now, or nowhere.
bool Scrub::check(const spool::StoredFrame& frame) {
  const wire::FrameId& id = frame.info.id;
  if (!damage_of(frame)) return false;
  const auto again = reader_->read(id.sequence, id.seq - 1, std::nullopt, 1, 0);
  if (!again || again->empty() || again->front().info.id != id) return false;
  const auto damage = damage_of(again->front());
  if (!damage) return false;
  ++damaged_in_round_;
  {
    const std::lock_guard lock(mutex_);
    ++status_.damaged_found;
  }
  surroundings_.damaged(id, *damage);
  return true;
}

void Scrub::finish() {
  reader_.reset();
  round_ = {};
  pace_.round_ends(clock_.monotonic_ns());
  const std::lock_guard lock(mutex_);
  ++status_.rounds;
  status_.last_finished_utc_ns = clock_.realtime_ns();
  log_event(damaged_in_round_ == 0 ? LogLevel::info : LogLevel::warning, "spool_checked",
            {{"damaged", std::exchange(damaged_in_round_, 0)}, {"frames_since_start", status_.frames_checked}});
}

void Scrub::rest(const std::string& why) {
  reader_.reset();
  pace_.rests(clock_.monotonic_ns());
  const std::lock_guard lock(mutex_);
  status_.error = why;
}

ScrubStatus Scrub::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace joulespool::app
