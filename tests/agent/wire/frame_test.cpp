#include "agent/wire/frame.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "agent/base/crc32c.h"

using namespace joulespool;
using namespace joulespool::wire;

namespace {

// Encoded by hand from frame.proto and FORMAT.md, not by this code.
constexpr std::string_view golden_hex =
    "4a534631c200000004000000bd4235ee0a056c61622d37121d0a0c6a733232302d30303131323212056a733232301a06303031313232180221ef"
    "cdab896745230128ac023001391032547698badcfe408092f401489492f4015080897a58026219088092f40111f2670d45f2ca86181900000080"
    "7e843e4120026900594f46f2ca86187115cd5b07000000007a080a0372756e1201377a070a056275696c6480010a8801089001029a011209ffff"
    "ffffffffffff11fbffffffffffffffa20112094000000000000000110300000000000000010203ff";

Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2)
    bytes.push_back(static_cast<std::byte>(digit(hex[at]) * 16 + digit(hex[at + 1])));
  return bytes;
}

FrameHeader golden_header() {
  FrameHeader header;
  header.host = "lab-7";
  header.device = {"js220-001122", "js220", "001122"};
  header.lane = Lane::stat;
  header.epoch = 0x0123456789abcdef;
  header.seq = 300;
  header.codec = 1;
  header.axis = {0xfedcba9876543210, 2000000, 2};
  header.sample_id_first = 4000000;
  header.sample_id_end = 4000020;
  header.utc = {4000000, 1767323045678901234, 1999998.5, UtcQuality::host};
  header.host_realtime_ns = 1767323045700000000;
  header.host_monotonic_ns = 123456789;
  header.labels = {{"run", "7"}, {"build", ""}};
  header.samples = 10;
  header.valid = 8;
  header.i_sum = -5;
  header.p_sum = (static_cast<int128>(1) << 70) + 3;
  return header;
}

const Bytes payload = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{0xff}};

std::optional<FrameDefect> defect_of(ByteView bytes) {
  const auto read = read_frame(bytes);
  if (const auto* defect = std::get_if<FrameDefect>(&read)) return *defect;
  return std::nullopt;
}

void put_u32(Bytes& bytes, size_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); }

// Makes the checksum right again after the bytes were changed.
void seal(Bytes& bytes) {
  const ByteView view(bytes);
  put_u32(bytes, 12, crc32c(view.subspan(16), crc32c(view.first(12))));
}

Bytes frame_with_header_bytes(std::string_view header) {
  Bytes bytes(16 + header.size());
  std::memcpy(bytes.data(), "JSF1", 4);
  put_u32(bytes, 4, static_cast<uint32_t>(header.size()));
  put_u32(bytes, 8, 0);
  std::memcpy(bytes.data() + 16, header.data(), header.size());
  seal(bytes);
  return bytes;
}

// The defect of a frame whose header was changed in one way.
template <class Change>
std::optional<FrameDefect> defect_with(Change change) {
  FrameHeader header = golden_header();
  change(header);
  return defect_of(write_frame(header, payload));
}

}  // namespace

TEST_CASE("frame: the bytes are those of the format, to the last bit") {
  CHECK(write_frame(golden_header(), payload) == from_hex(golden_hex));
}

TEST_CASE("frame: golden bytes read back as every field") {
  const Bytes bytes = from_hex(golden_hex);
  const auto read = read_frame(bytes);
  REQUIRE(std::holds_alternative<Frame>(read));
  const auto& frame = std::get<Frame>(read);
  CHECK(frame.header == golden_header());
  CHECK(std::equal(frame.payload.begin(), frame.payload.end(), payload.begin(), payload.end()));
  CHECK(frame.payload.data() == bytes.data() + bytes.size() - payload.size());
}

