// A recording as a function of the sample_id.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::device {

struct ReplayDevice {
  std::string model = "js220";    // any name of a-z, 0-9 and '-'
  std::string serial = "000001";  // [a-z0-9-]
  std::string i_path;             // float32 little-endian, ampere; raw, or zstd if the name ends with .zst
  std::string v_path;             // volt; empty: v_constant
  double v_constant = 0;          // volt, for recordings of the current alone
  std::string p_path;             // watt; empty: power is i * v
  uint32_t sample_rate_hz = 0;    // of the recording: 1..16,000,000; must be given
  bool loop = false;              // begin again at the end
  bool unpaced = false;           // as fast as the sink has room, instead of in real time
  int64_t origin_utc_ns = 0;      // when sample_id was 0; 0: at start()
  double duration_s = 0;          // of the device's time; after it, `ended`. 0: to the end of the recording, with loop endless
  uint32_t block_ms = 50;         // samples come in blocks of that much time

  // id = model-serial
  [[nodiscard]] wire::DeviceIdentity identity() const { return {model + "-" + serial, model, serial}; }
};

// Every setting in its range; else usage, naming the device, the setting and what is allowed. Does not look at the files.
Status validate(const ReplayDevice& settings);

// For valid settings: a 2 MHz counter, as Joulescopes have, if the rate divides it (1 MS/s: decimation 2), else a counter
// of the rate itself. life is 0: it depends on the origin in force.
wire::TimeAxis time_axis(const ReplayDevice& settings);

struct ReplaySample {
  float i = 0;
  float v = 0;
  float p = 0;  // of the recording, or the product i * v
};

// The columns in memory. Immutable; any thread.
class Recording {
 public:
  // Errors: validate(), read_column(); damaged: columns of different lengths.
  static Result<Recording> load(const ReplayDevice& settings);

  [[nodiscard]] size_t size() const { return i_.size(); }
  [[nodiscard]] bool has_power() const { return !p_.empty(); }
  // Sample sample_id / decimation, modulo size().
  [[nodiscard]] ReplaySample sample_at(uint64_t sample_id) const;
  // The same for many: element k is that of sample_id_first + k * decimation. `p` may be empty, as may be v; each of the
  // others must be as long as i.
  void samples(uint64_t sample_id_first, std::span<float> i, std::span<float> v, std::span<float> p) const;
  // Sample ids end before this one; 2^64-1 for endless. At most one pass without loop.
  [[nodiscard]] uint64_t sample_id_limit(const ReplayDevice& settings) const;
  // A number that differs between recordings of different contents; part of axis.life.
  [[nodiscard]] uint64_t fingerprint() const { return fingerprint_; }

 private:
  uint32_t decimation_ = 1;
  std::vector<float> i_;
  std::vector<float> v_;  // empty: v_constant_
  std::vector<float> p_;  // empty: i * v
  float v_constant_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace joulespool::device
