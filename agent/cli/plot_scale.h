// Values to heights, and where the ticks of an axis are. Pure.
#pragma once

#include <vector>

#include "agent/cli/plot_envelope.h"

namespace joulespool::cli {

class Scale {
 public:
  // Both ends of the values are within it, also where they are all equal; an empty extent is 0 .. 1.
  static Scale linear(const Extent& values);
  // What is not above 0 lies at the bottom: at most nine decades below the highest. `lowest_positive`: the smallest value above 0
  // that shall be within. Linear if nothing is above 0.
  static Scale logarithmic(const Extent& values, float lowest_positive);

  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }
  [[nodiscard]] bool is_logarithmic() const { return is_logarithmic_; }
  // 0 at the bottom, 1 at the top; limited to that.
  [[nodiscard]] double height(double value) const;
  // Round values (1, 2, 5 times a power of ten; powers of ten) within it, at most `count_max`.
  [[nodiscard]] std::vector<double> ticks(size_t count_max) const;

 private:
  double low_ = 0, high_ = 1;
  bool is_logarithmic_ = false;
};

// Multiples of 1, 2 or 5 times a power of ten in [low, high], at most `count_max`.
std::vector<double> round_ticks(double low, double high, size_t count_max);

}  // namespace joulespool::cli
