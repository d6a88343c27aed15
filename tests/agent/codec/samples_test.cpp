#include "agent/codec/samples.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "agent/codec/section.h"
#include "tests/agent/codec/same_bits.h"
#include "tests/support/codec1_sample_writer.h"

namespace {

using namespace joulespool::codec;
using joulespool::Errc;
using joulespool::test::same_bits;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;

struct Codec1 {
  using Writer = joulespool::test::Codec1SampleWriter;
  static constexpr uint32_t number = codec_1;
};
struct Codec2 {
  using Writer = SampleEncoder;
  static constexpr uint32_t number = codec_2;
};

std::vector<float> random_bits(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
  return values;
}

std::vector<float> quiet_current(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(1e-6F, 9e-9F);
  std::vector<float> values(count);
  for (float& value : values) value = noise(random);
  return values;
}

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

const float odd_values[] = {0.0F,
                            -0.0F,
                            1e-42F,
                            -1e-45F,
                            std::numeric_limits<float>::infinity(),
                            std::bit_cast<float>(0x7FC12345U),
                            std::bit_cast<float>(0xFFFFFFFFU),
                            std::bit_cast<float>(0x7F800001U)};

}  // namespace

TEST_CASE_TEMPLATE("codec: every bit pattern of i and v comes back, power as the product", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{1000}, size_t{70001}}) {
    std::vector<float> i = random_bits(count, 1), v = random_bits(count, 2);
    for (size_t at = 0; at < std::min(count, std::size(odd_values)); ++at) i[at] = odd_values[at];
    const auto decoded = decode_samples(encoder.encode({i, v, {}, {}}), Codec::number, count);
    REQUIRE(decoded.ok());
    CHECK(same_bits(decoded->i, i));
    CHECK(same_bits(decoded->v, v));
    for (size_t at = 0; at < count; ++at)
      REQUIRE(std::bit_cast<uint32_t>(decoded->p[at]) == std::bit_cast<uint32_t>(product(i[at], v[at])));
  }
}

TEST_CASE_TEMPLATE("codec: a source's own power comes back bit for bit, sparse or dense", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i = quiet_current(20000, 3), v(20000, 1.8F);
  for (const uint32_t every : {1U, 3U, 50U, 19999U}) {
    std::vector<float> p(i.size());
    for (size_t at = 0; at < p.size(); ++at) {
      p[at] = product(i[at], v[at]);
      if (at % every == 0) p[at] = std::bit_cast<float>(std::bit_cast<uint32_t>(p[at]) ^ 1U);
    }
    p.back() = std::bit_cast<float>(0xFFC0FFEEU);
    const auto decoded = decode_samples(encoder.encode({i, v, p, {}}), Codec::number, i.size());
    REQUIRE(decoded.ok());
    CHECK(same_bits(decoded->p, p));
  }
}

TEST_CASE_TEMPLATE("codec: power that is the product costs nothing", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i = quiet_current(10000, 4), v(10000, 3.3F);
  std::vector<float> p;
  for (size_t at = 0; at < i.size(); ++at) p.push_back(product(i[at], v[at]));
  const size_t without = encoder.encode({i, v, {}, {}}).size();
  CHECK(encoder.encode({i, v, p, {}}).size() == without);
}

TEST_CASE_TEMPLATE("codec: ranges and GPI come back with their place and stride", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i(100), v(100);
  Bytes bits(25), nibbles(50);
  for (size_t at = 0; at < bits.size(); ++at) bits[at] = static_cast<std::byte>(at * 37);
  const PackedSignal packed[] = {{16, 1, 2, 1, 200, bits}, {4, 4, 0, 2, 100, nibbles}};
  const auto decoded = decode_samples(encoder.encode({i, v, {}, packed}), Codec::number, 100);
  REQUIRE(decoded.ok());
  REQUIRE(decoded->packed.size() == 2);
  CHECK(decoded->packed[0].signal == 16);
  CHECK(decoded->packed[0].offset == 2);
  CHECK(decoded->packed[0].count == 200);
  CHECK(decoded->packed[0].data == bits);
  CHECK(decoded->packed[1].stride == 2);
  CHECK(decoded->packed[1].data == nibbles);
}

TEST_CASE_TEMPLATE("codec: the same samples give the same bytes, and quiet signals get small", Codec, Codec1, Codec2) {
  const std::vector<float> i = quiet_current(50000, 5), v(50000, 3.3F);
  typename Codec::Writer one, two;
  if (Codec::number == codec_1) two.encode({v, i, {}, {}});  // codec 2 learns from frame to frame
  const Bytes first = copy(one.encode({i, v, {}, {}}));
  CHECK(first == copy(two.encode({i, v, {}, {}})));
  CHECK(first.size() < i.size() * 4);
}

TEST_CASE_TEMPLATE("codec: a payload cut anywhere is refused", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i = quiet_current(500, 6), v(500, 1.8F);
  const Bytes payload = copy(encoder.encode({i, v, {}, {}}));
  for (size_t size = 0; size < payload.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_samples(ByteView(payload).first(size), Codec::number, 500).ok());
  }
}

TEST_CASE_TEMPLATE("codec: flipped bits give an error or samples, never more", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i = quiet_current(300, 7), v = quiet_current(300, 8);
  std::vector<float> p = random_bits(300, 9);
  for (size_t at = 0; at < 290; ++at) p[at] = product(i[at], v[at]);
  const Bytes payload = copy(encoder.encode({i, v, p, {}}));
  size_t refused = 0;
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    Bytes flipped = payload;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto decoded = decode_samples(flipped, Codec::number, 300);
    refused += decoded.ok() ? 0U : 1U;
    if (decoded) {
      CHECK(decoded->i.size() == 300);
    }
  }
  CHECK(refused > 0);
}

