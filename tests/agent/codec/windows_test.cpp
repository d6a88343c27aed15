#include "agent/codec/windows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/support/allocation_count.h"
#include "tests/support/windows_of_load.h"

namespace {

using namespace joulespool;
using codec::codec_2;
using test::same_windows;
using wire::Bytes;
using wire::ByteView;
using wire::Window;

uint64_t first_of(const std::vector<Window>& windows) { return windows.empty() ? 0 : windows.front().sample_id_first; }

Bytes encoded(const std::vector<Window>& windows, uint64_t sample_id_first) {
  codec::WindowEncoder encoder;
  const ByteView payload = encoder.encode(windows, sample_id_first);
  return {payload.begin(), payload.end()};
}

void check_comes_back(codec::WindowEncoder& encoder, const std::vector<Window>& windows, uint64_t sample_id_first) {
  const auto decoded = codec::decode_windows(encoder.encode(windows, sample_id_first), codec_2, sample_id_first);
  REQUIRE_MESSAGE(decoded.ok(), decoded.error().message);
  CHECK(same_windows(*decoded, windows));
}

std::string reason(ByteView payload) {
  const auto decoded = codec::decode_windows(payload, codec_2, 0);
  return decoded ? "" : decoded.error().message;
}

// A payload with one window and the bodies of its columns, as few bytes as it goes.
Bytes payload_of(std::initializer_list<std::vector<int>> parts) {
  Bytes payload;
  for (const auto& part : parts)
    for (const int byte : part) payload.push_back(static_cast<std::byte>(byte));
  return payload;
}
const std::vector<int> one_window = {1, 2, 10, 1};  // count, ticks a sample, usual valid, states

}  // namespace

