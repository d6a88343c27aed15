#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "agent/cli/braille_raster.h"
#include "agent/cli/pixel_font.h"
#include "agent/cli/plot_envelope.h"
#include "agent/cli/plot_picture.h"
#include "tests/support/test_seed.h"

using namespace joulespool;
using namespace joulespool::cli;

namespace {

Extents equal(float value) { return {{value, value}, {value, value}, {value, value}}; }

Plot plot_of(Envelope envelope, bool is_logarithmic = false) {
  return {"js220-1  title", "footer", std::move(envelope), is_logarithmic};
}

size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

}  // namespace

TEST_CASE("plot: each column has the lowest and the highest of all values whose time overlaps it") {
  const uint64_t seed = test::first_seed();
  INFO("JOULESPOOL_TEST_SEED=" << seed);
  std::mt19937_64 engine(seed);
  const auto random = [&](uint64_t below) { return static_cast<int64_t>(engine() % below); };
  for (int round = 0; round < 200; ++round) {
    const int64_t first = random(1000) - 500, end = first + 1 + random(500);
    const size_t count = 1 + engine() % 40;
    Envelope envelope(first, end, count);
    std::vector<Extents> expected(count);
    for (int piece = 0; piece < 30; ++piece) {
      const int64_t begin = first - 20 + random(540), stop = begin + 1 + random(60);
      const auto low = static_cast<float>(random(100)), high = low + static_cast<float>(random(10));
      const Extents values{{low, high}, {-high, -low}, {low, low}};
      envelope.add(begin, stop, values);
      for (size_t column = 0; column < count; ++column) {
        // [begin, stop) and [column, column + 1) * span / count, both times count.
        const auto n = static_cast<int64_t>(count), k = static_cast<int64_t>(column), span = end - first;
        if ((begin - first) * n >= (k + 1) * span || (stop - first) * n <= k * span || begin >= end || stop <= first) continue;
        expected[column].i.add(values.i);
        expected[column].v.add(values.v);
        expected[column].p.add(values.p);
      }
    }
    REQUIRE(envelope.columns() == expected);
  }
}

TEST_CASE("plot: what is not measured leaves columns empty; NaN and infinities count for nothing; one value fills its time") {
  Envelope gap(0, 100, 10);
  gap.add(0, 30, equal(1));
  gap.add(70, 100, equal(2));
  gap.add(30, 70, equal(NAN));
  gap.add(30, 40, equal(INFINITY));
  for (size_t column = 0; column < 10; ++column) CHECK(gap.columns()[column].i.is_empty() == (column >= 3 && column < 7));
  CHECK(gap.all(&Extents::v) == Extent{1, 2});
  Envelope one(1000, 1001, 7);
  CHECK(one.is_empty());
  one.add(1000, 1000, equal(5));  // no time at all: at least 1 ns
  for (const Extents& column : one.columns()) CHECK(column.p == Extent{5, 5});
  one.add(1001, 2000, equal(9));
  one.add(-5, 1000, equal(9));
  CHECK(one.all(&Extents::p) == Extent{5, 5});
}