TEST_CASE_TEMPLATE("codec: claims beyond the limits are refused before anything is allocated", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i(10), v(10);
  const Bytes payload = copy(encoder.encode({i, v, {}, {}}));
  CHECK(decode_samples(payload, Codec::number, uint64_t{1} << 60).error().code == Errc::damaged);
  CHECK(decode_samples(payload, Codec::number, 11).error().code == Errc::damaged);
  CHECK(decode_samples(payload, 99, 10).error().code == Errc::usage);
  Bytes huge = payload;  // codec 1: the count of the first section; codec 2: the size of the first section
  for (size_t at = Codec::number == codec_1 ? 4 : 2; at < 8; ++at) huge[at] = std::byte{0xFF};
  CHECK(decode_samples(huge, Codec::number, 10).error().code == Errc::damaged);
}

TEST_CASE_TEMPLATE("codec: many small sections together may not hold more than a frame may", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i(1), v(1);
  const Bytes zeros(packed_elements_per_frame_max / 8 / 4);
  std::vector<PackedSignal> packed(4, {16, 1, 0, 1, zeros.size() * 8, zeros});
  CHECK(decode_samples(encoder.encode({i, v, {}, packed}), Codec::number, 1).ok());
  packed.push_back(packed.front());
  CHECK(decode_samples(encoder.encode({i, v, {}, packed}), Codec::number, 1).error().code == Errc::damaged);
}

TEST_CASE_TEMPLATE("codec: sections of signals that are not known are skipped and counted", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i(10, 1.0F), v(10, 2.0F);
  Bytes payload = copy(encoder.encode({i, v, {}, {}}));
  Bytes unknown(Codec::number == codec_1 ? section_header_bytes : 3);
  unknown[0] = std::byte{200};
  unknown[1] = std::byte{77};
  payload.insert(payload.end(), unknown.begin(), unknown.end());
  const auto decoded = decode_samples(payload, Codec::number, 10);
  REQUIRE(decoded.ok());
  CHECK(decoded->sections_skipped == 1);
  CHECK(same_bits(decoded->i, i));
}

TEST_CASE_TEMPLATE("codec: a signal that is there twice, or in a coding that is not known, is refused", Codec, Codec1, Codec2) {
  typename Codec::Writer encoder;
  const std::vector<float> i(10, 1.0F), v(10, 2.0F), p(10, 5.0F);
  const Bytes with_power = copy(encoder.encode({i, v, p, {}})), without = copy(encoder.encode({i, v, {}, {}}));
  REQUIRE(decode_samples(with_power, Codec::number, 10).ok());
  const Bytes power(with_power.begin() + static_cast<std::ptrdiff_t>(without.size()), with_power.end());
  REQUIRE(power.front() == std::byte{3});
  const auto decoded = [&](const Bytes& more) {
    Bytes payload = with_power;
    payload.insert(payload.end(), more.begin(), more.end());
    return decode_samples(payload, Codec::number, 10);
  };
  CHECK(decoded(power).error().code == Errc::damaged);
  CHECK(decoded(without).error().code == Errc::damaged);
  for (const size_t signal : {size_t{0}, without.size()}) {
    Bytes payload = with_power;
    payload[signal + 1] = std::byte{77};
    CHECK(decode_samples(payload, Codec::number, 10).error().code == Errc::damaged);
  }
}

TEST_CASE("codec: windows beside samples, or alone, come back as they are") {
  SampleEncoder encoder;
  const Bytes windows = {std::byte{1}, std::byte{0}, std::byte{0xFF}};
  const std::vector<float> i(10, 1.0F), v(10, 2.0F);
  const auto both = decode_samples(encoder.encode({i, v, {}, {}, windows}), codec_2, 10);
  REQUIRE(both.ok());
  CHECK(both->windows == windows);
  CHECK(same_bits(both->i, i));
  CHECK(both->sections_skipped == 0);
  const Bytes alone = copy(encoder.encode({{}, {}, {}, {}, windows}));
  CHECK(alone.size() == windows.size() + 3);
  SampleDecoder decoder;
  DecodedSamples again = *both;
  REQUIRE(decoder.decode(alone, codec_2, 0, again).ok());
  CHECK(again.windows == windows);
  CHECK((again.i.empty() && again.v.empty() && again.p.empty()));
  REQUIRE(decoder.decode(encoder.encode({i, v, {}, {}}), codec_2, 10, again).ok());
  CHECK(again.windows.empty());
}

TEST_CASE("codec: windows twice, in another coding, or in the place of samples that should be there are refused") {
  SampleEncoder encoder;
  const Bytes windows = {std::byte{1}, std::byte{2}};
  Bytes payload = copy(encoder.encode({{}, {}, {}, {}, windows}));
  CHECK(decode_samples(payload, codec_2, 1).error().code == Errc::damaged);
  payload[1] = std::byte{1};
  CHECK(decode_samples(payload, codec_2, 0).error().code == Errc::damaged);
  payload[1] = std::byte{0};
  const Bytes once = payload;
  payload.insert(payload.end(), once.begin(), once.end());
  CHECK(decode_samples(payload, codec_2, 0).error().code == Errc::damaged);
}
