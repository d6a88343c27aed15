// Power as a third witness of the calibration: the lattices that give current and voltage back are known only to within the
// rounding of these, and their product then misses the power, rounded from the exact one, by one unit now and then. Moved a
// little, within what the values themselves allow, they give the power too.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "agent/codec/lattice_book.h"

namespace joulespool::codec {

// A sample whose power was missed.
struct PowerObservation {
  uint8_t i_range = 0;
  uint8_t v_range = 0;
  float i = 0;  // A
  float v = 0;  // V
  float p = 0;  // W: (float)(calibrated i * calibrated v), computed in float64
};

class PowerFit {
 public:
  // Adds observations and moves the lattices of both books so that these, those before and all of the books' values are met.
  // A half-space projection (Motzkin and Schoenberg, The Relaxation Method for Linear Inequalities, 1954) on the constraints,
  // which are linear in the small changes of offset and step. False: nothing was moved.
  bool learn(std::span<const PowerObservation> missed, LatticeBook& i_book, LatticeBook& v_book);
  static constexpr size_t observations_max = 4096;

 private:
  // Changes of one lattice: value(index) += unit * (shift + tilt * where(index)), where() going from -1 to 1 over its values.
  struct Change {
    Lattice lattice;
    double unit = 0;
    double middle = 0;  // index
    double reach = 1;
    double shift = 0;
    double tilt = 0;
    [[nodiscard]] double index_of(float value) const;
    [[nodiscard]] double where(double index) const { return (index - middle) / reach; }
    [[nodiscard]] Lattice changed() const;
  };
  // low <= sum of weight * change <= high; of a value only the first two weights are used.
  struct Constraint {
    Change* first = nullptr;
    Change* second = nullptr;
    double first_where = 0, second_where = 0;
    double first_weight = 0, second_weight = 0;
    double low = 0, high = 0;
    [[nodiscard]] double excess(double margin) const;
    void project(double by) const;
  };
  using Changes = std::map<uint8_t, Change>;

  Change* change_of(Changes& changes, uint8_t range, const LatticeBook& book);
  void add_values(Changes& changes, const LatticeBook& book);
  bool add(const PowerObservation& seen, const LatticeBook& i_book, const LatticeBook& v_book);
  bool solve();

  std::vector<PowerObservation> observations_;
  size_t oldest_ = 0;  // that is overwritten next
  Changes i_changes_, v_changes_;
  std::vector<Constraint> constraints_;
  std::vector<const Constraint*> binding_;
};

}  // namespace joulespool::codec
