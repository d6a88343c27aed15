// What encoding and decoding of lane `wave` ask for from the heap.
#include <doctest/doctest.h>

#include <random>

#include "agent/codec/byte_io.h"
#include "agent/codec/parts.h"
#include "agent/codec/samples.h"
#include "tests/bench/profiles.h"
#include "tests/support/allocation_count.h"
#include "tests/support/random_frames.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::allocated_bytes;
using joulespool::allocation_count;
using joulespool::Errc;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;
namespace bench = joulespool::bench;

constexpr size_t frame_samples = 4096;
constexpr size_t frames = 4;
constexpr size_t measured_frames = 140;

// A few frames of a profile, again and again.
class Repeated {
 public:
  Repeated(bench::Model model, bench::Profile profile)
      : recording_(bench::make_recording(model, profile, 1, frames * frame_samples)) {}
  SampleRun frame(size_t number, bool with_range) {
    const size_t first = number % frames * frame_samples;
    for (size_t at = 0; at < range_.size(); ++at)
      range_[at] = static_cast<std::byte>(recording_.range[first + 2 * at] | recording_.range[first + 2 * at + 1] << 4);
    packed_ = {4, 4, 0, 1, frame_samples, range_};
    const auto part = [&](const std::vector<float>& of) { return std::span(of).subspan(first, frame_samples); };
    return {part(recording_.i), part(recording_.v), part(recording_.p), {&packed_, with_range ? size_t{1} : size_t{0}}};
  }

 private:
  bench::Recording recording_;
  Bytes range_ = Bytes(frame_samples / 2);
  PackedSignal packed_;
};

// Of frames after warming up, how many made the encoder allocate.
size_t frames_that_allocate(bench::Model model, bench::Profile profile, bool with_range) {
  constexpr size_t warm_up = 60;
  Repeated repeated(model, profile);
  SampleEncoder encoder;
  size_t allocating = 0;
  for (size_t number = 0; number < warm_up + measured_frames; ++number) {
    const SampleRun run = repeated.frame(number, with_range);
    const uint64_t before = allocation_count();
    encoder.encode(run);
    if (number >= warm_up && allocation_count() != before) ++allocating;
  }
  return allocating;
}

// Parts claimed as large as they may be, of zeros: small when compressed.
void put_zeros(ByteWriter& out, size_t size) {
  static Compressor compressor;
  ByteWriter scratch;
  put_part(out, Bytes(size), compressor, scratch);
}

Bytes with_sections(const ByteWriter& i, const ByteWriter& v) {
  ByteWriter out;
  for (uint8_t signal = 1; signal <= 2; ++signal) {
    const ByteView data = (signal == 1 ? i : v).view();
    out.u8(signal);
    out.u8(2);  // pages
    out.varint(data.size());
    out.bytes(data);
  }
  return {out.view().begin(), out.view().end()};
}

// All that i, v and p of `samples` may need, and packed signals of 2^24 elements of 4 bits, with what they are decoded from.
uint64_t bytes_max(uint64_t samples, size_t payload) {
  return 256 * samples + 3 * (packed_elements_per_frame_max / 2) + 64 * payload + 65'536;
}

uint64_t bytes_of_decoding(SampleDecoder& decoder, ByteView payload, uint64_t samples) {
  DecodedSamples out;
  const uint64_t before = allocated_bytes();
  (void)decoder.decode(payload, codec_2, samples, out).ok();
  return allocated_bytes() - before;
}

uint64_t bytes_of_decoding(ByteView payload, uint64_t samples) {
  SampleDecoder decoder;
  return bytes_of_decoding(decoder, payload, samples);
}

}  // namespace

TEST_CASE("codec: encoding what an instrument sends allocates nothing once its calibration is known") {
  using bench::Model, bench::Profile;
  for (const Profile profile :
       {Profile::sleep_ble, Profile::const_10ma, Profile::const_1a, Profile::idle_motor, Profile::noise_fs})
    for (const bool with_range : {false, true}) {
      CAPTURE(bench::name_of(profile));
      CAPTURE(with_range);
      CHECK(frames_that_allocate(Model::js110, profile, with_range) == 0);
    }
}

TEST_CASE("codec: where there is no calibration, or one that misses, only a frame now and then allocates, to look for one") {
  using bench::Model, bench::Profile;
  for (const Model model : bench::models)
    for (const Profile profile : {Profile::sleep_ble, Profile::cpu, Profile::const_10ma, Profile::const_1a, Profile::ramp,
                                  Profile::idle_motor, Profile::ranges, Profile::sleep_nan, Profile::noise_fs})
      for (const bool with_range : {false, true}) {
        CAPTURE(bench::name_of(model));
        CAPTURE(bench::name_of(profile));
        CAPTURE(with_range);
        CHECK(frames_that_allocate(model, profile, with_range) <= measured_frames / 10);
      }
}

