#include "agent/codec/windows.h"

#include <doctest/doctest.h>

#include <bit>
#include <random>

namespace {

using namespace joulespool;
using codec::codec_1;
using wire::Bytes;
using wire::ByteView;
using wire::Window;

std::vector<Window> random_windows(size_t count, uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Window> windows(count);
  uint64_t at = 123'456'789'012;
  for (Window& window : windows) {
    window.sample_id_first = at;
    window.sample_id_end = at + 2000;
    at += 2000 + (random() % 10 == 0 ? random() % 100000 : 0);
    window.count = 1000;
    window.valid = 1000 - random() % 3;
    window.i_sum = join_halves(static_cast<int64_t>(random()), random());
    window.v_sum = -static_cast<int128>(random());
    window.p_sum = static_cast<int128>(random() >> 20);
    window.i2_sum = join_halves(static_cast<int64_t>(random() >> 1), random());
    window.v2_sum = static_cast<int128>(random());
    window.i_min = -1e-3F;
    window.p_max = std::bit_cast<float>(static_cast<uint32_t>(random() & 0x7F7FFFFF));
  }
  return windows;
}

}  // namespace

TEST_CASE("codec: windows come back to the last unit") {
  codec::WindowEncoder encoder;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{250}, size_t{5000}}) {
    const auto windows = random_windows(count, 1);
    const uint64_t first = count == 0 ? 0 : windows.front().sample_id_first;
    const auto decoded = codec::decode_windows(encoder.encode(windows, first), codec_1, first);
    REQUIRE(decoded.ok());
    CHECK(*decoded == windows);
  }
}

TEST_CASE("codec: an all-missing window keeps its infinite extremes") {
  codec::WindowEncoder encoder;
  Window window;
  window.sample_id_first = 5;
  window.sample_id_end = 15;
  window.count = 10;
  const Window windows[] = {window};
  const auto decoded = codec::decode_windows(encoder.encode(windows, 5), codec_1, 5);
  REQUIRE(decoded.ok());
  CHECK(decoded->front() == window);
}

TEST_CASE("codec: damaged windows are refused, never a crash") {
  codec::WindowEncoder encoder;
  const auto windows = random_windows(40, 2);
  const ByteView view = encoder.encode(windows, 0);
  const Bytes payload(view.begin(), view.end());
  for (size_t size = 1; size < payload.size(); ++size)
    CHECK_FALSE(codec::decode_windows(ByteView(payload).first(size), codec_1, 0).ok());
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    Bytes flipped = payload;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto decoded = codec::decode_windows(flipped, codec_1, 0);
    if (decoded) {
      CHECK(decoded->size() == 40);
    }
  }
  Bytes doubled = payload;
  doubled.insert(doubled.end(), payload.begin(), payload.end());
  CHECK_FALSE(codec::decode_windows(doubled, codec_1, 0).ok());
  CHECK(codec::decode_windows(payload, 2, 0).error().code == Errc::usage);
}
