#include "cloud-bridge/batch/batcher.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace joulespool::batch {

void Batcher::add(HeldRecord&& record) {
  assert(can_take(record.partition_key, record.data.size()));
  held_bytes_ += record.weight();
  ++held_records_;
  std::deque<HeldRecord>& waiting = queues_[record.partition_key].waiting;
  waiting.push_back(std::move(record));
}

std::vector<Batcher::Queue*> Batcher::ready_queues(int64_t now_ns) {
  std::vector<Queue*> ready;
  for (auto& [key, queue] : queues_)
    if (!queue.in_flight && !queue.waiting.empty() && queue.retry_at_ns <= now_ns) ready.push_back(&queue);
  const auto older = [](const Queue* a, const Queue* b) {
    return a->waiting.front().held_since_ns < b->waiting.front().held_since_ns;
  };
  std::stable_sort(ready.begin(), ready.end(), older);
  return ready;
}

// False: nothing more of this queue may go, for a later record must not go instead.
bool Batcher::take_one(Queue& queue, Request& request, size_t& bytes) const {
  if (queue.waiting.empty() || request.records.size() >= limits_.request_records) return false;
  const size_t size = queue.waiting.front().size();
  if (!request.records.empty() && bytes + size > request_bytes_now_) return false;
  bytes += size;
  request.records.push_back(std::move(queue.waiting.front()));
  queue.waiting.pop_front();
  queue.in_flight = true;
  const bool was_last_again = queue.again == 1;
  if (queue.again > 0) --queue.again;
  return !was_last_again;
}

// Back to the front of its queue; of several, the last one first.
void Batcher::hold_on(HeldRecord&& record) {
  Queue& queue = queues_[record.partition_key];
  queue.waiting.push_front(std::move(record));
  ++queue.again;
}

std::optional<Request> Batcher::next_request(int64_t now_ns) {
  const bool probing = endpoint_failures_ > 0 && requests_in_flight() > 0;
  if (probing || now_ns < endpoint_retry_at_ns_) return std::nullopt;
  std::vector<Queue*> ready = ready_queues(now_ns);
  if (ready.empty()) return std::nullopt;
  const int64_t oldest_ns = ready.front()->waiting.front().held_since_ns;
  Request request{next_id_++, {}};
  size_t bytes = 0;
  while (!ready.empty()) std::erase_if(ready, [&](Queue* queue) { return !take_one(*queue, request, bytes); });
  oldest_in_flight_[request.id] = oldest_ns;
  return request;
}

int64_t Batcher::next_due_ns() const {
  int64_t due_ns = std::numeric_limits<int64_t>::max();
  if (endpoint_failures_ > 0 && requests_in_flight() > 0) return due_ns;
  for (const auto& [key, queue] : queues_)
    if (!queue.in_flight && !queue.waiting.empty()) due_ns = std::min(due_ns, std::max(queue.retry_at_ns, endpoint_retry_at_ns_));
  return due_ns;
}

// Stored records leave; the others go back to the front of their queues, in order.
void Batcher::settle(Request& request, std::span<const RecordOutcome> outcomes, Completed& completed) {
  for (size_t at = request.records.size(); at-- > 0;) {
    HeldRecord& record = request.records[at];
    if (outcomes[at] == RecordOutcome::stored) {
      held_bytes_ -= record.weight();
      --held_records_;
      completed.stored.push_back(std::move(record));
      continue;
    }
    ++(outcomes[at] == RecordOutcome::throttled ? completed.throttled : completed.failed);
    hold_on(std::move(record));
  }
  std::reverse(completed.stored.begin(), completed.stored.end());
}

// Per key of a request: was one stored, was one refused.
void Batcher::finish_keys(const std::map<std::string, std::pair<bool, bool>>& keys, int64_t now_ns) {
  for (const auto& [key, result] : keys) {
    const auto [any_stored, any_refused] = result;
    const auto found = queues_.find(key);
    Queue& queue = found->second;
    queue.in_flight = false;
    if (any_stored) queue.failures = 0;
    if (any_refused) queue.retry_at_ns = now_ns + backoff_ns(limits_.key_backoff, ++queue.failures, random_);
    if (queue.waiting.empty()) queues_.erase(found);
  }
}

Completed Batcher::on_outcomes(Request&& request, std::span<const RecordOutcome> outcomes, int64_t now_ns) {
  assert(outcomes.size() == request.records.size());
  endpoint_failures_ = 0;
  endpoint_retry_at_ns_ = 0;
  request_bytes_now_ = std::min(limits_.request_bytes, request_bytes_now_ * 2);
  oldest_in_flight_.erase(request.id);
  std::map<std::string, std::pair<bool, bool>> keys;
  for (size_t at = 0; at < outcomes.size(); ++at) {
    auto& [any_stored, any_refused] = keys[request.records[at].partition_key];
    (outcomes[at] == RecordOutcome::stored ? any_stored : any_refused) = true;
  }
  Completed completed;
  settle(request, outcomes, completed);
  finish_keys(keys, now_ns);
  return completed;
}

void Batcher::on_error(Request&& request, int64_t now_ns) {
  oldest_in_flight_.erase(request.id);
  if (now_ns >= endpoint_retry_at_ns_) {  // else: requests that failed together count once
    endpoint_retry_at_ns_ = now_ns + backoff_ns(limits_.endpoint_backoff, ++endpoint_failures_, random_);
    request_bytes_now_ = std::max(limits_.request_bytes_min, request_bytes_now_ / 2);
  }
  for (size_t at = request.records.size(); at-- > 0;) {
    queues_[request.records[at].partition_key].in_flight = false;
    hold_on(std::move(request.records[at]));
  }
}

std::optional<int64_t> Batcher::oldest_held_since_ns() const {
  std::optional<int64_t> oldest;
  const auto take = [&](int64_t ns) { oldest = oldest ? std::min(*oldest, ns) : ns; };
  for (const auto& [id, ns] : oldest_in_flight_) take(ns);
  for (const auto& [key, queue] : queues_)
    if (!queue.waiting.empty()) take(queue.waiting.front().held_since_ns);
  return oldest;
}

}  // namespace joulespool::batch
