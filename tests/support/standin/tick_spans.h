// Where in an instrument's time something is wrong. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace joulespool::standin {

struct TickSpan {
  uint64_t first = 0;
  uint64_t end = 0;
  [[nodiscard]] bool holds(uint64_t tick) const { return first <= tick && tick < end; }
};

class TickSpans {
 public:
  // Separated by ' ' or ';': "1000-2000" and "every=N,length=M,offset=F", which is [F + n * N, F + n * N + M) for n = 0, 1, ...
  // (F is N if not given). Nothing if it cannot be read.
  static std::optional<TickSpans> parse(std::string_view text);

  [[nodiscard]] bool empty() const { return once_.empty() && periodic_.empty(); }
  // The earliest span that ends after `tick`: it holds the tick, or comes later.
  [[nodiscard]] std::optional<TickSpan> next(uint64_t tick) const;

 private:
  struct Period {
    uint64_t every, length, offset;
  };
  bool add(std::string_view item);

  std::vector<TickSpan> once_;
  std::vector<Period> periodic_;
};

// The whole text as a number; false, `value` untouched, if it is none.
bool parse_number(std::string_view text, uint64_t& value);

}  // namespace joulespool::standin
