#include "agent/uplink/drain.h"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace joulespool::uplink {
namespace {

// Frames of one device in a row before another device of the same lane has its turn.
constexpr size_t frames_per_turn = 8;

// The part of the window that a lane may fill, in eighths.
size_t share_of(wire::Lane lane, size_t window) {
  const size_t eighths = lane == wire::Lane::event ? 8 : lane == wire::Lane::stat ? 7 : 6;
  return std::max<size_t>(1, window * eighths / 8);
}

}  // namespace

// --- what happened ---

void Drain::connected(uint16_t receive_maximum) {
  disconnected();  // nothing of an earlier connection counts
  connected_ = true;
  publishes_max_ = std::clamp<size_t>(receive_maximum, 1, mqtt::publish_window_max);
}

void Drain::disconnected() {
  connected_ = false;
  publishes_.clear();
  far_end_.clear();
  rewind_all();
}

void Drain::bridge_said(const std::string& bridge, const wire::BridgeState& state) {
  if (far_end_.update(bridge, state)) rewind_all();
}

void Drain::published(uint64_t token, bool ok, int64_t now_ns) {
  const auto found = publishes_.find(token);
  if (found == publishes_.end()) return;
  const Publish publish = found->second;
  publishes_.erase(found);
  if (!ok) ++counts_.publishes_refused;
  Sequence* sequence = publish.frame ? find(publish.frame->sequence) : nullptr;
  if (sequence == nullptr) return;
  const auto flight = sequence->flights.find(publish.frame->seq);
  if (flight == sequence->flights.end() || flight->second.token != token) return;  // acked already, or from before a rewind
  if (ok) {
    flight->second.arrived_ns = now_ns;
    return;
  }
  rewind(*sequence);
  sequence->blocked_until_ns = now_ns + sequence->ack_timeout_ns;
  lengthen_timeout(*sequence);
}

void Drain::acked(const std::vector<wire::AckEntry>& entries, int64_t now_ns) {
  for (const wire::AckEntry& entry : entries) {
    Sequence* sequence = find(entry.sequence);
    if (sequence == nullptr) {
      ++counts_.acks_unknown;
      continue;
    }
    for (const wire::SeqRange& range : entry.stored) store(*sequence, range, now_ns);
    for (const wire::Rejection& rejection : entry.rejected) reject(*sequence, rejection);
  }
}

void Drain::store(Sequence& sequence, const wire::SeqRange& range, int64_t now_ns) {
  const uint64_t first_asked = std::max(range.first, sequence.held_from);
  const uint64_t end = std::min(range.last, sequence.seq_next - 1) + 1;
  if (first_asked >= end) {
    ++counts_.acks_unknown;
    return;
  }
  bool has_progress = sequence.flights.empty();
  for (auto flight = sequence.flights.lower_bound(first_asked); flight != sequence.flights.end() && flight->first < end;) {
    has_progress = has_progress || flight == sequence.flights.begin();
    flight = land(sequence, flight);
  }
  const auto news = sequence.done.missing(first_asked, end);
  for (const auto& [first, news_end] : news) {
    stored_.push_back({sequence.id, {first, news_end - 1}});
    if (first <= sequence.published_max) counts_.frames_acked += std::min(news_end, sequence.published_max + 1) - first;
  }
  sequence.done.insert(first_asked, end);
  if (!has_progress || news.empty()) return;
  sequence.progress_ns = now_ns;
  sequence.ack_timeout_ns = settings_.ack_timeout_ns;
}

void Drain::reject(Sequence& sequence, const wire::Rejection& rejection) {
  if (rejection.seq < sequence.held_from || rejection.seq >= sequence.seq_next || sequence.done.contains(rejection.seq)) return;
  if (const auto flight = sequence.flights.find(rejection.seq); flight != sequence.flights.end()) land(sequence, flight);
  sequence.done.insert(rejection.seq, rejection.seq + 1);
  rejected_.push_back({{sequence.id, rejection.seq}, rejection.reason});
  ++counts_.frames_rejected;
}

