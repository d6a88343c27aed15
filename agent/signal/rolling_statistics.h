// Statistics over the last N windows, kept up to date as windows come.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/signal/rank_tree.h"
#include "agent/wire/window.h"

namespace joulespool::signal {

enum class Quantity : uint8_t { current, voltage, power };  // A, V, W

// A window that comes when N are there takes the place of the oldest. Sums, counts and extremes are exact: total() has at any
// time the bits of the windows merged one by one, oldest first. Adding a window takes O(log N) time for the quantiles and O(1),
// amortised, for all else; no memory is asked for after construction. Pure: one thread, no clock.
class RollingStatistics {
 public:
  static constexpr uint32_t windows_max = 1U << 20;  // 17 minutes of windows of 1 ms, in 330 MB

  // N, from 1 to windows_max; what is beyond is cut to that.
  explicit RollingStatistics(uint32_t windows);

  // The next window of the same axis, later than all before. One without samples (count 0) is passed over.
  void add(const wire::Window& window);
  void clear();

  // Windows held, at most N.
  [[nodiscard]] uint32_t size() const { return size_; }
  // All windows held as one: count, valid, sums, extremes (infinite if no sample is valid).
  [[nodiscard]] const wire::Window& total() const { return total_; }
  // Over the valid samples; none if there is none. The sums are exact, what is returned is rounded.
  [[nodiscard]] std::optional<double> mean(Quantity quantity) const;
  // Root of the mean square. Not of power, for which windows have no squares.
  [[nodiscard]] std::optional<double> rms(Quantity quantity) const;
  // The integrals over the valid samples, for people: total() has them as integers, in 2^-31 A and W times samples.
  [[nodiscard]] double charge_c(double sample_rate_hz) const;
  [[nodiscard]] double energy_j(double sample_rate_hz) const;

  // The q-quantile (0 <= q <= 1) of the windows' means: with the n means in ascending order x[0] .. x[n-1] and h = (n - 1) q, the
  // linear interpolation x[floor h] + (h - floor h) (x[floor h + 1] - x[floor h]): definition 7 of Hyndman and Fan, Sample
  // quantiles in statistical packages, 1996 (R's and NumPy's default). 0.5 is the median, 0 and 1 are the extremes of the means.
  // A window's mean is the double quotient sum / valid, which is the exact mean rounded once as long as the sum is below 2^53 (2
  // s of 1 A at 2 MS/s). Each window counts once, however many samples it has; one without valid samples has no mean and does not
  // count. None if no window has, or q is out of range.
  [[nodiscard]] std::optional<double> quantile(Quantity quantity, double q) const;
  [[nodiscard]] std::optional<double> median(Quantity quantity) const { return quantile(quantity, 0.5); }

 private:
  // The smallest of what the sliding window holds, by a queue of those that have no smaller one behind them.
  class SlidingMin {
   public:
    explicit SlidingMin(uint32_t slots) : ring_(slots) {}
    void clear() { first_ = size_ = 0; }
    void add(uint64_t number, float value);
    void drop(uint64_t number);  // of the oldest window
    [[nodiscard]] float value() const;

   private:
    struct Entry {
      uint64_t number = 0;  // of the window
      float value = 0;
    };
    [[nodiscard]] const Entry& entry(uint32_t at) const { return ring_[(first_ + at) % ring_.size()]; }
    std::vector<Entry> ring_;
    uint32_t first_ = 0, size_ = 0;
  };

  [[nodiscard]] uint32_t slots() const { return static_cast<uint32_t>(windows_.size()); }
  [[nodiscard]] uint32_t slot_of(uint64_t number) const { return static_cast<uint32_t>(number % windows_.size()); }
  RankTree& tree_of(Quantity quantity) { return means_[static_cast<size_t>(quantity)]; }
  void drop_oldest();
  void set_extremes();

  std::vector<wire::Window> windows_;  // a ring; window `number` is in slot number % N
  uint64_t next_ = 0;                  // number of the next window
  uint32_t size_ = 0;
  wire::Window total_;
  std::array<SlidingMin, 6> extremes_;  // min and max of i, v, p; maxima with the sign turned
  std::array<RankTree, 3> means_;       // by Quantity, in units
};

}  // namespace joulespool::signal
