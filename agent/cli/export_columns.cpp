#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/base/units.h"
#include "agent/cli/column_table.h"
#include "agent/cli/export_format.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

using enum ColumnType;

const std::vector<ColumnSpec> window_columns = {
    {"sample_id", int64, "ticks", "first sample of the window"},
    {"sample_id_end", int64, "ticks", "after its last sample"},
    {"utc_ns", int64, "ns", "of sample_id since 1970-01-01; utc_null: not known"},
    {"samples", int64, "", "samples that were there"},
    {"valid", int64, "", "of these, with numbers"},
    {"i_mean", float64, "A", "over the valid samples; NaN if there is none"},
    {"i_min", float32, "A", "inf if no sample is valid"},
    {"i_max", float32, "A", "-inf if no sample is valid"},
    {"v_mean", float64, "V", ""},
    {"v_min", float32, "V", ""},
    {"v_max", float32, "V", ""},
    {"p_mean", float64, "W", ""},
    {"p_min", float32, "W", ""},
    {"p_max", float32, "W", ""},
    {"i_sum_high", int64, "2^64 * 2^-31 A", "exact sum over the valid samples: high * 2^64 + low"},
    {"i_sum_low", uint64, "2^-31 A", ""},
    {"v_sum_high", int64, "2^64 * 2^-31 V", ""},
    {"v_sum_low", uint64, "2^-31 V", ""},
    {"p_sum_high", int64, "2^64 * 2^-31 W", ""},
    {"p_sum_low", uint64, "2^-31 W", ""},
    {"i2_sum_high", int64, "2^64 * 2^-62 A^2", "sum of the squares"},
    {"i2_sum_low", uint64, "2^-62 A^2", ""},
    {"v2_sum_high", int64, "2^64 * 2^-62 V^2", ""},
    {"v2_sum_low", uint64, "2^-62 V^2", ""},
};
const std::vector<ColumnSpec> sample_columns = {
    {"sample_id", int64, "ticks", ""},   {"utc_ns", int64, "ns", "of sample_id since 1970-01-01; utc_null: not known"},
    {"i", float32, "A", "NaN: missing"}, {"v", float32, "V", "NaN: missing"},
    {"p", float32, "W", "NaN: missing"},
};
const std::vector<ColumnSpec> run_columns = {
    {"row", int64, "", "first row of the run; it lasts until the next one's"},
    {"labels", int32, "", "index into `labels`: those in force"},
    {"resolution", int64, "ticks", "length of the windows, or from sample to sample"},
    {"decimation", int64, "ticks", "from one sample that was measured to the next"},
    {"utc_quality", int32, "", "0 unknown, 1 unsynchronised, 2 host clock, 3 instrument"},
    {"epoch", uint64, "", "of the frames"},
};
const std::vector<ColumnSpec> gap_columns = {
    {"row", int64, "", "the gap lies before this row"},
    {"sample_id", int64, "ticks", "first that is not there"},
    {"sample_id_end", int64, "ticks", "first that is there again"},
};

constexpr int64_t utc_null = INT64_MIN;

int64_t utc_at(const wire::FrameHeader& header, uint64_t sample_id) {
  return header.utc.quality == wire::UtcQuality::unknown ? utc_null : header.utc.utc_ns_at(sample_id);
}

double mean_of(int128 sum, uint64_t valid) {
  return valid == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(sum) / units_per_one / static_cast<double>(valid);
}

nlohmann::json labels_json(const std::vector<wire::Label>& labels) {
  nlohmann::json json = nlohmann::json::array();
  for (const wire::Label& label : labels) json.push_back({{"key", label.key}, {"value", label.value}});
  return json;
}

// What holds from a row on.
struct Run {
  int32_t labels = -1;
  int64_t resolution = 0;
  uint32_t decimation = 0;
  wire::UtcQuality quality = wire::UtcQuality::unknown;
  uint64_t epoch = 0;
  bool operator==(const Run&) const = default;
};

