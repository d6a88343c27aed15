// Letters of 5 x 7 pixels. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace joulespool::cli {

constexpr size_t glyph_width = 5, glyph_height = 7, glyph_advance = 6;
// Row `row` of a character from the top, the leftmost pixel in bit 4. What is not ASCII is a question mark.
uint8_t glyph_row(char character, size_t row);

}  // namespace joulespool::cli
