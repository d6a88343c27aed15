// Finds the calibration behind float32 values that came from an analog-to-digital converter's codes.
//
// A JS110's driver gives x = (float)((code + offset) * gain) with float64 inside. Seen from the floats: all distinct values lie
// on a lattice, and the lattice can be found from them, exactly enough to give every value back bit for bit.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "agent/codec/kernels.h"

namespace joulespool::codec {

// `values`: distinct, finite, ascending. nullopt: no lattice explains all of them, or it would say no more than the grid of the
// floats themselves (a step below 6 units in the last place, or a power of two, for which Kernels::grid_index needs no
// calibration).
//
// Every value x allows (offset + index) * step in [x - half an ulp, x + half an ulp]; for a given step the slack of all these
// intervals together is a concave function of the step, and the step where it is largest is taken.
std::optional<Lattice> fit_lattice(std::span<const float> values);

// What rounds to a value: everything between half way to the float below and half way to that above.
struct Rounding {
  double low = 0;
  double high = 0;
};
Rounding rounding_of(float value);

// Is the lattice coarser than the values' own steps? A much finer one gives every float back and says nothing. `values`: some of
// them.
bool is_visible(const Lattice& lattice, std::span<const float> values);

// Distinct finite values of a signal with their counts; ascending. Keeps its memory.
class DistinctValues {
 public:
  static constexpr size_t distinct_max = 40'000;  // a converter of 14 bits has 16,384, and a driver may add some by interpolation

  // For as many as `values` values.
  void clear(size_t values);
  // False: too many distinct values to come from a converter; nothing more is added.
  bool add(std::span<const float> values);
  // Those that came at least `count_min` times, ascending; appended to `out`.
  void list(uint32_t count_min, std::vector<float>& out) const;
  [[nodiscard]] size_t seen() const { return seen_; }

 private:
  struct Slot {
    uint32_t bits = 0;
    uint32_t count = 0;
  };
  std::vector<Slot> slots_;
  size_t distinct_ = 0;
  size_t seen_ = 0;
};

}  // namespace joulespool::codec