TEST_CASE("codec: decoding into samples that are reused allocates the list of sections and packed elements only") {
  using bench::Model, bench::Profile;
  for (const Model model : bench::models)
    for (const Profile profile : {Profile::cpu, Profile::ranges, Profile::sleep_nan, Profile::noise_fs}) {
      Repeated repeated(model, profile);
      SampleEncoder encoder;
      SampleDecoder decoder;
      DecodedSamples out;
      for (size_t number = 0; number < 12; ++number) {
        const Bytes payload = [&] {
          const ByteView view = encoder.encode(repeated.frame(number % frames, true));
          return Bytes(view.begin(), view.end());
        }();
        const uint64_t calls = allocation_count(), bytes = allocated_bytes();
        REQUIRE(decoder.decode(payload, codec_2, frame_samples, out).ok());
        if (number < 8) continue;
        CHECK(allocation_count() - calls <= 6);
        CHECK(allocated_bytes() - bytes <= 1024 + frame_samples / 2);
      }
    }
}

TEST_CASE("codec: a small payload cannot make a decoder allocate more than its samples can need") {
  for (const uint64_t samples : {uint64_t{0}, uint64_t{1}, uint64_t{100}, uint64_t{5000}, samples_per_frame_max}) {
    CAPTURE(samples);
    const auto n = static_cast<size_t>(samples);
    ByteWriter largest;
    largest.varint(0);  // lattices
    largest.varint(n);  // exceptions
    put_zeros(largest, 10 * n);
    put_zeros(largest, 4 * n + 256);
    put_zeros(largest, 8 * n + 256);
    largest.u8(0xFF);
    for (int stream = 0; stream < 8; ++stream) put_zeros(largest, n);
    largest.varint(0);
    const Bytes payload = with_sections(largest, largest);
    CHECK(payload.size() < 10'000 + samples / 100);
    const uint64_t bytes = bytes_of_decoding(payload, samples);
    CHECK(bytes <= bytes_max(samples, payload.size()));
    MESSAGE(samples << " samples: " << bytes << " bytes of memory from a payload of " << payload.size());
  }
}

TEST_CASE("codec: frames with one long packed signal, each in another place, do not add up in samples that are reused") {
  const Bytes zeros(packed_elements_per_frame_max / 2);
  const float one = 1;
  SampleEncoder encoder;
  SampleDecoder decoder;
  DecodedSamples out;
  for (size_t before = 0; before < 8; ++before) {
    std::vector<PackedSignal> packed(before, {16, 1, 0, 1, 0, {}});
    packed.push_back({4, 4, 0, 1, packed_elements_per_frame_max, zeros});
    REQUIRE(decoder.decode(encoder.encode({{&one, 1}, {&one, 1}, {}, packed}), codec_2, 1, out).ok());
    size_t held = 0;
    for (const DecodedPacked& signal : out.packed) held += signal.data.capacity();
    CHECK(held <= 2 * zeros.size());
  }
}

TEST_CASE("codec: sizes and counts that nothing is behind allocate next to nothing") {
  for (const uint64_t claim : {uint64_t{1} << 20, uint64_t{1} << 32, uint64_t{1} << 40, UINT64_MAX})
    for (int where = 0; where < 9; ++where) {
      CAPTURE(claim);
      CAPTURE(where);
      ByteWriter out;
      for (int at = 0; at < where; ++at) at == 5 ? out.u8(0xFF) : out.varint(0);
      out.varint(claim);
      out.varint(claim);
      CHECK(bytes_of_decoding(with_sections(out, out), 1000) <= 256 * 1000 + 65'536);
      ByteWriter sections;
      sections.u8(1);
      sections.u8(static_cast<uint8_t>(where));
      sections.varint(claim);
      CHECK(bytes_of_decoding(sections.view(), 1000) <= 65'536);
      for (const uint8_t bits : {uint8_t{0}, uint8_t{1}, uint8_t{4}, uint8_t{255}}) {
        ByteWriter packed;
        packed.u8(16);
        packed.u8(static_cast<uint8_t>(where % 3));
        ByteWriter data;
        data.u8(bits);
        data.varint(0);
        data.varint(1);
        data.varint(claim);
        data.varint(claim);
        packed.varint(data.size());
        packed.bytes(data.view());
        CHECK(bytes_of_decoding(packed.view(), 0) <= packed_elements_per_frame_max / 2 + 65'536);
      }
    }
}

TEST_CASE("codec: random edits never make a decoder allocate more than the samples and the payload can need") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(100);
  SampleEncoder encoder;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    joulespool::test::RandomFrames made(seed);
    std::mt19937_64 random(seed);
    const auto frame = made.frame(made.below(500));
    const ByteView view = encoder.encode(frame.run());
    for (int turn = 0; turn < 30; ++turn) {
      Bytes changed(view.begin(), view.end());
      if (changed.empty()) break;
      for (uint64_t edits = 1 + random() % 4; edits > 0; --edits)
        changed[random() % std::min<size_t>(changed.size(), 80)] = static_cast<std::byte>(random());
      REQUIRE(bytes_of_decoding(changed, frame.i.size()) <= bytes_max(frame.i.size(), changed.size()));
    }
  }
}