TEST_CASE("plot: scales hold their values, also equal ones, none, and on a logarithm what is not above 0") {
  const Scale linear = Scale::linear({-1, 3});
  CHECK(linear.height(-1) > 0);
  CHECK(linear.height(3) < 1);
  CHECK(linear.height(1) == doctest::Approx(0.5));
  CHECK(Scale::linear({2, 2}).height(2) == doctest::Approx(0.5));
  CHECK(Scale::linear({0, 0}).height(0) == doctest::Approx(0.5));
  CHECK(Scale::linear({}).high() == 1);
  const Scale logarithmic = Scale::logarithmic({-1, 1}, 1e-6F);
  CHECK(logarithmic.is_logarithmic());
  CHECK(logarithmic.height(-1) == 0);
  CHECK(logarithmic.height(1e-3) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(Scale::logarithmic({1e-30F, 1}, 1e-30F).low() > 1e-10);
  CHECK_FALSE(Scale::logarithmic({-2, -1}, INFINITY).is_logarithmic());
  CHECK(logarithmic.ticks(10).size() == 7);
  for (const Scale& scale : {linear, logarithmic, Scale::linear({2, 2}), Scale::linear({1e-9F, 3e-9F})}) {
    const auto ticks = scale.ticks(6);
    CHECK(ticks.size() >= 2);
    CHECK(ticks.size() <= 6);
    for (const double tick : ticks) CHECK((tick >= scale.low() && tick <= scale.high()));
  }
}

TEST_CASE("plot: points become Braille characters") {
  BrailleRaster raster(2, 1);
  CHECK(raster.row(0) == "  ");
  raster.set(0, 0);
  raster.set(3, 3);
  raster.set(4, 0);  // outside
  raster.set(0, 4);
  CHECK(raster.row(0) == "⠁⢀");
  raster.fill(1, 0, 3);
  CHECK(raster.row(0) == "⢹⢀");
}

TEST_CASE("plot: the text has the asked size, axes with units, and the curves where the values are") {
  const TextPlace place = text_place(80, 24);
  Envelope envelope(0, 1'000'000'000, place.columns * 2);
  envelope.add(0, 500'000'000, {{0, 0}, {3, 3}, {0, 0}});
  envelope.add(750'000'000, 1'000'000'000, {{0.1F, 0.1F}, {3, 3}, {0.3F, 0.3F}});
  const auto lines = draw_text(plot_of(envelope), 80, 24);
  CHECK(lines.size() <= 24);
  CHECK(lines.front() == "js220-1  title");
  CHECK(lines.back() == "footer");
  for (const std::string& line : lines) CHECK(characters(line) <= 80);
  CHECK(lines[1].starts_with("i   102.0 mA │"));
  CHECK(lines[place.panel_rows].starts_with("   -2.000 mA │"));
  // The low half lies at the bottom of its panel, the high quarter at its top, and between them nothing.
  const std::string top = lines[1].substr(lines[1].find("│") + 3),
                    bottom = lines[place.panel_rows].substr(lines[1].find("│") + 3);
  CHECK(top.starts_with(std::string(place.columns * 3 / 4 - 1, ' ')));
  CHECK(top.find("⠉⠉") != std::string::npos);
  CHECK(bottom.starts_with("⣀⣀⣀"));
  CHECK(characters(bottom) == place.columns);
  CHECK(bottom.ends_with(std::string(place.columns / 2 - 1, ' ')));
  CHECK(lines[lines.size() - 2].find("'0 s") != std::string::npos);
  CHECK(lines[lines.size() - 2].find("'500.0 ms") != std::string::npos);
}

TEST_CASE("plot: odd pictures are drawn too: nothing in it, one column, tiny, equal values, a logarithm of nothing") {
  for (const bool is_logarithmic : {false, true}) {
    CHECK(draw_text(plot_of(Envelope(0, 1, 1), is_logarithmic), 1, 1).size() <= text_rows_min);
    Envelope flat(0, 10, 500);
    flat.add(0, 10, equal(0));
    CHECK(draw_text(plot_of(flat, is_logarithmic), 200, 60).size() <= 60);
    CHECK(draw_pixels(plot_of(flat, is_logarithmic), pixels_min * 2, pixels_min).rgb.size() == pixels_min * 2 * pixels_min * 3);
  }
}

TEST_CASE("plot: pixels of a column are coloured from its highest to its lowest value, and a gap stays white") {
  const size_t width = 600, height = 400, columns = width - pixel_margin_left - pixel_margin_right;
  Envelope envelope(0, 1000, columns);
  envelope.add(0, 300, {{0, 1}, {1, 1}, {0, 1}});
  envelope.add(600, 1000, {{0.5F, 0.5F}, {1, 1}, {0.5F, 0.5F}});
  const Pixels pixels = draw_pixels(plot_of(envelope), width, height);
  REQUIRE(pixels.rgb.size() == width * height * 3);
  const auto coloured = [&](size_t column) {  // of the first panel
    size_t count = 0;
    for (size_t y = 30; y < 30 + 90; ++y) {
      const uint8_t* const pixel = &pixels.rgb[(y * width + pixel_margin_left + column) * 3];
      count += pixel[0] == 200 && pixel[1] == 60 && pixel[2] == 20 ? 1 : 0;
    }
    return count;
  };
  CHECK(coloured(10) > 80);
  CHECK(coloured(columns / 2) == 0);
  CHECK(coloured(columns - 10) == 1);
}

TEST_CASE("plot: every letter has a shape, and no two that look alike in texts have the same") {
  const auto shape = [](char character) {
    std::vector<uint8_t> rows;
    for (size_t row = 0; row < glyph_height; ++row) rows.push_back(glyph_row(character, row));
    return rows;
  };
  CHECK(shape(' ') == std::vector<uint8_t>(glyph_height));
  CHECK(shape('\n') == shape('?'));
  CHECK(shape(static_cast<char>(0xC3)) == shape('?'));
  for (char a = '!'; a <= '~'; ++a) {
    CHECK(shape(a) != shape(' '));
    for (char b = static_cast<char>(a + 1); b <= '~'; ++b) CHECK_MESSAGE(shape(a) != shape(b), a << b);
  }
}