// The tables of one axis of one device: one directory.
class AxisTables {
 public:
  static Result<std::unique_ptr<AxisTables>> create(const OutputDirectory& directory, const wire::FrameHeader& header,
                                                    bool is_windows) {
    const std::string name = header.device.id + "-" + std::string(to_string(header.lane)) + "-" + hex_id(header.axis.life);
    if (const Status made = directory.add_directory(name); !made) return made.error();
    auto rows = ColumnTable::create(directory, name + "/rows", is_windows ? window_columns : sample_columns);
    if (!rows) return rows.error();
    auto runs = ColumnTable::create(directory, name + "/runs", run_columns);
    if (!runs) return runs.error();
    auto gaps = ColumnTable::create(directory, name + "/gaps", gap_columns);
    if (!gaps) return gaps.error();
    return std::unique_ptr<AxisTables>(new AxisTables(directory / (name + "/schema.json"), header, is_windows, std::move(*rows),
                                                      std::move(*runs), std::move(*gaps)));
  }

  [[nodiscard]] bool is_of(const wire::FrameHeader& header) const {
    return header.device.id == device_.id && header.axis.life == axis_.life;
  }

  Status take(const WindowRows& rows) {
    for (const wire::Window& window : rows.windows) {
      const uint64_t ticks = window.sample_id_end - window.sample_id_first;
      if (Status status = note_run(rows.header, run_ticks(rows.header, ticks)); !status) return status;
      if (Status status = note_gap(window.sample_id_first, window.sample_id_end); !status) return status;
      if (Status status = put(rows.header, window); !status) return status;
    }
    return {};
  }

  // A gap ends a frame: within one, samples follow each other.
  Status take(const SampleRows& rows) {
    if (rows.i.empty()) return {};
    if (Status status = note_run(rows.header, rows.step); !status) return status;
    const uint64_t end = std::min(rows.sample_id(rows.i.size()), rows.header.sample_id_end);
    const uint64_t first =
        rows.sample_id_first - rows.header.sample_id_first < rows.step ? rows.header.sample_id_first : rows.sample_id_first;
    if (Status status = note_gap(first, end); !status) return status;
    for (size_t row = 0; row < rows.i.size(); ++row) {
      const uint64_t id = rows.sample_id(row);
      if (Status status = rows_.put_row(static_cast<int64_t>(id), utc_at(rows.header, id), rows.i[row], rows.v[row], rows.p[row]);
          !status)
        return status;
    }
    return {};
  }

