// A picture of i, v and p over time: what is in it, and how it becomes text or pixels. Pure.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "agent/cli/plot_envelope.h"
#include "agent/cli/plot_scale.h"

namespace joulespool::cli {

struct Plot {
  std::string title;   // device, range, labels
  std::string footer;  // what it was drawn from, gaps
  Envelope envelope;
  bool current_is_logarithmic = false;
};

struct PlotPanel {
  const char* name;
  const char* unit;
  Extent Extents::*signal;
};
constexpr std::array<PlotPanel, 3> plot_panels = {{{"i", "A", &Extents::i}, {"v", "V", &Extents::v}, {"p", "W", &Extents::p}}};
Scale scale_of(const Plot& plot, const PlotPanel& panel);

// Ticks of the time axis: where (0 .. 1), and the time since its beginning ("250.0 ms").
struct TimeTick {
  double place = 0;
  std::string text;
};
std::vector<TimeTick> time_ticks(const Plot& plot, size_t count_max);

// What a text picture of so many columns and rows of characters has room for.
struct TextPlace {
  size_t columns = 0;     // characters that curves have
  size_t panel_rows = 0;  // of each of the three
};
constexpr size_t text_columns_min = 30, text_rows_min = 12;
TextPlace text_place(size_t columns, size_t rows);
// Lines of at most `columns` characters, at most `rows` of them; the envelope has two columns for each of text_place().columns.
std::vector<std::string> draw_text(const Plot& plot, size_t columns, size_t rows);

// Eight bits each of red, green and blue, row by row from the top.
struct Pixels {
  size_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};
constexpr size_t pixels_min = 200, pixels_max = 16384;
constexpr size_t pixel_margin_left = 130, pixel_margin_right = 20;
// The envelope has width - margins columns.
Pixels draw_pixels(const Plot& plot, size_t width, size_t height);

}  // namespace joulespool::cli
