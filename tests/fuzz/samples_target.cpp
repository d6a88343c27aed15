#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "agent/codec/samples.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace joulespool::fuzz {
namespace {

using codec::DecodedPacked;
using codec::DecodedSamples;

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

// A hostile calibration (NaN, infinite) may make any NaN.
bool same_value(float a, float b) { return same_bits(a, b) || (std::isnan(a) && std::isnan(b)); }

// All of its elements; the unused bits of a hostile last byte may be set.
bool same_elements(const DecodedPacked& a, const DecodedPacked& b) {
  if (a.data.size() != b.data.size() || a.data.empty()) return a.data.size() == b.data.size();
  const size_t unused = 8 * a.data.size() - a.count * a.bits;
  const std::byte last = (a.data.back() ^ b.data.back()) << unused;
  return last == std::byte{0} && std::equal(a.data.begin(), a.data.end() - 1, b.data.begin());
}

bool same_packed(const DecodedPacked& a, const DecodedPacked& b) {
  return a.signal == b.signal && a.bits == b.bits && a.offset == b.offset && a.stride == b.stride && a.count == b.count &&
         same_elements(a, b);
}

void check_limits(const DecodedSamples& decoded, uint64_t samples) {
  require(samples <= codec::samples_per_frame_max, "samples: no more than a frame may hold");
  require(decoded.i.size() == samples && decoded.v.size() == samples && decoded.p.size() == samples,
          "samples: as many as the frame says");
  uint64_t elements = 0;
  for (const DecodedPacked& packed : decoded.packed) {
    elements += packed.count;
    require(packed.bits == 1 || packed.bits == 4, "samples: packed signals have 1 or 4 bits");
    require(packed.data.size() == (packed.count * packed.bits + 7) / 8, "samples: packed bytes as count and bits say");
  }
  require(elements <= codec::packed_elements_per_frame_max, "samples: no more packed elements than a frame may hold");
}

// Decoded by the scalar kernels, too, which must say the same. Readers keep their decoders from frame to frame, and so do we.
Status decode(wire::ByteView payload, uint32_t codec, uint64_t samples, DecodedSamples& decoded) {
  static codec::SampleDecoder decoder, scalar_decoder(InstructionSet::scalar);
  const Status status = decoder.decode(payload, codec, samples, decoded);
  if (codec == codec::codec_1) return status;  // has no kernels
  DecodedSamples scalar;
  const Status scalar_status = scalar_decoder.decode(payload, codec, samples, scalar);
  require(status.ok() == scalar_status.ok(), "samples: all instruction sets accept the same");
  if (!status) {
    require(status.error().message == scalar_status.error().message, "samples: all instruction sets give the same reason");
    return status;
  }
  require(std::ranges::equal(scalar.i, decoded.i, same_value), "samples: all instruction sets decode the same current");
  require(std::ranges::equal(scalar.v, decoded.v, same_value), "samples: all instruction sets decode the same voltage");
  require(std::ranges::equal(scalar.p, decoded.p, same_value), "samples: all instruction sets decode the same power");
  return status;
}

// Codec 1 could say any.
bool is_known(const DecodedPacked& packed) {
  return packed.signal == 4 || packed.signal == 5 || (packed.signal >= 16 && packed.signal < 24);
}

// What decodes, encodes again and decodes to the same bits.
void check_again(DecodedSamples decoded, uint64_t samples) {
  std::erase_if(decoded.packed, std::not_fn(is_known));
  std::vector<codec::PackedSignal> packed;
  for (const DecodedPacked& one : decoded.packed)
    packed.push_back({one.signal, one.bits, one.offset, one.stride, one.count, one.data});
  const codec::SampleRun run{decoded.i, decoded.v, decoded.p, packed, decoded.windows};
  codec::SampleEncoder encoder;  // a new one: what an input does must not depend on those before it
  const wire::ByteView payload = encoder.encode(run);
  codec::SampleEncoder scalar(InstructionSet::scalar);
  require(std::ranges::equal(payload, scalar.encode(run)), "samples: all instruction sets encode the same bytes");
  const auto again = codec::decode_samples(payload, codec::codec_2, samples);
  require(again.ok(), "samples: what was decoded can be encoded and decoded");
  require(std::ranges::equal(again->i, decoded.i, same_bits), "samples: current comes back bit for bit");
  require(std::ranges::equal(again->v, decoded.v, same_bits), "samples: voltage comes back bit for bit");
  require(std::ranges::equal(again->p, decoded.p, same_bits), "samples: power comes back bit for bit");
  require(std::ranges::equal(again->packed, decoded.packed, same_packed), "samples: packed signals come back as they were");
  require(again->windows == decoded.windows, "samples: windows come back as they were");
}

// A range at a rate of its own, beside power that is not the product.
bool is_trap(const DecodedSamples& decoded) {
  const bool slow =
      std::ranges::any_of(decoded.packed, [](const DecodedPacked& packed) { return packed.bits == 4 && packed.stride > 8; });
  for (size_t at = 0; slow && at < decoded.p.size(); ++at)
    if (!same_bits(decoded.p[at], codec::product(decoded.i[at], decoded.v[at]))) return true;
  return false;
}

}  // namespace

bool decodes_as_samples(wire::ByteView payload, uint32_t codec, uint64_t samples) {
  DecodedSamples decoded;
  if (const Status status = decode(payload, codec, samples, decoded); !status) {
    require(status.error().code == Errc::damaged || status.error().code == Errc::usage, "samples: refused as damaged or unknown");
    require(!status.error().message.empty(), "samples: a refusal has a reason");
    return false;
  }
  check_limits(decoded, samples);
  if (is_one_in(encoded_one_in, payload)) check_again(decoded, samples);
  if (!decoded.windows.empty()) decodes_as_windows(decoded.windows, codec, 0);
  planted_defect(is_trap(decoded));
  return true;
}

bool run_samples(wire::ByteView input, uint32_t codec) {
  FuzzInput from(input);
  const uint64_t samples = from.integer(sample_count_width);
  return decodes_as_samples(from.rest(), codec, samples);
}

}  // namespace joulespool::fuzz
