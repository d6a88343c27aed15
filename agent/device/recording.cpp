#include "agent/device/recording.h"

#include <algorithm>
#include <cmath>

#include "agent/base/crc32c.h"
#include "agent/device/column_file.h"
#include "agent/device/simulated_device.h"
#include "agent/device/tick_hash.h"

namespace joulespool::device {
namespace {

constexpr uint32_t joulescope_counter_rate_hz = 2'000'000;
constexpr uint32_t sample_rate_hz_max = 16'000'000;
constexpr double v_constant_max = 1000;

Error wrong(const std::string& what, const std::string& allowed) { return {Errc::usage, what + ": must be " + allowed}; }

Status validate_all(const ReplayDevice& settings) {
  if (Status status = validate_identity(settings.model, settings.serial); !status) return status;
  if (settings.i_path.empty()) return wrong("i_path is empty", "the path of a float32 column of current (A)");
  if (settings.v_path.empty() == (settings.v_constant == 0))
    return wrong(settings.v_path.empty() ? "neither v_path nor v_constant is given" : "v_path and v_constant are both given",
                 "one of them");
  if (!(std::abs(settings.v_constant) <= v_constant_max))
    return wrong("v_constant = " + std::to_string(settings.v_constant), "-1000..1000 V");
  if (settings.sample_rate_hz < 1 || settings.sample_rate_hz > sample_rate_hz_max)
    return wrong("sample_rate_hz = " + std::to_string(settings.sample_rate_hz),
                 "the recording's, 1.." + std::to_string(sample_rate_hz_max));
  return validate_times(settings.origin_utc_ns, settings.duration_s, settings.block_ms);
}

Status read_into(const std::string& path, std::vector<float>& column) {
  Result<std::vector<float>> values = read_column(path);
  if (!values) return values.error();
  column = std::move(values).value();
  return {};
}

Status check_length(const std::string& path, const std::vector<float>& column, const std::string& i_path, size_t length) {
  if (column.size() == length) return {};
  return Error{Errc::damaged, "recording " + path + " has " + std::to_string(column.size()) + " samples, but " + i_path +
                                  " has " + std::to_string(length) + ": the columns of a recording must be equally long"};
}

uint64_t fingerprint_of(const std::vector<float>& column, uint64_t before) {
  return mix64(before + column.size() * golden_ratio + crc32c(std::as_bytes(std::span(column))));
}

// out[k] = column[(first + k) % size], in runs.
void copy_cyclic(const std::vector<float>& column, uint64_t first, std::span<float> out) {
  for (size_t at = static_cast<size_t>(first % column.size()); !out.empty(); at = 0) {
    const size_t count = std::min(out.size(), column.size() - at);
    std::copy_n(column.begin() + static_cast<ptrdiff_t>(at), count, out.begin());
    out = out.subspan(count);
  }
}

}  // namespace

Status validate(const ReplayDevice& settings) {
  JOULESPOOL_TRY(validate_all(settings), "replay device " + settings.identity().id);
  return {};
}

wire::TimeAxis time_axis(const ReplayDevice& settings) {
  if (joulescope_counter_rate_hz % settings.sample_rate_hz == 0)
    return {0, joulescope_counter_rate_hz, joulescope_counter_rate_hz / settings.sample_rate_hz};
  return {0, settings.sample_rate_hz, 1};
}

Result<Recording> Recording::load(const ReplayDevice& settings) {
  if (Status status = validate(settings); !status) return status.error();
  Recording recording;
  recording.decimation_ = time_axis(settings).decimation;
  recording.v_constant_ = static_cast<float>(settings.v_constant);
  const struct {
    const std::string& path;
    std::vector<float>& column;
  } columns[] = {{settings.i_path, recording.i_}, {settings.v_path, recording.v_}, {settings.p_path, recording.p_}};
  for (const auto& [path, column] : columns) {
    if (path.empty()) continue;
    if (Status status = read_into(path, column); !status) return status.error();
    if (Status status = check_length(path, column, settings.i_path, recording.i_.size()); !status) return status.error();
  }
  for (const auto& part : columns) recording.fingerprint_ = fingerprint_of(part.column, recording.fingerprint_);
  recording.fingerprint_ = fingerprint_of({recording.v_constant_}, recording.fingerprint_);
  return recording;
}

ReplaySample Recording::sample_at(uint64_t sample_id) const {
  const auto at = static_cast<size_t>(sample_id / decimation_ % i_.size());
  ReplaySample sample{i_[at], v_.empty() ? v_constant_ : v_[at]};
  sample.p = p_.empty() ? sample.i * sample.v : p_[at];
  return sample;
}

void Recording::samples(uint64_t sample_id_first, std::span<float> i, std::span<float> v, std::span<float> p) const {
  const uint64_t first = sample_id_first / decimation_;
  copy_cyclic(i_, first, i);
  if (v_.empty()) std::fill(v.begin(), v.end(), v_constant_);
  else copy_cyclic(v_, first, v);
  if (!p_.empty()) copy_cyclic(p_, first, p);
  else
    for (size_t k = 0; k < p.size(); ++k) p[k] = i[k] * v[k];
}

uint64_t Recording::sample_id_limit(const ReplayDevice& settings) const {
  const uint64_t duration = duration_ticks(settings.duration_s, time_axis(settings));
  return settings.loop ? duration : std::min<uint64_t>(duration, uint64_t{size()} * decimation_);
}

}  // namespace joulespool::device
