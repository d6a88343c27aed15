#include "agent/cli/plot_envelope.h"

#include <algorithm>
#include <cmath>

namespace joulespool::cli {

void Extent::add(float low, float high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return;
  min = std::min(min, low);
  max = std::max(max, high);
}

void Envelope::add(int64_t first_ns, int64_t end_ns, const Extents& values) {
  const int64_t begin = std::max(first_ns, first_ns_);
  const int64_t end = std::min(std::max(end_ns, first_ns + 1), end_ns_);
  if (begin >= end) return;
  // Column k is [k, k + 1) * span / columns.
  const int128 span = int128{end_ns_} - first_ns_;
  const auto count = static_cast<int128>(columns_.size());
  const auto first = static_cast<size_t>((int128{begin} - first_ns_) * count / span);
  const auto last = static_cast<size_t>(((int128{end} - first_ns_) * count - 1) / span);
  for (size_t column = first; column <= last; ++column) {
    columns_[column].i.add(values.i);
    columns_[column].v.add(values.v);
    columns_[column].p.add(values.p);
  }
}

Extent Envelope::all(Extent Extents::*signal) const {
  Extent over;
  for (const Extents& column : columns_) over.add(column.*signal);
  return over;
}

bool Envelope::is_empty() const {
  return all(&Extents::i).is_empty() && all(&Extents::v).is_empty() && all(&Extents::p).is_empty();
}

}  // namespace joulespool::cli
