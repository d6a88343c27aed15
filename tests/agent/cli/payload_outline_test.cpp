#include "agent/cli/payload_outline.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/support/frame_factory.h"

namespace {

using namespace joulespool;
using cli::outline_payload;
using cli::OutlineRow;

wire::Frame read(const wire::Bytes& bytes) { return std::get<wire::Frame>(wire::read_frame(bytes)); }

// 500 samples, a GPI and a range beside them, with windows if not all samples are kept.
wire::Bytes wave_frame(const std::optional<wire::Resolution>& kept) {
  test::FrameFactory factory("js220-1");
  factory.header.kept = kept;
  std::vector<float> i(500), v(500, 3.3F);
  for (size_t k = 0; k < i.size(); ++k) i[k] = static_cast<float>(k * k % 101) * 1e-4F;
  const wire::Bytes bits(50, std::byte{0x5A});
  const codec::PackedSignal packed[] = {{17, 1, 3, 2, 400, bits}, {4, 4, 0, 10, 100, bits}};
  return factory.wave(1000, i, v, {}, packed);
}

wire::Bytes stat_frame() {
  test::FrameFactory factory("js220-1");
  return factory.flat_stat(0, 20'000);
}

const OutlineRow& row_of(const std::vector<OutlineRow>& rows, std::string_view section) {
  const auto found = std::ranges::find(rows, section, &OutlineRow::section);
  REQUIRE(found != rows.end());
  return *found;
}

}  // namespace

TEST_CASE("payload outline: sections of samples say what they are and how many elements they hold") {
  const wire::Bytes bytes = wave_frame({});
  const auto rows = outline_payload(read(bytes));
  REQUIRE(rows.ok());
  CHECK(row_of(*rows, "current").elements == 500);
  CHECK(row_of(*rows, "voltage").bits == 32);
  const OutlineRow& gpi = row_of(*rows, "gpi1");
  CHECK(gpi.coding != "unknown");
  CHECK(gpi.bits == 1);
  CHECK(gpi.elements == 400);
  CHECK(gpi.offset == 3);
  CHECK(gpi.stride == 2);
  CHECK(row_of(*rows, "current_range").bits == 4);
}

TEST_CASE("payload outline: at a lower rate there are the samples that were kept, and windows") {
  const wire::Bytes bytes = wave_frame(wire::Resolution{20, 500, 0, false});
  const auto rows = outline_payload(read(bytes));
  REQUIRE(rows.ok());
  CHECK(row_of(*rows, "current").elements == 50);
  CHECK(row_of(*rows, "windows").elements == 2);
}

TEST_CASE("payload outline: lane stat has a row for each column that is stored") {
  const wire::Bytes bytes = stat_frame();
  const auto rows = outline_payload(read(bytes));
  REQUIRE(rows.ok());
  CHECK(row_of(*rows, "i_sum").bits == 128);
  CHECK(row_of(*rows, "p_max").bits == 32);
  CHECK(std::ranges::all_of(*rows, [](const OutlineRow& row) { return row.elements == 10; }));
}

TEST_CASE("payload outline: a payload that is cut off is damaged, an unknown codec wrong usage, nothing is worse") {
  const wire::Bytes bytes = wave_frame({});
  wire::Frame frame = read(bytes);
  frame.payload = frame.payload.first(frame.payload.size() - 1);
  CHECK(outline_payload(frame).error().code == Errc::damaged);
  frame.header.codec = 9;
  CHECK(outline_payload(frame).error().message == "codec 9 is not known to this version");
  std::mt19937 random(1);
  for (const wire::Bytes& whole : {bytes, wave_frame(wire::Resolution{20, 500, 0, false}), stat_frame()}) {
    wire::Frame damaged = read(whole);
    for (uint32_t turn = 0; turn < 2000; ++turn) {
      wire::Bytes payload(damaged.payload.begin(), damaged.payload.end());
      for (int change = 0; change < 3; ++change) payload[random() % payload.size()] = static_cast<std::byte>(random());
      payload.resize(random() % (payload.size() + 1));
      const wire::ByteView intact = std::exchange(damaged.payload, payload);
      damaged.header.codec = 1 + turn % 2;
      if (const auto rows = outline_payload(damaged); !rows) CHECK(rows.error().code == Errc::damaged);
      damaged.payload = intact;
    }
  }
}
