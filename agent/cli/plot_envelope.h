// Many values over time as one column each of a picture: the lowest and the highest. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "agent/base/int128.h"

namespace joulespool::cli {

struct Extent {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  [[nodiscard]] bool is_empty() const { return !(min <= max); }
  // NaN and infinities count for nothing.
  void add(float low, float high);
  void add(const Extent& other) { add(other.min, other.max); }
  bool operator==(const Extent&) const = default;
};

// Of i, v and p over the same time.
struct Extents {
  Extent i, v, p;
  bool operator==(const Extents&) const = default;
};

// `columns` equal parts of [first, end), in ns. A value holds for a stretch of time, until the next one begins, and counts in
// every column that this stretch overlaps: what is measured leaves no hole, however far one looks into it, and a gap stays empty.
class Envelope {
 public:
  // `end` > `first`, at least one column.
  Envelope(int64_t first_ns, int64_t end_ns, size_t columns) : first_ns_(first_ns), end_ns_(end_ns), columns_(columns) {}
  void add(int64_t first_ns, int64_t end_ns, const Extents& values);

  [[nodiscard]] const std::vector<Extents>& columns() const { return columns_; }
  [[nodiscard]] int64_t first_ns() const { return first_ns_; }
  [[nodiscard]] int64_t end_ns() const { return end_ns_; }
  // Over all columns.
  [[nodiscard]] Extent all(Extent Extents::*signal) const;
  [[nodiscard]] bool is_empty() const;

 private:
  int64_t first_ns_, end_ns_;
  std::vector<Extents> columns_;
};

}  // namespace joulespool::cli