  Status finish() {
    for (ColumnTable* table : {&rows_, &runs_, &gaps_})
      if (Status status = table->finish(); !status) return status;
    auto file = OutputFile::create_in_place(schema_path_);
    if (!file) return file.error();
    if (Status status = (*file)->write(schema().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"); !status)
      return status;
    return (*file)->finish();
  }

 private:
  AxisTables(std::string schema_path, const wire::FrameHeader& header, bool is_windows, ColumnTable rows, ColumnTable runs,
             ColumnTable gaps)
      : schema_path_(std::move(schema_path)),
        host_(header.host),
        device_(header.device),
        lane_(header.lane),
        axis_(header.axis),
        is_windows_(is_windows),
        rows_(std::move(rows)),
        runs_(std::move(runs)),
        gaps_(std::move(gaps)) {}

  // Windows are cut short at the ends of frames' spans: that does not change their resolution.
  int64_t run_ticks(const wire::FrameHeader& header, uint64_t ticks) const {
    if (header.kept && header.kept->window_ticks > 0) return static_cast<int64_t>(header.kept->window_ticks);
    return std::max(static_cast<int64_t>(ticks), run_.epoch == header.epoch && !was_kept_ ? run_.resolution : 0);
  }

  Status note_run(const wire::FrameHeader& header, int64_t resolution) {
    const Run run{labels_index(header.labels), resolution, header.axis.decimation, header.utc.quality, header.epoch};
    was_kept_ = header.kept.has_value();
    if (run == run_) return {};
    run_ = run;
    return runs_.put_row(static_cast<int64_t>(rows_.rows()), run.labels, run.resolution, static_cast<int64_t>(run.decimation),
                         static_cast<int32_t>(run.quality), run.epoch);
  }

  // Few: a set of labels is a test run, and the newest one is nearly always the one that is asked for.
  int32_t labels_index(const std::vector<wire::Label>& labels) {
    const auto known = std::find(labels_.rbegin(), labels_.rend(), labels);
    if (known != labels_.rend()) return static_cast<int32_t>(labels_.rend() - known - 1);
    labels_.push_back(labels);
    return static_cast<int32_t>(labels_.size() - 1);
  }

  Status note_gap(uint64_t first, uint64_t end) {
    const uint64_t expected = next_.value_or(first);
    next_ = std::max(end, expected);
    if (first <= expected) return {};
    return gaps_.put_row(static_cast<int64_t>(rows_.rows()), static_cast<int64_t>(expected), static_cast<int64_t>(first));
  }

  Status put(const wire::FrameHeader& header, const wire::Window& one) {
    return rows_.put_row(static_cast<int64_t>(one.sample_id_first), static_cast<int64_t>(one.sample_id_end),
                         utc_at(header, one.sample_id_first), static_cast<int64_t>(one.count), static_cast<int64_t>(one.valid),
                         mean_of(one.i_sum, one.valid), one.i_min, one.i_max, mean_of(one.v_sum, one.valid), one.v_min, one.v_max,
                         mean_of(one.p_sum, one.valid), one.p_min, one.p_max, high_half(one.i_sum), low_half(one.i_sum),
                         high_half(one.v_sum), low_half(one.v_sum), high_half(one.p_sum), low_half(one.p_sum),
                         high_half(one.i2_sum), low_half(one.i2_sum), high_half(one.v2_sum), low_half(one.v2_sum));
  }

  [[nodiscard]] nlohmann::json schema() const {
    nlohmann::json labels = nlohmann::json::array();
    for (const auto& one : labels_) labels.push_back(labels_json(one));
    return {{"format", "joulespool-columns"},
            {"version", 1},
            {"what", is_windows_ ? "windows" : "samples"},
            {"host", host_},
            {"device", {{"id", device_.id}, {"model", device_.model}, {"serial", device_.serial}}},
            {"lane", to_string(lane_)},
            {"axis", hex_id(axis_.life)},
            {"counter_rate_hz", axis_.counter_rate_hz},
            {"byte_order", "little"},
            {"utc_null", utc_null},
            {"tables", {{"rows", rows_.schema()}, {"runs", runs_.schema()}, {"gaps", gaps_.schema()}}},
            {"labels", labels}};
  }

  const std::string schema_path_, host_;
  const wire::DeviceIdentity device_;
  const wire::Lane lane_;
  const wire::TimeAxis axis_;
  const bool is_windows_;
  ColumnTable rows_, runs_, gaps_;
  std::vector<std::vector<wire::Label>> labels_;
  Run run_;
  bool was_kept_ = false;
  std::optional<uint64_t> next_;  // sample_id that would follow
};

class ColumnFormat final : public ExportFormat {
 public:
  explicit ColumnFormat(std::unique_ptr<OutputDirectory> directory) : directory_(std::move(directory)) {}

  Status take(const WindowRows& rows) override { return rows.windows.empty() ? Status{} : add(rows, true); }
  Status take(const SampleRows& rows) override { return rows.i.empty() ? Status{} : add(rows, false); }
  Status finish() override {
    if (Status status = end_axis(); !status) return status;
    return directory_->finish();
  }

 private:
  template <class Rows>
  Status add(const Rows& rows, bool is_windows) {
    if (!tables_ || !tables_->is_of(rows.header)) {
      if (Status status = end_axis(); !status) return status;
      auto tables = AxisTables::create(*directory_, rows.header, is_windows);
      if (!tables) return tables.error();
      tables_ = std::move(*tables);
    }
    return tables_->take(rows);
  }
  Status end_axis() {
    const std::unique_ptr<AxisTables> tables = std::move(tables_);
    return tables ? tables->finish() : Status{};
  }

  const std::unique_ptr<OutputDirectory> directory_;
  std::unique_ptr<AxisTables> tables_;
};

}  // namespace

Result<std::unique_ptr<ExportFormat>> make_column_format(const std::string& directory) {
  auto made = OutputDirectory::create(directory);
  if (!made) return made.error();
  return std::unique_ptr<ExportFormat>(std::make_unique<ColumnFormat>(std::move(*made)));
}

}  // namespace joulespool::cli
