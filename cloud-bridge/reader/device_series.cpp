#include "cloud-bridge/reader/device_series.h"

#include <algorithm>
#include <ranges>

#include "agent/codec/windows.h"

namespace joulespool::reader {
namespace {

bool has_labels(const wire::FrameHeader& header, const std::vector<wire::Label>& wanted) {
  return std::ranges::all_of(
      wanted, [&](const wire::Label& label) { return std::ranges::find(header.labels, label) != header.labels.end(); });
}

}  // namespace

bool DeviceSeries::is_before(const wire::FrameHeader& header, uint64_t sample_id) const {
  return (range_.sample_from && sample_id < *range_.sample_from) ||
         (range_.from_ns && header.utc.utc_ns_at(sample_id) < *range_.from_ns);
}

bool DeviceSeries::is_past(const wire::FrameHeader& header, uint64_t sample_id) const {
  return (range_.sample_to && sample_id >= *range_.sample_to) ||
         (range_.to_ns && header.utc.utc_ns_at(sample_id) >= *range_.to_ns);
}

bool DeviceSeries::wants(const wire::FrameHeader& header) const {
  if (header.device.id != range_.device || !has_labels(header, range_.labels)) return false;
  const bool timed = range_.from_ns || range_.to_ns;
  if (timed && header.utc.quality == wire::UtcQuality::unknown) return false;
  if (header.sample_id_end == header.sample_id_first) return false;
  return !is_past(header, header.sample_id_first) && !is_before(header, header.sample_id_end - 1);
}

Result<SampleSlice> DeviceSeries::samples(const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  const wire::KeptSamples kept = wire::kept_samples(header);
  auto decoded = codec::decode_samples(frame.payload(), header.codec, kept.count);
  if (!decoded) return decoded.error();
  samples_ = std::move(*decoded);
  const auto all = std::views::iota(uint64_t{0}, kept.count);
  const auto id = [&](uint64_t k) { return kept.sample_id_first + k * kept.decimation; };
  const auto first = std::ranges::partition_point(all, [&](uint64_t k) { return is_before(header, id(k)); });
  const auto end = std::ranges::partition_point(first, all.end(), [&](uint64_t k) { return !is_past(header, id(k)); });
  const auto from = static_cast<size_t>(first - all.begin());
  const auto count = static_cast<size_t>(end - first);
  const auto part = [&](const std::vector<float>& values) { return std::span(values).subspan(from, count); };
  return SampleSlice{header, id(from), kept.decimation, part(samples_.i), part(samples_.v), part(samples_.p)};
}

Result<WindowSlice> DeviceSeries::windows(const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  auto decoded = codec::decode_windows(frame.payload(), header.codec, header.sample_id_first);
  if (!decoded) return decoded.error();
  windows_ = std::move(*decoded);
  std::erase_if(windows_, [&](const wire::Window& window) {
    return is_before(header, window.sample_id_first) || is_past(header, window.sample_id_first);
  });
  return WindowSlice{header, windows_};
}

}  // namespace joulespool::reader