void Drain::spool_holds(const std::vector<spool::LaneUsage>& lanes, uint64_t present_epoch) {
  std::map<wire::FrameSequence, Sequence> held;
  for (const spool::LaneUsage& lane : lanes) {
    auto known = sequences_.extract(lane.sequence);
    Sequence sequence = known ? std::move(known.mapped()) : Sequence{};
    if (!known) sequence.ack_timeout_ns = settings_.ack_timeout_ns;
    sequence.id = lane.sequence;
    sequence.seq_next = std::max(sequence.seq_next, lane.seq_next);
    sequence.queued_frames = lane.queued_frames;
    sequence.is_present_epoch = lane.sequence.epoch == present_epoch;
    sequence.oldest_utc_ns = lane.oldest_queued_utc_ns;
    sequence.held_from = lane.queued_frames == 0 ? lane.seq_next : lane.seq_first;
    sequence.done.erase_below(sequence.held_from);
    held.emplace(lane.sequence, std::move(sequence));
  }
  for (auto& [id, gone] : sequences_) rewind(gone);  // for the window's sake
  sequences_ = std::move(held);
}

void Drain::tick(int64_t now_ns) {
  if (!far_end_.ready()) return;
  for (auto& [id, sequence] : sequences_) {
    if (now_ns >= sequence.blocked_until_ns) sequence.blocked_until_ns = INT64_MIN;
    const auto deadline = ack_deadline_ns(sequence);
    if (!deadline || now_ns < *deadline) continue;
    ++counts_.timeouts;
    rewind(sequence);
    lengthen_timeout(sequence);
  }
}

// --- what to do ---

std::optional<ReadRequest> Drain::next(int64_t now_ns) {
  if (!connected_ || !far_end_.ready() || publishes_.size() >= publishes_max_) return std::nullopt;
  const Sequence* best = nullptr;
  for (auto& [id, sequence] : sequences_) skip_done(sequence);
  for (const auto& [id, sequence] : sequences_)
    if (has_turn(sequence, now_ns) && (best == nullptr || is_before(sequence, *best))) best = &sequence;
  if (best == nullptr) return std::nullopt;
  turns_[{best->id.device, best->id.lane}] = ++turn_;
  const size_t frames_free = share_of(best->id.lane, settings_.window_frames) - frames_unacked_;
  const size_t bytes_share = share_of(best->id.lane, settings_.window_bytes);
  return ReadRequest{best->id, best->cursor, std::min({frames_per_turn, publishes_max_ - publishes_.size(), frames_free}),
                     bytes_share > bytes_unacked_ ? bytes_share - bytes_unacked_ : 1};
}

// Saves reading, after a rewind, what was acked and has not left the spool yet.
void Drain::skip_done(Sequence& sequence) {
  if (!sequence.done.contains(sequence.cursor + 1)) return;
  const auto open = sequence.done.missing(sequence.cursor + 1, std::max(sequence.seq_next, sequence.cursor + 1));
  sequence.cursor = open.empty() ? sequence.seq_next - 1 : open.front().first - 1;
  sequence.next_bytes = 0;
}

bool Drain::has_turn(const Sequence& sequence, int64_t now_ns) const {
  return sequence.cursor + 1 < sequence.seq_next && sequence.queued_frames > 0 && now_ns >= sequence.blocked_until_ns &&
         has_room(sequence, sequence.next_bytes);
}

bool Drain::has_room(const Sequence& sequence, size_t bytes) const {
  if (frames_unacked_ == 0) return true;
  return frames_unacked_ < share_of(sequence.id.lane, settings_.window_frames) &&
         bytes_unacked_ + bytes <= share_of(sequence.id.lane, settings_.window_bytes);
}

// Lane, then the device that has waited longest, then its oldest epoch.
bool Drain::is_before(const Sequence& a, const Sequence& b) const {
  const auto rank = [this](const Sequence& s) {
    const auto turn = turns_.find({s.id.device, s.id.lane});
    return std::tuple(s.id.lane, turn == turns_.end() ? 0 : turn->second, s.id.device, s.is_present_epoch, s.oldest_utc_ns);
  };
  return rank(a) < rank(b);
}

