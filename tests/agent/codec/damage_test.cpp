// Payloads of lane `wave` that were cut, changed or made up.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "agent/codec/byte_io.h"
#include "agent/codec/samples.h"
#include "tests/agent/codec/same_bits.h"
#include "tests/bench/profiles.h"
#include "tests/support/random_frames.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::available_instruction_sets;
using joulespool::Errc;
using joulespool::InstructionSet;
using joulespool::test::same_bits;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;
namespace bench = joulespool::bench;

struct Payload {
  const char* what = "";
  size_t samples = 0;
  Bytes bytes;
};

Payload encoded(const char* what, const SampleRun& run) {
  SampleEncoder encoder;
  const ByteView view = encoder.encode(run);
  return {what, run.i.size(), {view.begin(), view.end()}};
}

Payload of_profile(const char* what, bench::Model model, bench::Profile profile, size_t count) {
  const auto recording = bench::make_recording(model, profile, 1, count);
  Bytes range((count + 1) / 2);
  for (size_t at = 0; at < count; ++at) range[at / 2] |= static_cast<std::byte>(recording.range[at] << (4 * (at % 2)));
  const PackedSignal packed[] = {{4, 4, 0, 1, count, range}, {16, 1, 3, 2, 8 * range.size(), range}};
  return encoded(what, {recording.i, recording.v, recording.p, packed});
}

std::vector<float> resonance(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<float> values(count);
  for (size_t at = 0; at < count; ++at)
    values[at] = static_cast<float>(std::round(1e5 * std::sin(static_cast<double>(at)) + 20 * normal(random)) * 0x1p-20);
  return values;
}

std::vector<float> any_bits(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
  return values;
}

// One for each thing that a payload may have.
const std::vector<Payload>& payloads() {
  static const std::vector<Payload> all = [] {
    using bench::Model, bench::Profile;
    std::vector<Payload> made;
    made.push_back(of_profile("lattices, exceptions, lattice power", Model::js110, Profile::sleep_nan, 9000));
    made.push_back(of_profile("runs of lattices", Model::js110, Profile::ranges, 9000));
    made.push_back(of_profile("grid", Model::js220, Profile::cpu, 5000));
    const auto wave = resonance(5000, 1), wave_v = resonance(5000, 2), bits = any_bits(700, 3), bits_v = any_bits(700, 4),
               bits_p = any_bits(700, 5);
    made.push_back(encoded("linear prediction, power of its own", {wave, wave_v, resonance(5000, 3), {}}));
    made.push_back(encoded("raw, power of its own", {bits, bits_v, bits_p, {}}));
    std::vector<float> repeated;
    for (int turn = 0; turn < 6; ++turn) repeated.insert(repeated.end(), bits.begin(), bits.end());
    std::vector<float> p(repeated.size());
    for (size_t at = 0; at < p.size(); ++at) p[at] = at % 100 == 0 ? 1.0F : product(repeated[at], repeated[at]);
    made.push_back(encoded("shuffled, sparse power", {repeated, repeated, p, {}}));
    const Bytes noise = {std::byte{0x5A}, std::byte{0x13}, std::byte{0xF7}};
    const PackedSignal packed[] = {{23, 1, 7, 3, 24, noise}, {5, 4, 0, 1, 6, noise}};
    made.push_back(encoded("elements and windows", {std::span(wave).first(6), std::span(wave_v).first(6), {}, packed, noise}));
    made.push_back(encoded("no samples", {{}, {}, {}, packed, noise}));
    return made;
  }();
  return all;
}

// Where each section ends.
std::vector<size_t> section_ends(ByteView payload) {
  std::vector<size_t> ends;
  ByteReader from(payload);
  while (from.left() > 0) {
    from.u8();
    from.u8();
    from.bytes(from.varint());
    ends.push_back(payload.size() - from.left());
  }
  return ends;
}

// An error of the right kind or samples, the same with every instruction set. True: samples.
bool check_decodes_or_not(std::vector<SampleDecoder>& decoders, ByteView bytes, size_t samples) {
  DecodedSamples first;
  const auto status = decoders.front().decode(bytes, codec_2, samples, first);
  if (status) {
    REQUIRE(first.i.size() == samples);
    REQUIRE(first.v.size() == samples);
    REQUIRE(first.p.size() == samples);
  } else {
    REQUIRE(status.error().code == Errc::damaged);
    REQUIRE(!status.error().message.empty());
  }
  for (size_t other = 1; other < decoders.size(); ++other) {
    DecodedSamples out;
    const auto again = decoders[other].decode(bytes, codec_2, samples, out);
    REQUIRE(again.ok() == status.ok());
    if (!status) continue;
    REQUIRE(same_bits(out.i, first.i));
    REQUIRE(same_bits(out.v, first.v));
    REQUIRE(same_bits(out.p, first.p));
  }
  return status.ok();
}

