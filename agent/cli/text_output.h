// Text for people: tables, and foreign text made harmless for a terminal.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "agent/wire/types.h"

namespace joulespool::cli {

// Columns as wide as their widest cell, two spaces between them.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headings) { add(std::move(headings)); }
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Control characters as '?'.
std::string printable(std::string_view text);
// 16 hexadecimal digits: epochs and axis ids.
std::string hex_id(uint64_t id);
bool parse_hex_id(std::string_view text, uint64_t& id);
// "run=7 firmware=1.2".
std::string labels_text(const std::vector<wire::Label>& labels);
// "-" for 0 ns.
std::string utc_text(int64_t utc_ns);
// "2 d 03:04", "03:04:05" or "12.3 s".
std::string age_text(double seconds);

}  // namespace joulespool::cli
