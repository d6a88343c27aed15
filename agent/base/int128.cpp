#include "agent/base/int128.h"

#include <algorithm>

namespace joulespool {

std::string to_decimal(int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  auto magnitude = static_cast<uint128>(value);
  if (negative) magnitude = ~magnitude + 1;
  std::string digits;
  for (; magnitude != 0; magnitude /= 10) digits += static_cast<char>('0' + static_cast<int>(magnitude % 10));
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

bool parse_decimal(const std::string& text, int128& value) {
  const bool negative = !text.empty() && text.front() == '-';
  const size_t first = negative ? 1 : 0;
  if (text.size() == first || text.size() > first + 38) return false;
  int128 magnitude = 0;  // 38 decimal digits always fit 127 bits
  for (size_t at = first; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9') return false;
    magnitude = magnitude * 10 + (text[at] - '0');
  }
  value = negative ? -magnitude : magnitude;
  return true;
}

}  // namespace joulespool