std::vector<SampleDecoder> all_decoders() {
  std::vector<SampleDecoder> decoders;
  for (const InstructionSet set : available_instruction_sets()) decoders.emplace_back(set);
  return decoders;
}

Bytes edited(const Bytes& bytes, std::mt19937_64& random) {
  Bytes changed = bytes;
  for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
    const size_t near = random() % 2 == 0 ? changed.size() : std::min<size_t>(changed.size(), 64);
    std::byte& one = changed[random() % near];
    switch (random() % 4) {
      case 0: one ^= static_cast<std::byte>(1U << random() % 8); break;
      case 1: one = random() % 2 == 0 ? std::byte{0} : std::byte{0xFF}; break;
      default: one = static_cast<std::byte>(random());
    }
  }
  if (random() % 8 == 0) changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(random() % changed.size()));
  if (random() % 8 == 0)
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(random() % changed.size()), static_cast<std::byte>(random()));
  return changed;
}

}  // namespace

TEST_CASE("damage: a payload cut within a section is refused, and so is one without current or voltage") {
  auto decoders = all_decoders();
  for (const Payload& payload : payloads()) {
    CAPTURE(payload.what);
    REQUIRE(check_decodes_or_not(decoders, payload.bytes, payload.samples));
    const auto ends = section_ends(payload.bytes);
    const size_t step = payload.bytes.size() / 3000 + 1;
    for (size_t size = 0; size < payload.bytes.size(); size += size < 300 || size + 300 > payload.bytes.size() ? 1 : step) {
      CAPTURE(size);
      const bool whole = std::find(ends.begin(), ends.end(), size) != ends.end() || size == 0;
      const bool enough = payload.samples == 0 || size >= ends[1];
      DecodedSamples out;
      REQUIRE(decoders.front().decode(ByteView(payload.bytes).first(size), codec_2, payload.samples, out).ok() ==
              (whole && enough));
    }
  }
}

TEST_CASE("damage: another number of samples than a payload has is refused") {
  auto decoders = all_decoders();
  for (const Payload& payload : payloads())
    for (const size_t samples : {size_t{0}, size_t{1}, payload.samples - 1, payload.samples + 1, 2 * payload.samples,
                                 size_t{samples_per_frame_max}, size_t{samples_per_frame_max} + 1}) {
      if (samples == payload.samples) continue;
      CAPTURE(payload.what);
      CAPTURE(samples);
      CHECK_FALSE(check_decodes_or_not(decoders, payload.bytes, samples));
    }
}

TEST_CASE("damage: random edits give an error or samples, the same with every instruction set") {
  const uint64_t seed = joulespool::test::first_seed();
  CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
  std::mt19937_64 random(seed);
  auto decoders = all_decoders();
  size_t decoded = 0, refused = 0;
  for (const Payload& payload : payloads()) {
    CAPTURE(payload.what);
    for (int turn = 0; turn < 1500; ++turn)
      ++(check_decodes_or_not(decoders, edited(payload.bytes, random), payload.samples) ? decoded : refused);
    REQUIRE(check_decodes_or_not(decoders, payload.bytes, payload.samples));  // decoders survive it
  }
  MESSAGE("seed " << seed << ": " << refused << " refused, " << decoded << " decoded");
  CHECK(refused > 0);
  CHECK(decoded > 0);
}

TEST_CASE("damage: random edits of random small frames, uncompressed as they are, too") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(600);
  auto decoders = all_decoders();
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    joulespool::test::RandomFrames made(seed);
    std::mt19937_64 random(seed);
    SampleEncoder encoder;
    const auto frame = made.frame(1 + made.below(120));
    const ByteView view = encoder.encode(frame.run());
    const Bytes bytes(view.begin(), view.end());
    for (int turn = 0; turn < 20; ++turn) check_decodes_or_not(decoders, edited(bytes, random), frame.i.size());
  }
}

TEST_CASE("damage: random bytes behind the head of every section and coding are an error or samples") {
  const uint64_t seed = joulespool::test::first_seed();
  CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
  std::mt19937_64 random(seed);
  auto decoders = all_decoders();
  const auto add = [&](ByteWriter& out, unsigned signal, unsigned coding, size_t size) {
    out.u8(static_cast<uint8_t>(signal));
    out.u8(static_cast<uint8_t>(coding));
    out.varint(size);
    for (; size > 0; --size) out.u8(static_cast<uint8_t>(random() % (random() % 3 == 0 ? 256 : 6)));
  };
  for (int turn = 0; turn < 60'000; ++turn) {
    ByteWriter out;
    const size_t samples = random() % 9;
    add(out, 1, static_cast<unsigned>(turn % 5), turn % 5 == 0 ? 4 * samples : random() % 60);
    add(out, 2, 0, 4 * samples);
    add(out, 3 + static_cast<unsigned>(random() % 3), static_cast<unsigned>(random() % 5), random() % 40);
    check_decodes_or_not(decoders, out.view(), samples);
  }
}
