// Statistics as an instrument makes them: blocks of so many full-rate samples, and exact sums since they were switched on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "agent/base/int128.h"
#include "agent/device/joulescope_abi.h"

namespace joulespool::standin {

struct StatisticsLayout {
  uint32_t sample_freq = 0;  // Hz, of ids
  uint32_t decimation = 1;   // of full-rate samples
  // js110: the host adds i * v of each sample, cut to 2^-31 W; else the sum is exact and cut once.
  bool cuts_each_product = false;
};

class StatisticsBlocks {
 public:
  using Send = std::function<void(device::abi::Statistics&)>;  // version and map are not filled
  StatisticsBlocks(const StatisticsLayout& layout, Send send) : layout_(layout), send_(std::move(send)) {}

  void set_block_samples(uint32_t samples) { block_samples_ = samples == 0 ? 1 : samples; }
  void set_scale(double scale) { scale_ = scale; }
  // Sums begin with the next sample.
  void clear();
  // Element k has sample_id + k * decimation.
  void add(uint64_t sample_id, std::span<const float> i, std::span<const float> v);

 private:
  struct Series {
    double sum = 0, squares = 0, minimum = 0, maximum = 0;
    void add(double value, bool first);
    [[nodiscard]] device::abi::Moments over(uint32_t count) const;
  };
  void add_sample(float i, float v);
  void end_block();
  [[nodiscard]] int128 scaled(int128 sum, int128 divisor) const;

  const StatisticsLayout layout_;
  const Send send_;
  uint32_t block_samples_ = 1'000'000;
  double scale_ = 1;
  bool begun_ = false;
  uint64_t accum_id_ = 0;
  uint64_t block_id_ = 0;
  uint32_t count_ = 0;  // of the block
  uint32_t valid_ = 0;  // of them, not NaN
  Series i_, v_, p_;
  int128 charge_ = 0;  // 2^-31 A, summed
  int128 energy_ = 0;  // 2^-62 W, summed
};

}  // namespace joulespool::standin
