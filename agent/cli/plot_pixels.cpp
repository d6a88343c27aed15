#include <algorithm>
#include <cmath>
#include <string_view>

#include "agent/base/units.h"
#include "agent/cli/pixel_font.h"
#include "agent/cli/plot_picture.h"

namespace joulespool::cli {
namespace {

struct Colour {
  uint8_t red, green, blue;
};
constexpr Colour black = {0, 0, 0}, grid = {225, 225, 225}, frame = {120, 120, 120};
constexpr std::array<Colour, 3> curve_colours = {{{200, 60, 20}, {20, 90, 200}, {20, 130, 60}}};
constexpr size_t margin_top = 30, margin_bottom = 50, between = 16;
constexpr size_t text_height = glyph_height * 2;  // letters are drawn twice as large

class Canvas {
 public:
  Canvas(size_t width, size_t height) : pixels_{width, height, std::vector<uint8_t>(width * height * 3, 255)} {}

  void set(size_t x, size_t y, Colour colour) {
    if (x >= pixels_.width || y >= pixels_.height) return;
    uint8_t* const pixel = &pixels_.rgb[(y * pixels_.width + x) * 3];
    pixel[0] = colour.red;
    pixel[1] = colour.green;
    pixel[2] = colour.blue;
  }
  void vertical(size_t x, size_t top, size_t bottom, Colour colour) {
    for (size_t y = top; y <= bottom; ++y) set(x, y, colour);
  }
  void horizontal(size_t left, size_t right, size_t y, Colour colour) {
    for (size_t x = left; x <= right; ++x) set(x, y, colour);
  }
  void text(size_t left, size_t top, std::string_view characters) {
    for (size_t at = 0; at < characters.size(); ++at)
      for (size_t row = 0; row < text_height; ++row)
        for (size_t column = 0; column < glyph_width * 2; ++column)
          if ((glyph_row(characters[at], row / 2) >> (glyph_width - 1 - column / 2) & 1) != 0)
            set(left + at * glyph_advance * 2 + column, top + row, black);
  }
  static size_t text_width(std::string_view characters) { return characters.size() * glyph_advance * 2; }
  Pixels take() { return std::move(pixels_); }

 private:
  Pixels pixels_;
};

struct Box {
  size_t left, top, width, height;
  [[nodiscard]] size_t right() const { return left + width - 1; }
  [[nodiscard]] size_t bottom() const { return top + height - 1; }
  [[nodiscard]] size_t y_of(double fraction) const {
    return bottom() - static_cast<size_t>(std::lround(fraction * static_cast<double>(height - 1)));
  }
};

void draw_panel(Canvas& canvas, const Plot& plot, size_t number, const Box& box) {
  const PlotPanel& panel = plot_panels[number];
  const Scale scale = scale_of(plot, panel);
  for (const double tick : scale.ticks(std::max<size_t>(2, box.height / 40))) {
    const size_t y = box.y_of(scale.height(tick));
    canvas.horizontal(box.left, box.right(), y, grid);
    const std::string text = format_si(tick, panel.unit);
    const size_t width = Canvas::text_width(text);
    canvas.text(box.left - std::min(box.left, width + 4), std::max(y, text_height / 2) - text_height / 2, text);
  }
  const auto& columns = plot.envelope.columns();
  for (size_t x = 0; x < std::min(columns.size(), box.width); ++x) {
    const Extent& extent = columns[x].*panel.signal;
    if (extent.is_empty()) continue;
    canvas.vertical(box.left + x, box.y_of(scale.height(static_cast<double>(extent.max))),
                    box.y_of(scale.height(static_cast<double>(extent.min))), curve_colours[number]);
  }
  canvas.vertical(box.left - 1, box.top, box.bottom(), frame);
  canvas.horizontal(box.left - 1, box.right(), box.bottom() + 1, frame);
  canvas.text(4, box.top, std::string(panel.name) + (scale.is_logarithmic() ? " log" : ""));
}

}  // namespace

Pixels draw_pixels(const Plot& plot, size_t width, size_t height) {
  Canvas canvas(width, height);
  const size_t panel_height = (height - margin_top - margin_bottom) / plot_panels.size() - between;
  const size_t panel_width = width - pixel_margin_left - pixel_margin_right;
  canvas.text(8, 8, plot.title);
  for (size_t number = 0; number < plot_panels.size(); ++number)
    draw_panel(canvas, plot, number,
               {pixel_margin_left, margin_top + number * (panel_height + between), panel_width, panel_height});
  const size_t axis_y = height - margin_bottom;
  for (const TimeTick& tick : time_ticks(plot, std::max<size_t>(2, panel_width / 150))) {
    const size_t x = pixel_margin_left + static_cast<size_t>(tick.place * static_cast<double>(panel_width - 1));
    canvas.vertical(x, axis_y - between, axis_y - between + 5, frame);
    const size_t half = Canvas::text_width(tick.text) / 2;
    canvas.text(std::min(x - half, width - 2 * half), axis_y - between + 8, tick.text);
  }
  canvas.text(8, height - text_height - 6, plot.footer);
  return canvas.take();
}

}  // namespace joulespool::cli
