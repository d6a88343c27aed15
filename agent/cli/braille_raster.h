// Points in characters: each holds 2 x 4 (Unicode's Braille patterns). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace joulespool::cli {

class BrailleRaster {
 public:
  // Of so many characters.
  BrailleRaster(size_t columns, size_t rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}
  [[nodiscard]] size_t width() const { return columns_ * 2; }
  [[nodiscard]] size_t height() const { return rows_ * 4; }
  // From the left and the top; outside: nothing.
  void set(size_t x, size_t y);
  // All points of a column from y to y, both included.
  void fill(size_t x, size_t y_top, size_t y_bottom);
  // UTF-8; a character without a point is a space.
  [[nodiscard]] std::string row(size_t row) const;

 private:
  size_t columns_, rows_;
  std::vector<uint8_t> cells_;
};

}  // namespace joulespool::cli
