#include "agent/codec/power_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace joulespool::codec {
namespace {

constexpr int rounds_max = 40;
constexpr int passes_max = 60;
// Over the border, nearly to the mirror image: with 2 this ends after finitely many steps if the constraints leave any room; with
// 1, steps get smaller and smaller before a corner.
constexpr double relaxation = 1.9;
constexpr double nearly = 0.05;  // of what rounding allows to one side

double value_at(const Lattice& lattice, double index) { return (index + lattice.offset) * lattice.step; }

bool reproduces(const Lattice& lattice, const Lattice& before, std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [&](float value) {
    const double index = std::nearbyint(static_cast<double>(value) / before.step - before.offset);
    return static_cast<float>(value_at(lattice, index)) == value;
  });
}

}  // namespace

double PowerFit::Change::index_of(float value) const {
  return std::nearbyint(static_cast<double>(value) / lattice.step - lattice.offset);
}

Lattice PowerFit::Change::changed() const {
  const double step = lattice.step + unit * tilt / reach;
  const double at_0 = lattice.offset * lattice.step + unit * (shift - tilt * middle / reach);
  return {at_0 / step, step};
}

PowerFit::Change* PowerFit::change_of(Changes& changes, uint8_t range, const LatticeBook& book) {
  const auto known = changes.find(range);
  if (known != changes.end()) return &known->second;
  const Lattice* lattice = book.of(range);
  const auto values = book.values(range);
  if (lattice == nullptr || values.size() < 2) return nullptr;
  Change change;
  change.lattice = *lattice;
  const double low = change.index_of(values.front()), high = change.index_of(values.back());
  change.middle = (low + high) / 2;
  change.reach = std::max(1.0, (high - low) / 2);
  const Rounding most = rounding_of(std::fabs(values.front()) > std::fabs(values.back()) ? values.front() : values.back());
  change.unit = (most.high - most.low) / 2;
  return &changes.emplace(range, change).first->second;
}

void PowerFit::add_values(Changes& changes, const LatticeBook& book) {
  for (auto& [range, change] : changes)
    for (const float value : book.values(range)) {
      const double index = change.index_of(value);
      const Rounding room = rounding_of(value);
      const double now = value_at(change.lattice, index), half = (room.high - room.low) / 2;
      constraints_.push_back(
          {&change, nullptr, change.where(index), 0, change.unit / half, 0, (room.low - now) / half, (room.high - now) / half});
    }
}

bool PowerFit::add(const PowerObservation& seen, const LatticeBook& i_book, const LatticeBook& v_book) {
  Change* const i = change_of(i_changes_, seen.i_range, i_book);
  Change* const v = change_of(v_changes_, seen.v_range, v_book);
  if (i == nullptr || v == nullptr) return false;
  const double i_index = i->index_of(seen.i), v_index = v->index_of(seen.v);
  const double i_value = value_at(i->lattice, i_index), v_value = value_at(v->lattice, v_index);
  const Rounding room = rounding_of(seen.p);
  const double half = (room.high - room.low) / 2, now = i_value * v_value;
  constraints_.push_back({i, v, i->where(i_index), v->where(v_index), v_value * i->unit / half, i_value * v->unit / half,
                          (room.low - now) / half, (room.high - now) / half});
  return true;
}

// By how much the constraint is violated, signed; within `margin` of its limits counts too.
double PowerFit::Constraint::excess(double margin) const {
  double sum = first_weight * (first->shift + first->tilt * first_where);
  if (second != nullptr) sum += second_weight * (second->shift + second->tilt * second_where);
  return sum > high - margin ? sum - high + margin : sum < low + margin ? sum - low - margin : 0;
}

// To the nearest changes that meet it.
void PowerFit::Constraint::project(double by) const {
  double square = first_weight * first_weight * (1 + first_where * first_where);
  if (second != nullptr) square += second_weight * second_weight * (1 + second_where * second_where);
  by /= square;
  first->shift -= by * first_weight;
  first->tilt -= by * first_weight * first_where;
  if (second == nullptr) return;
  second->shift -= by * second_weight;
  second->tilt -= by * second_weight * second_where;
}

// Most constraints never bind: those that are violated, or nearly, are worked on until they are met, then all are looked at
// again.
bool PowerFit::solve() {
  for (int round = 0; round < rounds_max; ++round) {
    binding_.clear();
    bool met = true;
    for (const Constraint& one : constraints_) {
      if (one.excess(nearly) == 0) continue;
      binding_.push_back(&one);
      met = met && one.excess(0) == 0;
    }
    if (met) return true;
    for (int pass = 0; pass < passes_max && !met; ++pass) {
      met = true;
      for (const Constraint* one : binding_) {
        const double by = one->excess(0);
        if (by == 0) continue;
        met = false;
        one->project(relaxation * by);
      }
    }
  }
  return false;
}

bool PowerFit::learn(std::span<const PowerObservation> missed, LatticeBook& i_book, LatticeBook& v_book) {
  for (const PowerObservation& seen : missed) {
    if (!(std::fabs(seen.p) < std::numeric_limits<float>::max())) continue;  // what rounds to it has no bound
    if (observations_.size() < observations_max) {
      observations_.push_back(seen);
      continue;
    }
    observations_[oldest_] = seen;
    oldest_ = (oldest_ + 1) % observations_max;
  }
  i_changes_.clear();
  v_changes_.clear();
  constraints_.clear();
  for (const PowerObservation& seen : observations_) add(seen, i_book, v_book);
  add_values(i_changes_, i_book);
  add_values(v_changes_, v_book);
  solve();  // even if not all are met: most are
  bool moved = false;
  const auto adopt = [&](Changes& changes, LatticeBook& book) {
    for (auto& [range, change] : changes) {
      const Lattice better = change.changed();
      if (better == change.lattice || !reproduces(better, change.lattice, book.values(range))) continue;
      book.replace(range, better);
      moved = true;
    }
  };
  adopt(i_changes_, i_book);
  adopt(v_changes_, v_book);
  return moved;
}

}  // namespace joulespool::codec