TEST_CASE("codec: windows of every load, length and rate come back bit for bit") {
  codec::WindowEncoder encoder;
  for (const char* model : {"js110", "js220"})
    for (const char* load : {"sleep-ble", "cpu", "constant", "ranges"}) {
      CAPTURE(model);
      CAPTURE(load);
      const auto windows = test::windows_of({model, load, 0.3});
      check_comes_back(encoder, windows, first_of(windows));
      for (const size_t count : {size_t{1}, size_t{2}, size_t{7}, size_t{65}})
        check_comes_back(encoder, {windows.begin() + 5, windows.begin() + 5 + static_cast<std::ptrdiff_t>(count)}, 12345);
    }
  for (const uint32_t rate : {1000U, 100'000U}) {
    const auto windows = test::windows_of({"js220", "cpu", 2, rate, 10'000});
    check_comes_back(encoder, windows, first_of(windows));
  }
  check_comes_back(encoder, test::windows_of({"js110", "ranges", 3, 0, 1'000'000}), 0);
  check_comes_back(encoder, {}, 77);
}

TEST_CASE("codec: windows with any values come back bit for bit") {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    codec::WindowEncoder encoder;
    check_comes_back(encoder, test::nasty_windows(random, random() % 300), random());
    const auto load = seed % 2 == 0 ? "cpu" : "sleep-ble";
    check_comes_back(encoder, test::spoilt_windows(random, test::windows_of({"js220", load, 0.06})), random());
  }
}

TEST_CASE("codec: windows without numbers, with gaps and of unusual lengths come back") {
  codec::WindowEncoder encoder;
  auto windows = test::windows_of({"js220", "sleep-ble", 0.1});
  windows.front().sample_id_first += 600;
  windows.erase(windows.begin() + 40, windows.begin() + 60);
  windows[10].sample_id_end -= 1400;
  for (size_t at = 20; at < 23; ++at) {
    Window empty;
    empty.sample_id_first = windows[at].sample_id_first;
    empty.sample_id_end = windows[at].sample_id_end;
    empty.count = windows[at].count;
    windows[at] = empty;
  }
  check_comes_back(encoder, windows, first_of(windows));
  check_comes_back(encoder, std::vector<Window>(300, windows[20]), 0);
}

TEST_CASE("codec: a frame may hold 65,536 windows, and no more are read") {
  codec::WindowEncoder encoder;
  auto windows = test::windows_of({"js220", "cpu", 0.1});
  while (windows.size() < codec::windows_per_frame_max) windows.insert(windows.end(), windows.begin(), windows.begin() + 64);
  windows.resize(codec::windows_per_frame_max);
  check_comes_back(encoder, windows, 0);
  CHECK(reason(payload_of({{0x81, 0x80, 0x04}})) == "more windows than a frame may hold");
}

TEST_CASE("codec: windows that are as expected take next to nothing") {
  const auto windows = test::windows_of({"js220", "constant", 0.25});
  std::vector<Window> equal(250, windows[3]);
  for (size_t at = 0; at < equal.size(); ++at) {
    equal[at].sample_id_first = 2000 * at;
    equal[at].sample_id_end = 2000 * (at + 1);
  }
  CHECK(encoded(equal, 0).size() < 130);
  const auto parts = codec::list_window_columns(encoded(equal, 0));
  REQUIRE(parts.ok());
  CHECK(parts->windows == 250);
  REQUIRE(parts->columns.size() == 16);
  for (const char* name : {"state", "sample_id_first", "count", "valid"})
    CHECK(std::ranges::find(parts->columns, name, &codec::WindowColumnPart::name)->size_bytes == 0);
}

TEST_CASE("codec: the same windows give the same bytes, whatever was encoded before") {
  codec::WindowEncoder used;
  for (const char* load : {"ranges", "cpu", "sleep-ble"}) {
    const auto windows = test::windows_of({"js110", load, 0.2});
    const ByteView payload = used.encode(windows, 0);
    CHECK(std::ranges::equal(payload, encoded(windows, 0)));
  }
}

TEST_CASE("codec: encoding windows allocates nothing from the second frame of a size on") {
  for (const char* load : {"ranges", "cpu", "sleep-ble", "constant"}) {
    codec::WindowEncoder encoder;
    const auto windows = test::windows_of({"js110", load, 0.5});
    for (size_t at = 0; at < 2; ++at) encoder.encode(std::span(windows).subspan(250 * at, 250), 0);
    const uint64_t before = allocation_count();
    size_t bytes = 0;
    for (size_t at = 0; at <= 250; at += 50) bytes += encoder.encode(std::span(windows).subspan(at, 250), 0).size();
    CHECK(allocation_count() == before);
    CHECK(bytes > 0);
  }
}

TEST_CASE("codec: windows that are cut off anywhere are refused, with the reason") {
  std::mt19937_64 random(3);
  for (const auto& windows : {test::windows_of({"js110", "cpu", 0.06}), test::nasty_windows(random, 20)}) {
    const Bytes payload = encoded(windows, 0);
    for (size_t size = 0; size < payload.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(reason(ByteView(payload).first(size)).empty());
    }
  }
}

TEST_CASE("codec: windows with a flipped bit are refused or read as some windows, and never a crash") {
  std::mt19937_64 random(4);
  for (const auto& windows : {test::windows_of({"js110", "cpu", 0.05}), test::windows_of({"js220", "sleep-ble", 0.05}),
                              test::nasty_windows(random, 12)}) {
    const Bytes payload = encoded(windows, 0);
    size_t refused = 0;
    for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
      Bytes flipped = payload;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const auto decoded = codec::decode_windows(flipped, codec_2, 0);
      if (!decoded) ++refused;
      if (!decoded) CHECK(decoded.error().code == Errc::damaged);
      else CHECK(decoded->size() <= codec::windows_per_frame_max);
    }
    CHECK(refused > 0);
  }
}

TEST_CASE("codec: what claims to be windows is refused for what is wrong with it") {
  const auto with = [](const std::vector<int>& head, const std::vector<int>& columns) {
    return reason(payload_of({head, columns}));
  };
  const auto length = [&](std::vector<int> body) {
    std::vector<int> columns = {0, static_cast<int>(body.size())};
    columns.insert(columns.end(), body.begin(), body.end());
    columns.insert(columns.end(), 14, 0);
    return with(one_window, columns);
  };
  CHECK(with(one_window, std::vector<int>(16, 0)).empty());
  CHECK(reason({}) == "the payload's head is cut off");
  CHECK(with({0, 1}, {}) == "bytes after no windows");
  CHECK(with({1, 0, 10, 1}, std::vector<int>(16, 0)) == "a sample of no ticks");
  CHECK(with({1, 2, 10, 0}, std::vector<int>(16, 0)) == "a number of states that does not exist");
  CHECK(with({1, 2, 10, 9}, std::vector<int>(16, 0)) == "a number of states that does not exist");
  CHECK(with(one_window, std::vector<int>(15, 0)) == "window column p_max: is cut off");
  CHECK(with(one_window, {0, 5, 1, 255}) == "window column length: is cut off");
  CHECK(with(one_window, {3, 1, 255, 4}) == "window column state: a state that does not exist");
  CHECK(with(one_window, {3, 0x11, 255, 0}) == "window column state: integers: states that are not known yet");
  CHECK(length({1, 255, 0}).empty());
  CHECK(length({1, 64, 0}) == "window column length: integers: a number code that does not exist");
  CHECK(length({1}) == "window column length: integers: cut off");
  CHECK(length({1, 0, 0}) == "window column length: integers: numbers that are cut off");
  CHECK(length({1, 255, 0, 9}) == "window column length: does not have the size of its integers");
  for (const int model : {0x81, 0x41, 0x05, 0x03, 0x00})
    CHECK(length({model, 3, 255, 0}) == "window column length: a model that this version does not know");
  CHECK(with(one_window, {0, 0, 0, 0, 0, 4, 0x41, 128, 255, 0}) == "window column i_sum: more bits left out than there are");
  CHECK(with(one_window, {0, 0, 0, 0, 0, 4, 0x81, 65, 255, 0}) == "window column i_sum: more bits left out than there are");
  CHECK(with(one_window, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0x45, 64, 255, 0}) ==
        "window column i_min: more bits left out than there are");
  CHECK(length({0x21, 0}) == "window column length: integers: a table that is empty, or longer than the column");
  CHECK(length({0x21, 2, 0, 255}) == "window column length: integers: a table that is empty, or longer than the column");
  CHECK(length({0x21, 1, 0, 255, 255, 2}) == "window column length: integers: a number beyond the table");
  CHECK(with(one_window, {0, 0, 0, 0, 3, 1, 255, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) ==
        "window column valid: a window has more valid samples than samples");
  CHECK(codec::decode_windows(payload_of({one_window}), 3, 0).error().code == Errc::usage);
}

TEST_CASE("codec: columns of a later version are passed over") {
  const auto windows = test::windows_of({"js220", "constant", 0.05});
  Bytes payload = encoded(windows, 0);
  for (const int byte : {3, 0xFF, 0xFE, 0xFD, 0}) payload.push_back(static_cast<std::byte>(byte));
  const auto decoded = codec::decode_windows(payload, codec_2, 0);
  REQUIRE(decoded.ok());
  CHECK(same_windows(*decoded, windows));
  CHECK(codec::list_window_columns(payload)->columns.size() == 18);
  payload.push_back(std::byte{9});
  CHECK(reason(payload) == "a later window column: is cut off");
}
