// The lattices of a signal's ranges, kept from frame to frame. Only a hint: every frame carries those that it uses.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "agent/codec/lattice_fit.h"

namespace joulespool::codec {

class LatticeBook {
 public:
  static constexpr size_t ranges = 16;

  // Another frame begins: each range may be fitted once more, or later if that failed often.
  void begin_frame();
  // nullptr: none known.
  [[nodiscard]] const Lattice* of(uint8_t range) const;
  // The range has no lattice, or values that are not on it. `values` is given in pieces, because the range comes and goes.
  // True: the lattice is new or has changed. At most once a frame and range, with pauses that grow with each failure.
  bool fit(uint8_t range, std::span<const std::span<const float>> values);
  [[nodiscard]] bool may_fit(uint8_t range) const { return !entries_[range].tried; }
  // A calibration that is known needs no fit, until values miss it.
  void know(uint8_t range, const Lattice& lattice);
  // A better one for the same values.
  void replace(uint8_t range, const Lattice& lattice) { entries_[range].lattice = lattice; }
  // Values on the range's lattice that any other lattice must give back, too.
  void add_values(uint8_t range, std::span<const float> values);
  // The distinct values that the range's lattice was fitted to, ascending.
  [[nodiscard]] std::span<const float> values(uint8_t range) const { return entries_[range].values; }

 private:
  struct Entry {
    std::optional<Lattice> lattice;
    std::vector<float> values;  // that it was fitted to: a drift shows some codes now and others later
    unsigned pause = 0;         // frames to wait before the next attempt
    unsigned next_pause = 4;
    bool tried = false;  // in this frame
  };
  bool fit(Entry& entry, std::span<const std::span<const float>> values);
  bool fit_union(Entry& entry, std::span<const float> fresh);

  std::array<Entry, ranges> entries_;
  DistinctValues distinct_;
};

}  // namespace joulespool::codec
