#include "agent/cli/plot_picture.h"

#include <algorithm>
#include <limits>

#include "agent/base/units.h"

namespace joulespool::cli {

Scale scale_of(const Plot& plot, const PlotPanel& panel) {
  const Extent values = plot.envelope.all(panel.signal);
  const bool is_logarithmic = plot.current_is_logarithmic && panel.signal == &Extents::i;
  if (!is_logarithmic) return Scale::linear(values);
  float lowest = std::numeric_limits<float>::infinity();
  for (const Extents& column : plot.envelope.columns()) {
    const Extent& extent = column.*panel.signal;
    if (!extent.is_empty() && extent.max > 0) lowest = std::min(lowest, extent.min > 0 ? extent.min : extent.max);
  }
  return Scale::logarithmic(values, lowest);
}

std::vector<TimeTick> time_ticks(const Plot& plot, size_t count_max) {
  const double span_s = static_cast<double>(plot.envelope.end_ns() - plot.envelope.first_ns()) / 1e9;
  std::vector<TimeTick> ticks;
  for (const double at_s : round_ticks(0, span_s, count_max))
    ticks.push_back({at_s / span_s, at_s == 0 ? std::string("0 s") : format_si(at_s, "s")});
  return ticks;
}

}  // namespace joulespool::cli
