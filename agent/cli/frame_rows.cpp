#include "agent/cli/frame_rows.h"

#include <algorithm>

#include "agent/codec/windows.h"

namespace joulespool::cli {
namespace {

// The sums of samples by their definition (agent/wire/FORMAT.md, section 5).
Sums sums_of(const SampleRows& rows) {
  Sums sums;
  sums.samples = rows.i.size();
  for (size_t at = 0; at < rows.i.size(); ++at) {
    const wire::Units i = wire::to_units(rows.i[at]);
    const wire::Units p = wire::to_units(rows.p[at]);
    if (!i.ok || !p.ok || !wire::to_units(rows.v[at]).ok) continue;
    ++sums.valid;
    sums.i_sum += i.value;
    sums.p_sum += p.value;
  }
  return sums;
}

// How many samples of the grid first, first + step, ... lie before `sample_id`, at most `count`.
size_t samples_before(uint64_t sample_id, uint64_t first, uint32_t step, size_t count) {
  if (sample_id <= first) return 0;
  return static_cast<size_t>(std::min<uint64_t>(count, (sample_id - first - 1) / step + 1));
}

}  // namespace

void Sums::add(const wire::Window& window) {
  samples += window.count;
  valid += window.valid;
  i_sum = wrapping_add(i_sum, window.i_sum);
  p_sum = wrapping_add(p_sum, window.p_sum);
}

void Sums::add(const Sums& other) {
  samples += other.samples;
  valid += other.valid;
  i_sum = wrapping_add(i_sum, other.i_sum);
  p_sum = wrapping_add(p_sum, other.p_sum);
}

Sums sums_of(const wire::FrameHeader& header) { return {header.samples, header.valid, header.i_sum, header.p_sum}; }

Status RowReader::decode(const wire::Frame& frame) {
  return decoder_.decode(frame.payload, frame.header.codec, wire::kept_samples(frame.header).count, samples_);
}

Status RowReader::decode_windows(const wire::Frame& frame, wire::ByteView payload, const TimeRange::Samples& range) {
  auto windows = codec::decode_windows(payload, frame.header.codec, frame.header.sample_id_first);
  if (!windows) return windows.error();
  windows_ = std::move(*windows);
  std::erase_if(windows_, [&](const wire::Window& window) { return !range.contains(window.sample_id_first); });
  sums_ = {};
  for (const wire::Window& window : windows_) sums_.add(window);
  return {};
}

Result<WindowRows> RowReader::windows(const wire::Frame& frame, const TimeRange::Samples& range) {
  if (frame.header.lane == wire::Lane::stat) {
    JOULESPOOL_TRY(decode_windows(frame, frame.payload, range), "windows");
  } else if (frame.header.keeps_all()) {
    windows_.clear();
    sums_ = {};
  } else {
    JOULESPOOL_TRY(decode(frame), "samples");
    JOULESPOOL_TRY(decode_windows(frame, samples_.windows, range), "windows");
  }
  return WindowRows{frame.header, windows_};
}

Result<SampleRows> RowReader::samples(const wire::Frame& frame, const TimeRange::Samples& range) {
  JOULESPOOL_TRY(decode(frame), "samples");
  const wire::KeptSamples kept = wire::kept_samples(frame.header);
  const size_t begin = samples_before(range.first, kept.sample_id_first, kept.decimation, samples_.i.size());
  const size_t end = std::max(begin, samples_before(range.end, kept.sample_id_first, kept.decimation, samples_.i.size()));
  const auto part = [&](const std::vector<float>& values) { return std::span(values).subspan(begin, end - begin); };
  const SampleRows rows{frame.header,     kept.sample_id_first + begin * kept.decimation,
                        kept.decimation,  part(samples_.i),
                        part(samples_.v), part(samples_.p)};
  if (frame.header.keeps_all()) sums_ = sums_of(rows);
  else JOULESPOOL_TRY(decode_windows(frame, samples_.windows, range), "windows");
  return rows;
}

}  // namespace joulespool::cli
