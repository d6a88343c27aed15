#include "cloud-bridge/app/ack_outbox.h"

namespace joulespool::bridge {

AckOutbox::Notes* AckOutbox::notes_of(const route::SourceSequence& source) {
  if (notes_ >= notes_max_) {
    ++dropped_;
    return nullptr;
  }
  const auto [host, fresh] = hosts_.try_emplace(source.host);
  if (fresh) turns_.push_back(source.host);
  Notes& notes = host->second[source.sequence];
  ++notes.count;
  ++notes_;
  return &notes;
}

void AckOutbox::add_stored(const route::SourceSequence& source, uint64_t seq) {
  if (Notes* notes = notes_of(source)) notes->stored.insert(seq, seq + 1);
}

void AckOutbox::add_rejected(const route::SourceSequence& source, uint64_t seq, const std::string& reason) {
  if (Notes* notes = notes_of(source)) notes->rejected[seq] = reason;
}

// Moves at most `room` ranges and rejections; the rest stays.
void AckOutbox::take_from(Notes& notes, wire::AckEntry& entry, size_t& room) {
  for (; room > 0 && !notes.rejected.empty(); --room) {
    const auto first = notes.rejected.begin();
    entry.rejected.push_back({first->first, first->second});
    notes.rejected.erase(first);
  }
  uint64_t taken_end = 0;
  for (const auto& range : notes.stored.intervals()) {
    if (room == 0) break;
    entry.stored.push_back({range.first, range.end - 1});
    taken_end = range.end;
    --room;
  }
  notes.stored.erase_below(taken_end);
}

std::optional<OutgoingAck> AckOutbox::take() {
  if (turns_.empty()) return std::nullopt;
  OutgoingAck ack{std::move(turns_.front()), {}};
  turns_.pop_front();
  HostNotes& sequences = hosts_[ack.host];
  size_t room = ack_ranges_max;
  while (room > 0 && !sequences.empty() && ack.entries.size() < ack_sequences_max) {
    const auto first = sequences.begin();
    ack.entries.push_back({first->first, {}, {}});
    take_from(first->second, ack.entries.back(), room);
    if (!first->second.stored.empty() || !first->second.rejected.empty()) break;
    notes_ -= first->second.count;
    sequences.erase(first);
  }
  if (sequences.empty()) hosts_.erase(ack.host);
  else turns_.push_back(ack.host);
  return ack;
}

}  // namespace joulespool::bridge
