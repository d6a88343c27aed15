#include "agent/cli/text_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "agent/base/units.h"

namespace joulespool::cli {

void TextTable::print(std::ostream& out) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t at = 0; at < row.size(); ++at) widths[at] = std::max(widths[at], row[at].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t at = 0; at < row.size(); ++at) {
      line += row[at];
      if (at + 1 < row.size()) line.append(widths[at] - row[at].size() + 2, ' ');
    }
    out << line << '\n';
  }
}

std::string printable(std::string_view text) {
  std::string harmless(text);
  for (char& c : harmless)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return harmless;
}

std::string hex_id(uint64_t id) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(id));
  return text.data();
}

bool parse_hex_id(std::string_view text, uint64_t& id) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  return failure == std::errc() && end == text.data() + text.size();
}

std::string labels_text(const std::vector<wire::Label>& labels) {
  std::string text;
  for (const wire::Label& label : labels) text += (text.empty() ? "" : " ") + printable(label.key) + "=" + printable(label.value);
  return text;
}

std::string utc_text(int64_t utc_ns) { return utc_ns == 0 ? "-" : format_utc(utc_ns, 3); }

std::string age_text(double seconds) {
  std::array<char, 48> text{};
  if (!(seconds >= 0) || seconds > 1e11) return "-";
  if (seconds < 60) {
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
    return text.data();
  }
  const auto whole = static_cast<long long>(seconds);
  const long long days = whole / 86400;
  const long long hours = whole / 3600 % 24;
  if (days > 0) std::snprintf(text.data(), text.size(), "%lld d %02lld:%02lld h", days, hours, whole / 60 % 60);
  else std::snprintf(text.data(), text.size(), "%02lld:%02lld:%02lld", hours, whole / 60 % 60, whole % 60);
  return text.data();
}

}  // namespace joulespool::cli
