#include "agent/codec/lattice_book.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace joulespool::codec {
namespace {

constexpr unsigned pause_min = 4, pause_max = 256;  // frames
constexpr unsigned pause_growth = 4;
// A driver's interpolation puts values between the codes; each comes once, a code comes again and again.
constexpr size_t rare_per = 20'000;
// More than any converter's codes: what grows beyond is of several lives of an instrument.
constexpr size_t values_max = 100'000;

bool gives_back_half(const Lattice& lattice, std::span<const float> values) {
  if (!is_visible(lattice, values)) return false;
  const auto is_on = [&](float value) {
    const double index = std::nearbyint(static_cast<double>(value) / lattice.step - lattice.offset);
    return static_cast<float>((index + lattice.offset) * lattice.step) == value;
  };
  return 2 * std::count_if(values.begin(), values.end(), is_on) >= static_cast<std::ptrdiff_t>(values.size());
}

}  // namespace

void LatticeBook::begin_frame() {
  for (Entry& entry : entries_) {
    entry.tried = entry.pause > 0;
    if (entry.pause > 0) --entry.pause;
  }
}

const Lattice* LatticeBook::of(uint8_t range) const {
  const Entry& entry = entries_[range];
  return entry.lattice ? &*entry.lattice : nullptr;
}

bool LatticeBook::fit_union(Entry& entry, std::span<const float> fresh) {
  std::vector<float> all;
  std::set_union(fresh.begin(), fresh.end(), entry.values.begin(), entry.values.end(), std::back_inserter(all));
  const bool nothing_new = entry.lattice && all.size() == entry.values.size();
  if (nothing_new || all.size() > values_max) return false;
  const auto found = fit_lattice(all);
  if (!found) return false;
  entry.lattice = found;
  entry.values = std::move(all);
  return true;
}

bool LatticeBook::fit(Entry& entry, std::span<const std::span<const float>> values) {
  size_t count = 0;
  for (const auto& piece : values) count += piece.size();
  distinct_.clear(count);
  for (const auto& piece : values)
    if (!distinct_.add(piece)) return false;
  std::vector<float> all, common;
  distinct_.list(1, all);
  if (fit_union(entry, all)) return true;
  distinct_.list(static_cast<uint32_t>(std::max<size_t>(2, distinct_.seen() / rare_per)), common);
  if (fit_union(entry, common)) return true;
  if (entry.lattice && gives_back_half(*entry.lattice, common)) return false;
  const auto found = fit_lattice(common);  // the old values are of another life of the instrument
  if (!found) return false;
  entry.lattice = found;
  entry.values = std::move(common);
  return true;
}

void LatticeBook::know(uint8_t range, const Lattice& lattice) {
  entries_[range] = {};
  entries_[range].lattice = lattice;
}

void LatticeBook::add_values(uint8_t range, std::span<const float> values) {
  std::vector<float>& all = entries_[range].values;
  for (const float value : values) {
    const auto at = std::lower_bound(all.begin(), all.end(), value);
    if ((at == all.end() || *at != value) && all.size() < values_max) all.insert(at, value);
  }
}

bool LatticeBook::fit(uint8_t range, std::span<const std::span<const float>> values) {
  Entry& entry = entries_[range];
  if (entry.tried) return false;
  entry.tried = true;
  if (fit(entry, values)) {
    entry.next_pause = pause_min;
    return true;
  }
  entry.pause = entry.next_pause;
  entry.next_pause = std::min(pause_max, pause_growth * entry.next_pause);
  return false;
}

}  // namespace joulespool::codec
