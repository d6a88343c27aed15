// Samples as files of evenly spaced values: what the formats raw and jls have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "agent/cli/export_format.h"
#include "agent/cli/output_file.h"

namespace joulespool::cli {

// One stretch of one axis at one rate.
struct PartStart {
  std::string path;  // without an extension
  wire::DeviceIdentity device;
  uint64_t axis = 0;
  uint64_t sample_id_first = 0;
  uint32_t step = 1;             // ticks from sample to sample
  uint32_t counter_rate_hz = 0;  // ticks per second
};

// A place on the time axis that is known: sample `index` of the part.
struct PartTime {
  uint64_t index = 0;
  uint64_t sample_id = 0;
  int64_t utc_ns = 0;
};

// Writes the values of one part after the other. Errors: full, unreachable, usage (the format cannot hold it).
class PartWriter {
 public:
  virtual ~PartWriter() = default;
  [[nodiscard]] virtual std::string format() const = 0;
  virtual Status begin(const PartStart& start) = 0;
  // As many of each; they follow those before.
  virtual Status add(std::span<const float> i, std::span<const float> v, std::span<const float> p) = 0;
  virtual Status add_time(const PartTime& time) = 0;
  // The files of the part by what they hold, for its JSON file; their names begin with that of the part.
  virtual Result<nlohmann::json> end() = 0;
};

// Begins a new part where the axis or the rate changes, after a gap of more than `gap_filled_s`, and when the lists of the JSON
// file beside it become long. Shorter gaps are filled with NaN and listed.
class SampleParts final : public ExportFormat {
 public:
  static constexpr double gap_filled_s = 1;
  static constexpr size_t listed_max = 10'000;

  SampleParts(std::unique_ptr<OutputDirectory> directory, std::unique_ptr<PartWriter> writer)
      : directory_(std::move(directory)), writer_(std::move(writer)) {}
  ~SampleParts() override;
  Status take(const WindowRows& rows) override;  // error: usage
  Status take(const SampleRows& rows) override;
  Status finish() override;

 private:
  struct Part {
    PartStart start;
    std::string name;
    uint64_t samples = 0;
    std::vector<wire::Label> labels;
    nlohmann::json description;
    std::optional<PartTime> first_time, last_time;
    int64_t told_utc_ns = 0;  // of the last time that the writer got
  };
  [[nodiscard]] bool goes_on(const SampleRows& rows) const;
  Status begin(const SampleRows& rows);
  Status fill_gap(const SampleRows& rows);
  void note_labels(const wire::FrameHeader& header);
  Status note_time(const SampleRows& rows);
  Status end();

  const std::unique_ptr<OutputDirectory> directory_;
  const std::unique_ptr<PartWriter> writer_;
  std::optional<Part> part_;
  uint64_t parts_ = 0;
};

}  // namespace joulespool::cli
