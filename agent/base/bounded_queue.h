// A queue between threads with a limit on the weight (bytes, samples) of what waits in it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace joulespool {

// Many producers, one or more consumers. push() never blocks: what does not fit is refused, and the caller counts it.
template <class T>
class BoundedQueue {
 public:
  // An item heavier than `weight_max` is still taken when the queue is empty, so that nothing is stuck for ever.
  explicit BoundedQueue(size_t weight_max) : weight_max_(weight_max) {}

  // False (item untouched) when it does not fit or the queue is closed.
  [[nodiscard]] bool push(T&& item, size_t weight = 1) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || (!items_.empty() && weight_ + weight > weight_max_)) return false;
      weight_ += weight;
      weight_peak_ = weight_ > weight_peak_ ? weight_ : weight_peak_;
      items_.emplace_back(std::move(item), weight);
    }
    filled_.notify_one();
    return true;
  }

  // The oldest item; waits for one until `deadline_ns` of the monotonic clock. Empty: timed out, or closed and drained.
  std::optional<T> pop_until(int64_t deadline_ns) {
    const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
    std::unique_lock lock(mutex_);
    filled_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    return take(lock);
  }

  std::optional<T> try_pop() {
    std::unique_lock lock(mutex_);
    return take(lock);
  }

  // Waits until `weight` more would fit, at most `timeout`. True if it fits now (another producer may be faster).
  bool wait_for_room(size_t weight, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return emptied_.wait_for(lock, timeout, [&] { return closed_ || items_.empty() || weight_ + weight <= weight_max_; });
  }

  // No more pushes; consumers drain what is there.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
    emptied_.notify_all();
  }

  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] size_t weight() const {
    const std::lock_guard lock(mutex_);
    return weight_;
  }
  [[nodiscard]] size_t weight_peak() const {
    const std::lock_guard lock(mutex_);
    return weight_peak_;
  }
  [[nodiscard]] size_t weight_max() const { return weight_max_; }

 private:
  std::optional<T> take(std::unique_lock<std::mutex>& lock) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front().first));
    weight_ -= items_.front().second;
    items_.pop_front();
    lock.unlock();
    emptied_.notify_all();
    return item;
  }

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable emptied_;
  std::deque<std::pair<T, size_t>> items_;
  const size_t weight_max_;
  size_t weight_ = 0;
  size_t weight_peak_ = 0;
  bool closed_ = false;
};

}  // namespace joulespool