TEST_CASE("frame: what was kept of the samples is told, and all of them may be") {
  for (const Resolution& kept : {Resolution{20, 2000, 50'000, true}, Resolution{0, 2000, 1, false}, Resolution{2, 0, 9, false}}) {
    FrameHeader header = golden_header();
    header.kept = kept;
    const Bytes bytes = write_frame(header, payload);
    const auto read = read_frame(bytes);
    REQUIRE(std::holds_alternative<Frame>(read));
    CHECK(std::get<Frame>(read).header == header);
    CHECK(header.keeps_all() == (kept.decimation == header.axis.decimation));
  }
}

TEST_CASE("frame: which frames it stands for is told, those of other epochs too") {
  FrameHeader header = golden_header();
  header.lane = Lane::stat;
  header.seq = 1000;
  header.kept = Resolution{0, 20'000, 0, false};
  header.replaces = {{header.epoch, {1, 999}}, {77, {5000, 5000}}};
  const Bytes bytes = write_frame(header, payload);
  const auto read = read_frame(bytes);
  REQUIRE(std::holds_alternative<Frame>(read));
  CHECK(std::get<Frame>(read).header == header);
}

TEST_CASE("frame: kept samples stand where their number is a multiple of the factor, wherever frames begin") {
  for (const uint32_t decimation : {1U, 2U, 16U}) {
    for (const uint32_t factor : {2U, 5U, 40U}) {
      for (const uint64_t phase : {uint64_t{0}, uint64_t{decimation - 1}}) {
        for (uint64_t number = 1000; number < 1090; ++number) {
          for (const uint64_t samples : {0U, 1U, 4U, 39U, 40U, 41U, 100U}) {
            FrameHeader header = golden_header();
            header.axis.decimation = decimation;
            header.sample_id_first = number * decimation + phase;
            header.sample_id_end = header.sample_id_first + samples * decimation;
            header.samples = samples;
            header.kept = Resolution{factor * decimation, 2000, 0, false};
            std::vector<uint64_t> expected;
            for (uint64_t k = number; k < number + samples; ++k)
              if (k % factor == 0) expected.push_back(k * decimation + phase);
            const KeptSamples kept = kept_samples(header);
            REQUIRE(kept.count == expected.size());
            if (expected.empty()) continue;
            REQUIRE(kept.sample_id_first == expected.front());
            REQUIRE(kept.sample_id_first + (kept.count - 1) * kept.decimation == expected.back());
            REQUIRE(kept.decimation == factor * decimation);
          }
        }
      }
    }
  }
}

TEST_CASE("frame: without a lower rate every sample is kept, without a waveform none") {
  FrameHeader header = golden_header();
  CHECK(kept_samples(header) == KeptSamples{header.sample_id_first, 2, 10});
  header.kept = Resolution{2, 0, 1000, false};
  CHECK(kept_samples(header) == KeptSamples{header.sample_id_first, 2, 10});
  header.kept = Resolution{0, 2000, 1000, false};
  CHECK(kept_samples(header).count == 0);
}

TEST_CASE("frame: a payload may be empty") {
  const Bytes bytes = write_frame(golden_header(), {});
  const auto read = read_frame(bytes);
  REQUIRE(std::holds_alternative<Frame>(read));
  CHECK(std::get<Frame>(read).payload.empty());
}

TEST_CASE("frame: fields that a later version adds are passed over") {
  Bytes bytes = write_frame(golden_header(), {});
  const std::byte added[] = {std::byte{0xf8}, std::byte{0x07}, std::byte{0x2a}};  // field 127, varint 42
  bytes.insert(bytes.end(), std::begin(added), std::end(added));
  put_u32(bytes, 4, static_cast<uint32_t>(bytes.size() - 16));
  seal(bytes);
  const auto read = read_frame(bytes);
  REQUIRE(std::holds_alternative<Frame>(read));
  CHECK(std::get<Frame>(read).header == golden_header());
}

TEST_CASE("frame: anything shorter than a prefix is too short") {
  const Bytes bytes = from_hex(golden_hex);
  for (size_t size = 0; size < frame_prefix_bytes; ++size)
    CHECK(defect_of(ByteView(bytes).first(size)) == FrameDefect::too_short);
}

TEST_CASE("frame: bytes of something else are foreign, another version is told apart") {
  Bytes bytes = from_hex(golden_hex);
  bytes[0] = std::byte{'X'};
  CHECK(defect_of(bytes) == FrameDefect::foreign);
  bytes[0] = std::byte{'J'};
  bytes[3] = std::byte{'2'};
  CHECK(defect_of(bytes) == FrameDefect::unknown_version);
}

TEST_CASE("frame: sizes above the limits are refused without looking further") {
  Bytes bytes = from_hex(golden_hex);
  put_u32(bytes, 4, frame_header_bytes_max + 1);
  CHECK(defect_of(bytes) == FrameDefect::too_large);
  bytes = from_hex(golden_hex);
  put_u32(bytes, 8, static_cast<uint32_t>(frame_bytes_limit));
  CHECK(defect_of(bytes) == FrameDefect::too_large);
  put_u32(bytes, 8, UINT32_MAX);
  CHECK(defect_of(bytes) == FrameDefect::too_large);
}

TEST_CASE("frame: a frame of exactly the largest size is taken") {
  const size_t around = write_frame(golden_header(), {}).size();
  CHECK(defect_of(write_frame(golden_header(), Bytes(frame_bytes_limit - around))) == std::nullopt);
  CHECK(defect_of(write_frame(golden_header(), Bytes(frame_bytes_limit - around + 1))) == FrameDefect::too_large);
}

TEST_CASE("frame: cut off anywhere it is truncated, with more behind it has trailing bytes") {
  Bytes bytes = from_hex(golden_hex);
  for (size_t size = frame_prefix_bytes; size < bytes.size(); ++size)
    CHECK(defect_of(ByteView(bytes).first(size)) == FrameDefect::truncated);
  bytes.push_back(std::byte{0});
  CHECK(defect_of(bytes) == FrameDefect::trailing_bytes);
}

TEST_CASE("frame: every change of a single byte is found") {
  const Bytes golden = from_hex(golden_hex);
  for (size_t at = 0; at < golden.size(); ++at) {
    CAPTURE(at);
    for (unsigned flip = 1; flip < 256; ++flip) {
      Bytes bytes = golden;
      bytes[at] ^= static_cast<std::byte>(flip);
      const auto defect = defect_of(bytes);
      REQUIRE(defect.has_value());
      if (at >= 12) CHECK(*defect == FrameDefect::checksum);
    }
  }
}

TEST_CASE("frame: a header that is no message is told apart from one that contradicts itself") {
  CHECK(defect_of(frame_with_header_bytes("\x0a\x7f")) == FrameDefect::header);
  CHECK(defect_of(frame_with_header_bytes("\xff\xff\xff\xff")) == FrameDefect::header);
  CHECK(defect_of(frame_with_header_bytes("")) == FrameDefect::header_invalid);
}

TEST_CASE("frame: a header that contradicts itself is refused") {
  using Change = void (*)(FrameHeader&);
  const Change changes[] = {
      [](FrameHeader& h) { h.host = ""; },
      [](FrameHeader& h) { h.host = "Lab"; },
      [](FrameHeader& h) { h.host = "a/b"; },
      [](FrameHeader& h) { h.host = std::string(64, 'a'); },
      [](FrameHeader& h) { h.device.id = ""; },
      [](FrameHeader& h) { h.device.id = "-js220"; },
      [](FrameHeader& h) { h.device.id = "../../etc"; },
      [](FrameHeader& h) { h.lane = static_cast<Lane>(0); },
      [](FrameHeader& h) { h.lane = static_cast<Lane>(4); },
      [](FrameHeader& h) { h.epoch = 0; },
      [](FrameHeader& h) { h.seq = 0; },
      [](FrameHeader& h) { h.codec = 0; },
      [](FrameHeader& h) { h.axis.decimation = 0; },
      [](FrameHeader& h) { h.axis.counter_rate_hz = 0; },
      [](FrameHeader& h) { h.sample_id_end = h.sample_id_first - 1; },
      [](FrameHeader& h) { h.samples = 11; },  // more than the range holds
      [](FrameHeader& h) { h.valid = 11; },
      [](FrameHeader& h) {
        h.labels.assign(labels_max + 1, {"k", "v"});
      },
      [](FrameHeader& h) {
        h.labels = {{"", "v"}};
      },
      [](FrameHeader& h) {
        h.labels = {{std::string(label_bytes_max + 1, 'k'), "v"}};
      },
      [](FrameHeader& h) {
        h.labels = {{"k", std::string(label_bytes_max + 1, 'v')}};
      },
      [](FrameHeader& h) {
        h.kept = Resolution{3, 2000, 0, false};
      },  // no multiple of the decimation
      [](FrameHeader& h) {
        h.kept = Resolution{20, 0, 0, false};
      },  // fewer samples, and no windows
      [](FrameHeader& h) {
        h.kept = Resolution{0, 0, 1000, false};
      },  // nothing at all
      [](FrameHeader& h) {
        h.replaces = {{h.epoch, {1, h.seq}}};
      },  // itself
      [](FrameHeader& h) {
        h.replaces = {{0, {1, 1}}};
      },
      [](FrameHeader& h) {
        h.replaces = {{7, {0, 1}}};
      },
      [](FrameHeader& h) {
        h.replaces = {{7, {2, 1}}};
      },
      [](FrameHeader& h) {
        h.replaces = {{7, {1, UINT64_MAX}}};
      },
      [](FrameHeader& h) { h.replaces.assign(replaced_max + 1, {7, {1, 1}}); },
  };
  for (const Change change : changes) {
    CAPTURE(&change - changes);
    CHECK(defect_with(change) == FrameDefect::header_invalid);
  }
  CHECK(defect_with([](FrameHeader& h) {
          h.labels.assign(labels_max, {std::string(label_bytes_max, 'k'), std::string(label_bytes_max, 'v')});
          h.replaces.assign(replaced_max, {UINT64_MAX, {UINT64_MAX - 2, UINT64_MAX - 1}});
        }) == std::nullopt);
}

TEST_CASE("frame: random bytes after a right prefix never get through") {
  std::mt19937 random(6);
  for (int round = 0; round < 3000; ++round) {
    std::string header(random() % 80, '\0');
    for (char& c : header) c = static_cast<char>(random());
    const auto defect = defect_of(frame_with_header_bytes(header));
    REQUIRE(defect.has_value());
    CHECK((*defect == FrameDefect::header || *defect == FrameDefect::header_invalid));
  }
}

TEST_CASE("frame: a damaged header with a right checksum is refused or reads as a header that is valid") {
  std::mt19937 random(7);
  const Bytes golden = from_hex(golden_hex);
  for (int round = 0; round < 5000; ++round) {
    Bytes bytes = golden;
    for (int change = 0; change < 3; ++change) bytes[16 + random() % (bytes.size() - 20)] = static_cast<std::byte>(random());
    seal(bytes);
    const auto read = read_frame(bytes);
    const auto* frame = std::get_if<Frame>(&read);
    if (frame == nullptr) continue;
    CHECK(is_valid_id(frame->header.host));
    CHECK(is_valid_id(frame->header.device.id));
    CHECK(frame->header.valid <= frame->header.samples);
    CHECK(frame->header.sample_id_first <= frame->header.sample_id_end);
  }
}

TEST_CASE("frame: every defect has a name of its own") {
  std::vector<std::string_view> names;
  for (size_t defect = 0; defect < frame_defect_count; ++defect) names.push_back(to_string(static_cast<FrameDefect>(defect)));
  CHECK(names == std::vector<std::string_view>{"too_short", "foreign", "unknown_version", "too_large", "truncated",
                                               "trailing_bytes", "checksum", "header", "header_invalid"});
}

TEST_CASE("frame: ids are short, lower case, and no paths or topics") {
  for (const char* id : {"a", "0", "js220-001122", "a-", "a--b"}) CHECK(is_valid_id(id));
  for (const char* id : {"", "-a", "A", "a_b", "a.b", "a/b", "a+", "#", "a b", "\xc3\xa4"}) CHECK(!is_valid_id(id));
  CHECK(is_valid_id(std::string(63, 'a')));
  CHECK(!is_valid_id(std::string(64, 'a')));
  CHECK(!is_valid_id(std::string_view("a\0", 2)));
}
