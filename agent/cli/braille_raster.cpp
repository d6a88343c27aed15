#include "agent/cli/braille_raster.h"

#include <array>

namespace joulespool::cli {
namespace {

// Bits of the points of a character: of the left column from the top, of the right one.
constexpr std::array<std::array<uint8_t, 4>, 2> point_bits = {{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

}  // namespace

void BrailleRaster::set(size_t x, size_t y) {
  if (x >= width() || y >= height()) return;
  uint8_t& cell = cells_[y / 4 * columns_ + x / 2];
  cell = static_cast<uint8_t>(cell | point_bits[x % 2][y % 4]);
}

void BrailleRaster::fill(size_t x, size_t y_top, size_t y_bottom) {
  for (size_t y = y_top; y <= y_bottom; ++y) set(x, y);
}

std::string BrailleRaster::row(size_t row) const {
  std::string text;
  for (size_t column = 0; column < columns_; ++column) {
    const uint8_t cell = cells_[row * columns_ + column];
    // U+2800 + cell in UTF-8.
    if (cell == 0) text += ' ';
    else text += {static_cast<char>(0xE2), static_cast<char>(0xA0 + (cell >> 6)), static_cast<char>(0x80 + (cell & 0x3F))};
  }
  return text;
}

}  // namespace joulespool::cli
