// What a picture is drawn from: windows or samples of one device, out of a spool.
#pragma once

#include <functional>
#include <string>

#include "agent/cli/frame_plan.h"
#include "agent/cli/plot_picture.h"

namespace joulespool::cli {

enum class PlotWhat { automatic, windows, samples };

struct PlotRequest {
  SequenceFilter filter;  // without a lane
  TimeFlags time;
  PlotWhat what = PlotWhat::automatic;
  size_t columns = 1;  // of the envelope
};

// Called with the bytes of each frame that was read, and before the first one with 0 and how many there will be.
using PlotProgress = std::function<void(uint64_t done, uint64_t total)>;

// Automatic: windows, unless the range has fewer of them than two for each column and the samples are there. Title and footer say
// what it became, and what is missing. Errors: usage (several devices, several axes without UTC), not_found (nothing in the
// range), damaged (nothing that can be read).
Result<Plot> make_plot(spool::SpoolReader& reader, const PlotRequest& request, const PlotProgress& progress);

}  // namespace joulespool::cli