Offer Drain::offer(const wire::FrameId& id, size_t bytes, int64_t now_ns) {
  Sequence* sequence = find(id.sequence);
  if (sequence == nullptr || id.seq <= sequence->cursor) return {};
  if (sequence->done.contains(id.seq)) {
    sequence->cursor = id.seq;
    return {};
  }
  if (publishes_.size() >= publishes_max_ || !has_room(*sequence, bytes)) {
    sequence->next_bytes = bytes;
    return {.verdict = Offer::Verdict::wait};
  }
  const uint64_t token = next_token_++;
  const uint64_t previous = sequence->flights.empty() ? 0 : sequence->flights.rbegin()->first;
  publishes_[token] = {id, now_ns};
  sequence->flights[id.seq] = {bytes, token, std::nullopt};
  sequence->cursor = id.seq;
  sequence->next_bytes = 0;
  ++frames_unacked_;
  bytes_unacked_ += bytes;
  ++counts_.frames_published;
  counts_.bytes_published += bytes;
  if (id.seq <= sequence->published_max) ++counts_.frames_resent;
  sequence->published_max = std::max(sequence->published_max, id.seq);
  return {Offer::Verdict::publish, token, previous};
}

bool Drain::damaged(const wire::FrameId& id) {
  Sequence* sequence = find(id.sequence);
  if (sequence == nullptr || id.seq <= sequence->cursor) return false;
  sequence->cursor = id.seq;
  sequence->next_bytes = 0;
  return sequence->done.insert(id.seq, id.seq + 1) == 0;
}

void Drain::nothing_there(const ReadRequest& request) {
  Sequence* sequence = find(request.sequence);
  if (sequence != nullptr && sequence->cursor == request.after_seq) sequence->cursor = sequence->seq_next - 1;
}

std::optional<uint64_t> Drain::control_token(int64_t now_ns) {
  if (!connected_ || publishes_.size() >= publishes_max_) return std::nullopt;
  publishes_[next_token_] = {std::nullopt, now_ns};
  return next_token_++;
}

std::optional<int64_t> Drain::deadline_ns() const {
  std::optional<int64_t> earliest;
  if (!connected_ || !far_end_.ready()) return earliest;
  for (const auto& [id, sequence] : sequences_) {
    auto deadline = ack_deadline_ns(sequence);
    if (!deadline && sequence.flights.empty() && sequence.blocked_until_ns != INT64_MIN) deadline = sequence.blocked_until_ns;
    if (deadline && (!earliest || *deadline < *earliest)) earliest = deadline;
  }
  return earliest;
}

std::optional<int64_t> Drain::oldest_publish_ns() const {
  return publishes_.empty() ? std::nullopt : std::optional(publishes_.begin()->second.at_ns);
}

// --- inside ---

Drain::Sequence* Drain::find(const wire::FrameSequence& id) {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : &found->second;
}

// A flight ended, one way or the other.
Drain::Flights::iterator Drain::land(Sequence& sequence, Flights::iterator flight) {
  --frames_unacked_;
  bytes_unacked_ -= flight->second.bytes;
  return sequence.flights.erase(flight);
}

void Drain::rewind(Sequence& sequence) {
  if (sequence.flights.empty()) return;
  sequence.cursor = sequence.flights.begin()->first - 1;
  sequence.next_bytes = 0;
  for (auto flight = sequence.flights.begin(); flight != sequence.flights.end();) flight = land(sequence, flight);
}

void Drain::rewind_all() {
  for (auto& [id, sequence] : sequences_) {
    rewind(sequence);
    sequence.ack_timeout_ns = settings_.ack_timeout_ns;
    sequence.blocked_until_ns = INT64_MIN;
  }
}

void Drain::lengthen_timeout(Sequence& sequence) const {
  sequence.ack_timeout_ns = std::min(2 * sequence.ack_timeout_ns, settings_.ack_timeout_max_ns);
}

std::optional<int64_t> Drain::ack_deadline_ns(const Sequence& sequence) const {
  if (sequence.flights.empty() || !sequence.flights.begin()->second.arrived_ns) return std::nullopt;
  return std::max(*sequence.flights.begin()->second.arrived_ns, sequence.progress_ns) + sequence.ack_timeout_ns;
}

}  // namespace joulespool::uplink
