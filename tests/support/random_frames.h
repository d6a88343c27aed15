// Frames of samples for tests of codecs: stretches of what instruments send, and of what no instrument ever would.
#pragma once

#include <random>
#include <vector>

#include "agent/codec/samples.h"

namespace joulespool::test {

struct RandomFrame {
  std::vector<float> i, v, p;  // p: empty, or as many as i
  std::vector<wire::Bytes> elements;
  std::vector<codec::PackedSignal> packed;  // of elements
  [[nodiscard]] codec::SampleRun run() const { return {i, v, p, packed}; }
  // i, v and p of its own as they are in memory, and the elements.
  [[nodiscard]] size_t raw_bytes() const;
};

// An instrument with its calibration, which stays the same from frame to frame. A function of its seed.
class RandomFrames {
 public:
  explicit RandomFrames(uint64_t seed);
  RandomFrame frame(size_t count);
  uint64_t below(uint64_t limit) { return random_() % limit; }

 private:
  static constexpr size_t ranges = 4;
  struct Lattice {
    double offset = 0, step = 0;
    [[nodiscard]] double value(double code) const { return (code + offset) * step; }
  };
  enum class Kind { lattice, grid, noise, constant, nan, infinity, denormal, zeros, bits, ramp, wave, powers };
  static constexpr uint64_t kinds = 12;
  struct Column {
    std::vector<float> values;
    std::vector<double> exact;  // before they were rounded to float
    std::vector<uint8_t> range;
  };

  Column column(size_t count, const std::vector<Lattice>& lattices, const std::vector<uint8_t>* range);
  double value_of(Kind kind, const Lattice& lattice, size_t at);
  void interpolate(Column& column);
  void add_power(RandomFrame& frame, const Column& i, const Column& v);
  void add_range(RandomFrame& frame, uint8_t signal, const std::vector<uint8_t>& range);
  void add_inputs(RandomFrame& frame);
  void add_packed(RandomFrame& frame, codec::PackedSignal packed, const std::vector<uint8_t>& elements);
  Kind any_kind();
  double normal() { return normal_(random_); }
  float any_bits();

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<Lattice> i_lattices_, v_lattices_;
  double level_ = 0, spread_ = 1;  // of the stretch at hand
  uint32_t pattern_ = 0;
};

}  // namespace joulespool::test
