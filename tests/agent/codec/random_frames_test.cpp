// Random frames through the codec of lane `wave`.
#include "tests/support/random_frames.h"

#include <doctest/doctest.h>

#include "agent/codec/samples.h"
#include "tests/agent/codec/same_bits.h"
#include "tests/support/codec1_sample_writer.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool::codec;
using joulespool::available_instruction_sets;
using joulespool::InstructionSet;
using joulespool::test::RandomFrame;
using joulespool::test::RandomFrames;
using joulespool::test::same_bits;
using joulespool::wire::Bytes;
using joulespool::wire::ByteView;

bool same_packed(const DecodedPacked& a, const PackedSignal& b) {
  return a.signal == b.signal && a.bits == b.bits && a.offset == b.offset && a.stride == b.stride && a.count == b.count &&
         std::equal(a.data.begin(), a.data.end(), b.data.begin(), b.data.end());
}

void check_same(const DecodedSamples& decoded, const RandomFrame& frame) {
  REQUIRE(same_bits(decoded.i, frame.i));
  REQUIRE(same_bits(decoded.v, frame.v));
  std::vector<float> p = frame.p;
  for (size_t at = p.size(); at < frame.i.size(); ++at) p.push_back(product(frame.i[at], frame.v[at]));
  REQUIRE(same_bits(decoded.p, p));
  REQUIRE(decoded.packed.size() == frame.packed.size());
  for (size_t at = 0; at < frame.packed.size(); ++at) REQUIRE(same_packed(decoded.packed[at], frame.packed[at]));
  REQUIRE(decoded.sections_skipped == 0);
}

// What a section may take beyond its values as they are: signal, coding and size; of packed elements also where they are.
size_t overhead(const RandomFrame& frame) {
  constexpr size_t section = 1 + 1 + 4, place = 1 + 5 + 5 + 4, part = 4 + 1;
  return 3 * section + frame.packed.size() * (section + place + part);
}

size_t any_length(RandomFrames& made) {
  switch (made.below(4)) {
    case 0: return made.below(200);
    case 1: return 4096 * (1 + made.below(3)) + made.below(140) - 70;
    default: return made.below(20'001);
  }
}

}  // namespace

TEST_CASE("codec: random frames come back bit for bit; all instruction sets write and read the same; each frame decodes alone") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(150);
  uint64_t raw = 0, coded = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    RandomFrames made(seed);
    std::vector<SampleEncoder> encoders;
    std::vector<SampleDecoder> decoders;
    for (const InstructionSet set : available_instruction_sets()) {
      encoders.emplace_back(set);
      decoders.emplace_back(set);
    }
    for (int turn = 0; turn < 4; ++turn) {
      CAPTURE(turn);
      const RandomFrame frame = made.frame(any_length(made));
      const ByteView view = encoders.front().encode(frame.run());
      const Bytes payload(view.begin(), view.end());
      REQUIRE(payload.size() <= frame.raw_bytes() + overhead(frame));
      for (SampleEncoder& other : encoders) {
        if (&other == &encoders.front()) continue;
        const ByteView same = other.encode(frame.run());
        REQUIRE(std::equal(same.begin(), same.end(), payload.begin(), payload.end()));
      }
      DecodedSamples decoded;
      for (SampleDecoder& decoder : decoders) {  // which have decoded other frames
        const auto status = decoder.decode(payload, codec_2, frame.i.size(), decoded);
        REQUIRE_MESSAGE(status.ok(), status.error().message);
        check_same(decoded, frame);
      }
      for (const InstructionSet set : available_instruction_sets()) {  // which have not
        SampleDecoder fresh(set);
        DecodedSamples alone;
        REQUIRE(fresh.decode(payload, codec_2, frame.i.size(), alone).ok());
        check_same(alone, frame);
      }
      raw += frame.raw_bytes();
      coded += payload.size();
    }
  }
  MESSAGE("seeds " << first << "..: " << raw << " bytes of samples in " << coded);
}

TEST_CASE("codec: random frames decode to the same bits from codec 1 and codec 2") {
  const uint64_t first = joulespool::test::first_seed(), seeds = joulespool::test::seeds(80);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    RandomFrames made(seed);
    SampleEncoder now;
    joulespool::test::Codec1SampleWriter before;
    for (int turn = 0; turn < 2; ++turn) {
      const RandomFrame frame = made.frame(any_length(made));
      const auto a = decode_samples(before.encode(frame.run()), codec_1, frame.i.size());
      const auto b = decode_samples(now.encode(frame.run()), codec_2, frame.i.size());
      REQUIRE(a.ok());
      REQUIRE(b.ok());
      REQUIRE(same_bits(a->i, b->i));
      REQUIRE(same_bits(a->v, b->v));
      REQUIRE(same_bits(a->p, b->p));
      REQUIRE(a->packed.size() == b->packed.size());
      for (size_t at = 0; at < a->packed.size(); ++at) REQUIRE(a->packed[at].data == b->packed[at].data);
    }
  }
}
