#include "agent/cli/plot_scale.h"

#include <algorithm>
#include <cmath>

namespace joulespool::cli {
namespace {

constexpr double decades_max = 9;

}  // namespace

Scale Scale::linear(const Extent& values) {
  Scale scale;
  if (values.is_empty()) return scale;
  scale.low_ = static_cast<double>(values.min);
  scale.high_ = static_cast<double>(values.max);
  const double size = std::max(std::fabs(scale.low_), std::fabs(scale.high_));
  const double span = scale.high_ - scale.low_;
  // A line of equal values lies in the middle; others have a little air.
  const double air = span > size * 1e-6 ? span * 0.02 : (size > 0 ? size * 0.05 : 0.5);
  scale.low_ -= air;
  scale.high_ += air;
  return scale;
}

Scale Scale::logarithmic(const Extent& values, float lowest_positive) {
  if (values.is_empty() || !(values.max > 0) || !(lowest_positive > 0)) return linear(values);
  Scale scale;
  scale.is_logarithmic_ = true;
  scale.high_ = static_cast<double>(values.max) * 1.1;
  scale.low_ = std::max(static_cast<double>(lowest_positive) / 1.1, scale.high_ * std::pow(10, -decades_max));
  return scale;
}

double Scale::height(double value) const {
  if (!is_logarithmic_) return std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
  if (!(value > low_)) return 0;
  return std::min(1.0, std::log(value / low_) / std::log(high_ / low_));
}

std::vector<double> round_ticks(double low, double high, size_t count_max) {
  const double least = (high - low) / static_cast<double>(std::max<size_t>(count_max, 1));
  if (!(least > 0) || !std::isfinite(least)) return {};
  const double decade = std::pow(10, std::floor(std::log10(least)));
  double step = decade * 10;
  for (const double factor : {5.0, 2.0, 1.0})
    if (decade * factor >= least) step = decade * factor;
  std::vector<double> ticks;
  for (double number = std::ceil(low / step); number * step <= high && ticks.size() < count_max; ++number)
    ticks.push_back(number * step + 0.0);  // no -0
  return ticks;
}

std::vector<double> Scale::ticks(size_t count_max) const {
  if (!is_logarithmic_) return round_ticks(low_, high_, count_max);
  std::vector<double> ticks;
  const double first = std::ceil(std::log10(low_)), last = std::floor(std::log10(high_));
  const double every = std::max(1.0, std::ceil((last - first + 1) / static_cast<double>(std::max<size_t>(count_max, 1))));
  for (double decade = first; decade <= last; decade += every) ticks.push_back(std::pow(10, decade));
  if (ticks.size() >= 2) return ticks;
  return round_ticks(low_, high_, count_max);
}

}  // namespace joulespool::cli
