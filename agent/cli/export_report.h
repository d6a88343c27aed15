// What an export wrote, and what it could not: for people and in JSON.
#pragma once

#include <iosfwd>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/cli/frame_rows.h"

namespace joulespool::cli {

class ExportReport {
 public:
  // `is_whole`: all of the frame is within the range; then its sums must be those of its header.
  void add(const WindowRows& rows, const Sums& sums, bool is_whole);
  void add(const SampleRows& rows, const Sums& sums, bool is_whole);
  // A frame of lane wave that keeps windows only.
  void add_without_samples(const wire::FrameHeader& header);

  uint64_t damaged_frames = 0;
  uint64_t gone_frames = 0;      // an agent took them away meanwhile
  uint64_t replaced_frames = 0;  // another one, which is there, stands for them

  // False: something that was asked for is damaged or does not add up.
  [[nodiscard]] bool is_well() const { return damaged_frames == 0 && differing_frames_ == 0; }
  // Each line begins with "joulespool: ".
  void print(std::ostream& out) const;
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  struct Device {
    uint64_t rows = 0;
    std::map<double, Sums> by_rate_hz;
    std::map<std::string, uint64_t> rows_by_resolution;  // "windows of 1.000 ms"
    uint64_t frames_without_samples = 0;
    double seconds_without_samples = 0;

    [[nodiscard]] Sums all() const;
    [[nodiscard]] double charge_c() const;
    [[nodiscard]] double energy_j() const;
  };
  void add(const wire::FrameHeader& header, size_t rows, const std::string& resolution, const Sums& sums, bool is_whole);

  std::map<std::string, Device> devices_;
  uint64_t differing_frames_ = 0;
};

}  // namespace joulespool::cli
