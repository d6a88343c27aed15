#include "cloud-bridge/route/router.h"

#include <algorithm>

namespace joulespool::route {

std::string partition_key(const wire::FrameSequence& sequence) { return sequence.device; }

Decision Router::judge(const SourceSequence& source, uint64_t seq, uint64_t prev) {
  const auto found = states_.find(source);
  if (found == states_.end()) return prev == 0 ? Decision::accept : Decision::out_of_order;
  const State& state = found->second;
  use_order_.splice(use_order_.end(), use_order_, state.use);
  if (state.stored.contains(seq)) return Decision::duplicate_stored;
  if (state.in_flight.contains(seq)) return Decision::duplicate_in_flight;
  return prev <= state.highest ? Decision::accept : Decision::out_of_order;
}

void Router::on_accepted(const SourceSequence& source, uint64_t seq) {
  State& state = state_of(source);
  state.highest = std::max(state.highest, seq);
  state.in_flight.insert(seq);
}

void Router::on_stored(const SourceSequence& source, uint64_t seq) {
  State& state = state_of(source);
  state.in_flight.erase(seq);
  state.stored.insert(seq, seq + 1);
  if (state.highest > stored_span_max) state.stored.erase_below(state.highest - stored_span_max);
}

void Router::on_rejected(const SourceSequence& source, uint64_t seq) { state_of(source).in_flight.erase(seq); }

Router::State& Router::state_of(const SourceSequence& source) {
  const auto found = states_.find(source);
  if (found != states_.end()) return found->second;
  forget_unused();
  State& state = states_[source];
  state.use = use_order_.insert(use_order_.end(), source);
  return state;
}

void Router::forget_unused() {
  for (auto at = use_order_.begin(); states_.size() >= sequences_max_ && at != use_order_.end();) {
    const auto found = states_.find(*at);
    if (!found->second.in_flight.empty()) {
      ++at;
      continue;
    }
    at = use_order_.erase(at);
    states_.erase(found);
    ++forgotten_;
  }
}

}  // namespace joulespool::route
