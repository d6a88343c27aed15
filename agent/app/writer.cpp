#include "agent/app/writer.h"

#include <algorithm>
#include <utility>

#include "agent/base/log.h"

namespace joulespool::app {

namespace {

// A commit is made early when this much waits: 4 Mi samples are 32 MiB of i and v.
constexpr size_t pending_samples_max = 4 * 1024 * 1024;

// Names that cannot be a device's: so many are remembered, to say each once.
constexpr size_t refused_max = 100;

// Who the device is, if nobody says: "js220-001122" is js220, 001122.
wire::DeviceIdentity identity_of(const RingItem& item) {
  const auto* event = std::get_if<device::SourceEvent>(&item.what);
  if (event != nullptr && event->identity.id == item.device) return event->identity;
  const size_t dash = item.device.find('-');
  if (dash == std::string::npos) return {item.device, item.device, ""};
  return {item.device, item.device.substr(0, dash), item.device.substr(dash + 1)};
}

struct LogName {
  LogLevel level;
  const char* name;
};

std::optional<LogName> log_name(device::SourceEvent::Kind kind) {
  using Kind = device::SourceEvent::Kind;
  switch (kind) {
    case Kind::attached: return LogName{LogLevel::info, "device_attached"};
    case Kind::found: return LogName{LogLevel::info, "device_found"};
    case Kind::lost: return LogName{LogLevel::warning, "device_lost"};
    case Kind::trouble: return LogName{LogLevel::warning, "device_troubled"};
    case Kind::ended: return LogName{LogLevel::info, "device_ended"};
    case Kind::note: return LogName{LogLevel::info, "device_noted"};
    case Kind::gap:
    case Kind::statistics: return std::nullopt;
  }
  return std::nullopt;
}

void log_device_event(const std::string& device, const device::SourceEvent& event) {
  const auto as = log_name(event.kind);
  if (!as) return;
  if (event.firmware.empty()) log_event(as->level, as->name, {{"device", device}, {"detail", event.text}});
  else log_event(as->level, as->name, {{"device", device}, {"firmware", event.firmware}, {"detail", event.text}});
}

void move_frames(Cut& from, spool::Commit& to) {
  for (spool::NewFrame& frame : from.frames) to.frames.push_back(std::move(frame));
  from.frames.clear();
}

}  // namespace

Writer::Writer(WriterSettings settings, Clock& clock, SampleRing& ring, spool::SpoolWriter& spool,
               std::vector<std::unique_ptr<DevicePipeline>> pipelines, Listener listener, PipelineFactory make_pipeline)
    : settings_(settings),
      clock_(clock),
      ring_(ring),
      spool_(spool),
      pipelines_(std::move(pipelines)),
      listener_(std::move(listener)),
      make_pipeline_(std::move(make_pipeline)) {
  update_status();
}

DevicePipeline* Writer::pipeline(const std::string& device) {
  for (const auto& candidate : pipelines_)
    if (candidate->device().id == device) return candidate.get();
  return nullptr;
}

size_t Writer::pending_samples() const {
  size_t count = 0;
  for (const auto& pipeline : pipelines_) count += pipeline->pending_samples();
  return count;
}

// A device that nobody announced gets its pipeline; nullptr: it has no name that a frame could carry.
DevicePipeline* Writer::appear(const RingItem& item) {
  if (!make_pipeline_ || !wire::is_valid_id(item.device)) {
    if (const auto* event = std::get_if<device::SourceEvent>(&item.what)) log_device_event(item.device, *event);
    else if (refused_.size() < refused_max && refused_.insert(item.device).second)
      log_event(LogLevel::error, "device_refused", {{"device", item.device}});
    return nullptr;
  }
  pipelines_.push_back(make_pipeline_(identity_of(item)));
  return pipelines_.back().get();
}

DevicePipeline* Writer::pipeline_of(const RingItem& item) {
  DevicePipeline* const known = pipeline(item.device);
  if (known == nullptr) return appear(item);
  if (known->source() == source_absent) known->set_source(source_joulescope);
  return known;
}

void Writer::add(DevicePipeline& to, const device::SourceEvent& event) {
  const bool news = to.add(event);
  if (!news) return;
  const std::string& device = to.device().id;
  log_device_event(device, event);
  if (event.kind == device::SourceEvent::Kind::trouble && !to.has_axis())
    listener_.event(device, wire::DeviceNote{"trouble", event.text, 0});
}

void Writer::add(RingItem& item) {
  DevicePipeline* const to = pipeline_of(item);
  if (to == nullptr) return;
  if (const auto* event = std::get_if<device::SourceEvent>(&item.what)) return add(*to, *event);
  if (const auto* overrun = std::get_if<Overrun>(&item.what)) return to->add(*overrun);
  auto& block = std::get<OwnedBlock>(item.what);
  to->add(block);
  ring_.recycle(item.device, std::move(block));
}

void Writer::wait_for_samples(int64_t deadline_ns, const std::stop_token& stop) {
  if (unknown_) {
    clock_.wait_until(deadline_ns, stop);
    return;
  }
  if (auto item = ring_.pop_until(deadline_ns)) add(*item);
}

Status Writer::run(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { ring_.wake(); });
  const int64_t window_ns = settings_.commit_window_ms * ns_per_ms;
  int64_t deadline_ns = clock_.monotonic_ns() + window_ns;
  while (!stop.stop_requested() && !damaged_) {
    wait_for_samples(deadline_ns, stop);
    if (clock_.monotonic_ns() < deadline_ns && (unknown_ || pending_samples() < pending_samples_max)) continue;
    commit();
    deadline_ns = clock_.monotonic_ns() + window_ns;
  }
  if (damaged_) return *damaged_;
  while (auto item = ring_.pop_until(0)) {
    add(*item);
    if (!unknown_ && pending_samples() >= pending_samples_max) commit();
  }
  for (const auto& pipeline : pipelines_) pipeline->end("the agent stops");
  commit();
  if (damaged_) return *damaged_;
  return {};
}

