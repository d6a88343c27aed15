#include "agent/app/writer.h"

#include <algorithm>
#include <utility>

#include "agent/app/lost_frames.h"
#include "agent/app/merge_frames.h"
#include "agent/base/log.h"

namespace joulespool::app {

namespace {

// A commit is made early when this much waits: 4 Mi samples are 32 MiB of i and v. They take at most a sixteenth of the budget.
size_t pending_samples_max_for(uint64_t budget_bytes) {
  constexpr uint64_t samples_max = 4ULL * 1024 * 1024, sample_bytes = 8;
  return std::min(samples_max, budget_bytes / 16 / sample_bytes);
}

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

// Acked, or set aside.
bool leaves_with(const spool::Commit& commit, const wire::FrameId& id) {
  const auto acked = [&](const auto& stored) {
    return stored.first == id.sequence && stored.second.first <= id.seq && id.seq <= stored.second.last;
  };
  return std::any_of(commit.stored.begin(), commit.stored.end(), acked) ||
         std::find(commit.set_aside.begin(), commit.set_aside.end(), id) != commit.set_aside.end();
}

}  // namespace

Writer::Writer(WriterSettings settings, Clock& clock, SampleRing& ring, spool::SpoolWriter& spool,
               std::vector<std::unique_ptr<DevicePipeline>> pipelines, Listener listener, PipelineFactory make_pipeline)
    : settings_(settings),
      pending_samples_max_(pending_samples_max_for(settings.budget_bytes)),
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

void Writer::run(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { ring_.wake(); });
  const int64_t window_ns = settings_.commit_window_ms * ns_per_ms;
  int64_t deadline_ns = clock_.monotonic_ns() + window_ns;
  while (!stop.stop_requested()) {
    wait_for_samples(deadline_ns, stop);
    if (clock_.monotonic_ns() < deadline_ns && (unknown_ || pending_samples() < pending_samples_max_)) continue;
    commit();
    deadline_ns = clock_.monotonic_ns() + window_ns;
  }
  while (auto item = ring_.pop_until(0)) {
    add(*item);
    if (!unknown_ && pending_samples() >= pending_samples_max_) commit();
  }
  for (const auto& pipeline : pipelines_) pipeline->end("the agent stops");
  commit();
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

// Frames that follow each other have one record together: an outage must not fill the disk with records.
void Writer::record_lost_frames(const std::vector<spool::FrameInfo>& frames, wire::GapReason reason, const std::string& detail) {
  std::map<wire::FrameSequence, wire::Gap> open;
  const auto close = [&](const std::string& device, wire::Gap& gap) {
    gap.replaced = joined(std::move(gap.replaced));
    pipeline(device)->record(std::move(gap));
  };
  for (const spool::FrameInfo& frame : frames) {
    const wire::FrameSequence& sequence = frame.id.sequence;
    if (pipeline(sequence.device) == nullptr) continue;
    wire::Gap gap = gap_of(frame, spool_.epoch(), reason, detail);
    gap.replaced = replaced_by(spool_, frame);
    const auto [last, first] = open.try_emplace(sequence, gap);
    if (first || extend(last->second, gap)) continue;
    close(sequence.device, last->second);
    last->second = std::move(gap);
  }
  for (auto& [sequence, gap] : open) close(sequence.device, gap);
}

void Writer::evict(const std::vector<spool::FrameInfo>& frames, const char* why, spool::Commit& commit) {
  std::vector<spool::FrameInfo> waiting;
  for (const spool::FrameInfo& frame : frames) {
    commit.dropped.push_back(frame.id);
    if (frame.state == spool::FrameState::queued) waiting.push_back(frame);
  }
  record_lost_frames(waiting, wire::GapReason::evicted, why);
  freed_.evicted += frames.size();
}

// Waiting windows lose resolution, and no energy.
void Writer::merge(std::vector<spool::FrameInfo> frames, spool::Commit& commit, std::vector<Cut>& cuts) {
  if (frames.empty()) return;
  const auto of = std::find_if(pipelines_.begin(), pipelines_.end(),
                               [&](const auto& each) { return each->device().id == frames.front().id.sequence.device; });
  if (of == pipelines_.end()) return;
  auto merged = merge_frames(spool_, frames, (*of)->coarsening());
  if (!merged) return on_failed(merged.error());
  freed_.merged += merged->replaced.size();
  freed_.merged_into += merged->frames.size();
  Cut& cut = cuts[static_cast<size_t>(of - pipelines_.begin())];
  (*of)->add_merged(std::move(merged->frames), static_cast<uint8_t>(frames.front().level + 1), now(), cut);
  move_frames(cut, commit);
  for (const spool::FrameInfo& frame : merged->replaced) commit.dropped.push_back(frame.id);
  for (const spool::FrameInfo& frame : merged->damaged) commit.set_aside.push_back(frame.id);
  record_lost_frames(merged->damaged, wire::GapReason::corrupt, "the stored bytes cannot be read");
  evict(merged->refused, "no room, and these windows cannot be merged", commit);
}

// For the commit's frames; what it takes from the spool anyway stays as it is. Without samples nothing is merged: it was in vain.
void Writer::make_room(spool::Commit& commit, std::vector<Cut>& cuts, bool with_samples) {
  freed_ = {};
  spool::RoomRequest request;
  for (const spool::NewFrame& frame : commit.frames) request.bytes += frame.bytes.size();
  if (const int64_t utc_ns = clock_.realtime_ns(); utc_ns >= wire::plausible_utc_ns) request.now_utc_ns = utc_ns;
  if (listener_.published) request.published = listener_.published();
  auto plan = spool_.make_room(request);
  if (!plan) return on_failed(plan.error());
  for (std::vector<spool::FrameInfo>* frames : {&plan->drop, &plan->merge})
    std::erase_if(*frames, [&](const spool::FrameInfo& frame) { return leaves_with(commit, frame.id); });
  if (with_samples) merge(std::move(plan->merge), commit, cuts);
  evict(plan->drop, "the spool's budget is used up, or they are older than allowed", commit);
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
    if (!info) continue;                                                                               // gone already
    commit.set_aside.push_back(lost.id);
    record_lost_frames({*info}, lost.reason, lost.detail);
  }
  make_room(commit, cuts, with_samples);
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
  if (status.error().code == Errc::unreachable) {
    unknown_ = std::move(commit);
    return Outcome::unknown;
  }
  for (const auto& pipeline : pipelines_) pipeline->lost(wire::GapReason::disk_full, status.error().message);
  update_status();
  return Outcome::refused;
}

void Writer::count_freed() {
  const Freed freed = std::exchange(freed_, {});
  if (freed.merged > 0) log_event(LogLevel::warning, "frames_merged", {{"frames", freed.merged}, {"into", freed.merged_into}});
  if (freed.evicted > 0) log_event(LogLevel::warning, "frames_evicted", {{"frames", freed.evicted}});
  const std::lock_guard lock(mutex_);
  status_.frames_merged += freed.merged;
  status_.frames_evicted += freed.evicted;
}

void Writer::on_committed(bool with_samples) {
  applying_ = {};
  count_freed();
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
