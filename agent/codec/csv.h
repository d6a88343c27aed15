// Windows and samples as CSV rows (RFC 4180, but lines end with \n): what both programs export.
// Floats are written in the shortest form that reads back as the same float32 (NaN: "nan"); sums are exact integers in the
// units of wire::Window; times are UTC with nanoseconds, empty where the frame has no time map.
#pragma once

#include <string>
#include <string_view>

#include "agent/wire/frame.h"
#include "agent/wire/window.h"

namespace joulespool::codec {

// Column names with a line end.
std::string_view window_csv_header();
std::string_view sample_csv_header();

// Add one row to `out`. `header` is that of the frame that holds it: device and time map.
// Means are of the valid samples, in A, V, W; empty if there is none.
void append_window_row(std::string& out, const wire::FrameHeader& header, const wire::Window& window);
void append_sample_row(std::string& out, const wire::FrameHeader& header, uint64_t sample_id, float i, float v, float p);

}  // namespace joulespool::codec
