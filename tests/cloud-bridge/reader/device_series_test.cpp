#include "cloud-bridge/reader/device_series.h"

#include <doctest/doctest.h>

#include "agent/base/clock.h"
#include "tests/support/frame_factory.h"

namespace joulespool::reader {
namespace {

using test::FrameFactory;

CollectedFrame collected(const wire::Bytes& bytes) {
  CollectedFrame frame{bytes, {}, 0, 0, false};
  auto checked = std::get<wire::Frame>(wire::read_frame(frame.bytes));
  frame.header = checked.header;
  frame.payload_at = bytes.size() - checked.payload.size();
  return frame;
}

// Samples 100, 102, ... with i = 0, 1, 2 ...
CollectedFrame ramp(FrameFactory& factory, size_t count = 50) {
  std::vector<float> i(count);
  for (size_t k = 0; k < count; ++k) i[k] = static_cast<float>(k);
  return collected(factory.wave(100, i, i));
}

}  // namespace

TEST_CASE("series: all samples of a frame without a range") {
  FrameFactory factory("js220-1");
  const CollectedFrame frame = ramp(factory);
  DeviceSeries series({.device = "js220-1"});
  REQUIRE(series.wants(frame.header));
  const auto slice = series.samples(frame);
  REQUIRE(slice.ok());
  CHECK(slice->sample_id == 100);
  CHECK(slice->i.size() == 50);
  CHECK(slice->p[7] == 49.0F);
}

TEST_CASE("series: a range of samples takes those at its beginning and not those at its end") {
  FrameFactory factory("js220-1");
  const CollectedFrame frame = ramp(factory);
  struct Row {
    uint64_t from, to, first;
    size_t count;
  };
  for (const Row& row :
       {Row{104, 108, 104, 2}, Row{103, 109, 104, 3}, Row{0, 101, 100, 1}, Row{198, 999, 198, 1}, Row{101, 102, 102, 0}}) {
    CAPTURE(row.from);
    DeviceSeries series({.device = "js220-1", .sample_from = row.from, .sample_to = row.to});
    REQUIRE(series.wants(frame.header));
    const auto slice = series.samples(frame);
    REQUIRE(slice.ok());
    CHECK(slice->i.size() == row.count);
    if (row.count > 0) CHECK(slice->sample_id == row.first);
    if (row.count > 0) CHECK(slice->i[0] == static_cast<float>((row.first - 100) / 2));
  }
  CHECK_FALSE(DeviceSeries({.device = "js220-1", .sample_from = 200}).wants(frame.header));
  CHECK_FALSE(DeviceSeries({.device = "js220-1", .sample_to = 100}).wants(frame.header));
}

TEST_CASE("series: at a lower rate the samples that were kept stand where they are, of windows only there are none") {
  FrameFactory factory("js220-1");
  factory.header.kept = wire::Resolution{20, 2000, 0, false};
  const CollectedFrame frame = ramp(factory);  // kept: 100, 120, 140, 160, 180
  DeviceSeries series({.device = "js220-1", .sample_from = 101, .sample_to = 161});
  REQUIRE(series.wants(frame.header));
  const auto slice = series.samples(frame);
  REQUIRE(slice.ok());
  CHECK(slice->sample_id == 120);
  CHECK(slice->decimation == 20);
  CHECK(std::vector<float>(slice->i.begin(), slice->i.end()) == std::vector<float>{10, 20, 30});
  CHECK(slice->p[1] == 400.0F);
  factory.header.kept = wire::Resolution{0, 2000, 9000, false};
  const auto none = series.samples(ramp(factory));
  REQUIRE(none.ok());
  CHECK(none->i.empty());
}

TEST_CASE("series: a range of time goes by the map of the frame") {
  FrameFactory factory("js220-1");
  const CollectedFrame frame = ramp(factory);
  const int64_t t0 = factory.header.utc.utc_ns_at(104);
  DeviceSeries series({.device = "js220-1", .from_ns = t0, .to_ns = t0 + 2000});  // 1 us per sample
  REQUIRE(series.wants(frame.header));
  const auto slice = series.samples(frame);
  REQUIRE(slice.ok());
  CHECK(slice->sample_id == 104);
  CHECK(slice->i.size() == 2);
  CHECK_FALSE(DeviceSeries({.device = "js220-1", .to_ns = t0 - ns_per_s}).wants(frame.header));
  factory.header.utc.quality = wire::UtcQuality::unknown;
  CHECK_FALSE(series.wants(ramp(factory).header));
}

TEST_CASE("series: a window counts by its first sample") {
  FrameFactory factory("js220-1");
  const CollectedFrame frame = collected(factory.flat_stat(0, 10000));
  DeviceSeries series({.device = "js220-1", .sample_from = 2000, .sample_to = 6001});
  const auto slice = series.windows(frame);
  REQUIRE(slice.ok());
  REQUIRE(slice->windows.size() == 3);
  CHECK(slice->windows[0].sample_id_first == 2000);
}

TEST_CASE("series: device and every label must be those asked for") {
  FrameFactory factory("js220-1");
  factory.header.labels = {{"run", "7"}, {"firmware", "1.2"}};
  const CollectedFrame frame = ramp(factory);
  CHECK(DeviceSeries({.device = "js220-1", .labels = {{"run", "7"}}}).wants(frame.header));
  CHECK(DeviceSeries({.device = "js220-1", .labels = {{"firmware", "1.2"}, {"run", "7"}}}).wants(frame.header));
  CHECK_FALSE(DeviceSeries({.device = "js220-1", .labels = {{"run", "8"}}}).wants(frame.header));
  CHECK_FALSE(DeviceSeries({.device = "js220-1", .labels = {{"run", "7"}, {"x", ""}}}).wants(frame.header));
  CHECK_FALSE(DeviceSeries({.device = "js220-2"}).wants(frame.header));
}

TEST_CASE("series: a damaged payload is an error") {
  FrameFactory factory("js220-1");
  CollectedFrame frame = ramp(factory);
  frame.bytes.resize(frame.bytes.size() - 1);
  DeviceSeries series({.device = "js220-1"});
  CHECK(series.samples(frame).error().code == Errc::damaged);
  CHECK(series.windows(frame).error().code == Errc::damaged);
}

}  // namespace joulespool::reader
