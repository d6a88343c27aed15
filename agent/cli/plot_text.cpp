#include <algorithm>
#include <cmath>

#include "agent/base/units.h"
#include "agent/cli/braille_raster.h"
#include "agent/cli/plot_picture.h"

namespace joulespool::cli {
namespace {

constexpr size_t label_columns = 14;  // "p  -123.4 mW |"
constexpr size_t other_rows = 5;      // title, two between the panels, time axis, footer

std::string right_aligned(std::string text, size_t columns) {
  if (text.size() < columns) text.insert(0, columns - text.size(), ' ');
  return text;
}

// At most so many bytes, and no character in half.
std::string cut(const std::string& text, size_t columns) {
  size_t end = std::min(columns, text.size());
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

size_t row_of(const Scale& scale, float value, size_t height) {
  const double from_top = (1 - scale.height(static_cast<double>(value))) * static_cast<double>(height - 1);
  return static_cast<size_t>(std::lround(from_top));
}

BrailleRaster curve(const Plot& plot, const PlotPanel& panel, const Scale& scale, const TextPlace& place) {
  BrailleRaster raster(place.columns, place.panel_rows);
  const auto& columns = plot.envelope.columns();
  for (size_t x = 0; x < std::min(columns.size(), raster.width()); ++x) {
    const Extent& extent = columns[x].*panel.signal;
    if (extent.is_empty()) continue;
    raster.fill(x, row_of(scale, extent.max, raster.height()), row_of(scale, extent.min, raster.height()));
  }
  return raster;
}

void add_panel(const Plot& plot, const PlotPanel& panel, const TextPlace& place, std::vector<std::string>& lines) {
  const Scale scale = scale_of(plot, panel);
  const BrailleRaster raster = curve(plot, panel, scale, place);
  for (size_t row = 0; row < place.panel_rows; ++row) {
    std::string label;
    if (row == 0) label = format_si(scale.high(), panel.unit);
    if (row + 1 == place.panel_rows) label = format_si(scale.low(), panel.unit);
    const std::string name = row == 0 ? panel.name : row == 1 && scale.is_logarithmic() ? "log" : "";
    lines.push_back(name + right_aligned(label, label_columns - 2 - name.size()) + " │" + raster.row(row));
  }
}

std::string time_axis(const Plot& plot, size_t columns) {
  std::string text(label_columns + columns, ' ');
  size_t free_from = 0;
  for (const TimeTick& tick : time_ticks(plot, std::max<size_t>(2, columns / 16))) {
    const size_t at = label_columns + static_cast<size_t>(tick.place * static_cast<double>(columns - 1));
    const std::string label = "'" + tick.text;
    if (at < free_from || at + label.size() > text.size()) continue;
    text.replace(at, label.size(), label);
    free_from = at + label.size() + 1;
  }
  return text;
}

}  // namespace

TextPlace text_place(size_t columns, size_t rows) {
  columns = std::max(columns, text_columns_min);
  rows = std::max(rows, text_rows_min);
  return {columns - label_columns, (rows - other_rows) / plot_panels.size()};
}

std::vector<std::string> draw_text(const Plot& plot, size_t columns, size_t rows) {
  const TextPlace place = text_place(columns, rows);
  std::vector<std::string> lines = {cut(plot.title, std::max(columns, text_columns_min))};
  for (const PlotPanel& panel : plot_panels) {
    if (&panel != &plot_panels.front()) lines.emplace_back();
    add_panel(plot, panel, place, lines);
  }
  lines.push_back(time_axis(plot, place.columns));
  lines.push_back(cut(plot.footer, std::max(columns, text_columns_min)));
  return lines;
}

}  // namespace joulespool::cli
