#include "agent/codec/windows_codec1.h"

#include <doctest/doctest.h>

#include <random>

#include "agent/codec/windows.h"
#include "tests/support/codec1_window_writer.h"
#include "tests/support/windows_of_load.h"

namespace {

using namespace joulespool;
using codec::codec_1;
using wire::Bytes;
using wire::ByteView;
using wire::Window;

// What codec 1 can hold: lengths and counts of 32 bits.
std::vector<Window> narrow_windows(std::mt19937_64& random, size_t count) {
  auto windows = test::nasty_windows(random, count);
  for (Window& window : windows) {
    window.sample_id_end = window.sample_id_first + static_cast<uint32_t>(window.sample_id_end);
    window.count = static_cast<uint32_t>(window.count);
    window.valid = std::min<uint64_t>(window.count, static_cast<uint32_t>(window.valid));
  }
  return windows;
}

}  // namespace

TEST_CASE("codec: both codecs give the same windows back") {
  test::Codec1WindowWriter before;
  codec::WindowEncoder now;
  const auto check = [&](const std::vector<Window>& windows) {
    const auto old = codec::decode_windows(before.encode(windows, 9), codec_1, 9);
    const auto fresh = codec::decode_windows(now.encode(windows, 9), codec::codec_2, 9);
    REQUIRE(old.ok());
    REQUIRE(fresh.ok());
    CHECK(test::same_windows(*old, *fresh));
    CHECK(test::same_windows(*old, windows));
  };
  for (const char* load : {"sleep-ble", "cpu", "constant", "ranges"}) check(test::windows_of({"js110", load, 0.1}));
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    check(narrow_windows(random, 100));
  }
  check({});
}

TEST_CASE("codec: damaged windows of codec 1 are refused, never a crash") {
  std::mt19937_64 random(2);
  test::Codec1WindowWriter writer;
  const ByteView view = writer.encode(narrow_windows(random, 40), 0);
  const Bytes payload(view.begin(), view.end());
  for (size_t size = 1; size < payload.size(); ++size)
    CHECK_FALSE(codec::decode_windows(ByteView(payload).first(size), codec_1, 0).ok());
  for (size_t bit = 0; bit < payload.size() * 8; bit += 3) {
    Bytes flipped = payload;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto decoded = codec::decode_windows(flipped, codec_1, 0);
    if (decoded) CHECK(decoded->size() == 40);
  }
  Bytes doubled = payload;
  doubled.insert(doubled.end(), payload.begin(), payload.end());
  CHECK_FALSE(codec::decode_windows(doubled, codec_1, 0).ok());
  CHECK_FALSE(codec::decode_windows(payload, codec::codec_2, 0).ok());
}