void Writer::frames_stored(const std::vector<std::pair<wire::FrameSequence, wire::SeqRange>>& ranges) {
  const std::lock_guard lock(mutex_);
  for (const auto& [sequence, range] : ranges) {
    auto* last = inbox_.stored.empty() ? nullptr : &inbox_.stored.back();
    if (last != nullptr && last->first == sequence && last->second.last + 1 == range.first) last->second.last = range.last;
    else inbox_.stored.emplace_back(sequence, range);
  }
}

void Writer::frame_lost(const wire::FrameId& id, wire::GapReason reason, const std::string& detail) {
  const std::lock_guard lock(mutex_);
  inbox_.lost.push_back({id, reason, detail});
}

void Writer::record_lost_frame(const spool::FrameInfo& info, wire::GapReason reason, const std::string& detail) {
  DevicePipeline* of = pipeline(info.id.sequence.device);
  if (of == nullptr) return;
  wire::Gap gap;
  gap.reason = reason;
  gap.axis = info.axis;
  gap.sample_id_first = info.sample_id_first;
  gap.sample_id_end = info.sample_id_end;
  gap.utc_first_ns = info.utc_first_ns;
  gap.utc_end_ns = info.utc_end_ns;
  gap.lane = info.id.sequence.lane;
  gap.frames = wire::SeqRange{info.id.seq, info.id.seq};
  gap.detail = detail;
  gap.samples_lost = info.samples;
  if (info.id.sequence.epoch != spool_.epoch()) gap.epoch = info.id.sequence.epoch;
  of->record(std::move(gap));
}

// Frames that go because the budget is used up, with their gap records.
void Writer::make_room(spool::Commit& commit) {
  uint64_t bytes = 0;
  for (const spool::NewFrame& frame : commit.frames) bytes += frame.bytes.size();
  const auto plan = spool_.make_room({.bytes = bytes});
  if (!plan) return on_failed(plan.error());
  std::vector<spool::FrameInfo> victims = plan->drop;
  victims.insert(victims.end(), plan->merge.begin(), plan->merge.end());
  for (const spool::FrameInfo& victim : victims) {
    commit.dropped.push_back(victim.id);
    if (victim.state == spool::FrameState::queued)
      record_lost_frame(victim, wire::GapReason::evicted, "the spool's budget is used up");
  }
  if (!victims.empty()) log_event(LogLevel::warning, "frames_evicted", {{"frames", victims.size()}});
}

void Writer::collect(spool::Commit& commit, bool with_samples) {
  std::vector<Cut> cuts;
  for (const auto& pipeline : pipelines_) {
    Cut& cut = cuts.emplace_back(pipeline->cut(now(), with_samples));
    move_frames(cut, commit);
  }
  commit.stored = applying_.stored;
  for (const LostFrame& lost : applying_.lost) {
    const auto info = spool_.find(lost.id);
    if (!info && info.error().code != Errc::not_found) frame_lost(lost.id, lost.reason, lost.detail);  // later
    if (!info) continue;  // gone already
    commit.set_aside.push_back(lost.id);
    record_lost_frame(*info, lost.reason, lost.detail);
  }
  make_room(commit);
  for (size_t at = 0; at < cuts.size(); ++at) {
    pipelines_[at]->cut_events(now(), cuts[at]);  // of the frames that are lost
    move_frames(cuts[at], commit);
    if (cuts[at].position) commit.positions.push_back(*cuts[at].position);
  }
}

void Writer::take_inbox() {
  const std::lock_guard lock(mutex_);
  for (auto& range : std::exchange(inbox_.stored, {})) applying_.stored.push_back(std::move(range));
  for (auto& lost : std::exchange(inbox_.lost, {})) {  // of one frame both the uplink and the check may say so
    const auto same = [&](const LostFrame& other) { return other.id == lost.id; };
    if (std::none_of(applying_.lost.begin(), applying_.lost.end(), same)) applying_.lost.push_back(std::move(lost));
  }
}

void Writer::commit() {
  if (unknown_ && attempt(*std::exchange(unknown_, {}), true) != Outcome::stored) return;
  take_inbox();
  spool::Commit all;
  collect(all, true);
  if (all.empty()) return update_status();
  if (attempt(std::move(all), true) != Outcome::refused) return;
  spool::Commit small;  // without samples: acks free space, and the gap records are tiny
  collect(small, false);
  if (!small.empty()) attempt(std::move(small), false);
}

Writer::Outcome Writer::attempt(spool::Commit commit, bool with_samples) {
  const auto status = spool_.commit(commit);
  for (const std::string& notice : spool_.take_notices()) log_event(LogLevel::warning, "spool_noted", {{"notice", notice}});
  if (status) {
    on_committed(with_samples);
    return Outcome::stored;
  }
  on_failed(status.error());
  if (status.error().code == Errc::damaged) damaged_ = status.error();
  if (status.error().code == Errc::unreachable) {
    unknown_ = std::move(commit);
    return Outcome::unknown;
  }
  for (const auto& pipeline : pipelines_) pipeline->lost(wire::GapReason::disk_full, status.error().message);
  update_status();
  return Outcome::refused;
}

void Writer::on_committed(bool with_samples) {
  applying_ = {};
  {
    const std::lock_guard lock(mutex_);
    ++status_.commits;
    if (with_samples && !status_.spool_error.empty()) {
      log_event(LogLevel::info, "spool_recovered");
      status_.spool_error.clear();
    }
  }
  for (const auto& pipeline : pipelines_)
    for (const wire::Event& event : pipeline->committed()) listener_.event(pipeline->device().id, event);
  update_status();
  listener_.committed();
}

void Writer::on_failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  ++status_.commits_failed;
  if (status_.spool_error == error.message) return;  // say it once
  status_.spool_error = error.message;
  log_event(LogLevel::error, "spool_commit_failed", {{"error", error.message}});
}

void Writer::update_status() {
  auto usage = spool_.usage();
  const std::lock_guard lock(mutex_);
  if (usage) status_.usage = std::move(*usage);
  status_.devices.clear();
  for (const auto& pipeline : pipelines_) status_.devices.push_back(pipeline->status());
}

WriterStatus Writer::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace joulespool::app
