#include "tests/bench/own_codecs.h"

#include <cstring>

#include "agent/codec/samples.h"
#include "tests/support/codec1_sample_writer.h"

namespace joulespool::bench {

namespace {

constexpr uint8_t range_signal = 4;

template <class Element>
bool same_bits(std::span<const Element> left, const std::vector<Element>& right) {
  return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size_bytes()) == 0;
}

// What a decoder gave, and whether it is what a frame has.
class OwnCodec : public FrameCodec {
 public:
  size_t encode(const Frame& frame) final {
    count_ = frame.count();
    const codec::PackedSignal range{range_signal, 4, 0, 1, count_, frame.range_nibbles};
    payload_ = write({frame.i(), frame.v(), frame.p(), std::span(&range, frame.range_nibbles.empty() ? 0 : 1)});
    return payload_.size();
  }
  void decode() final { well_ = decoder_.decode(payload_, codec_, count_, decoded_).ok(); }
  [[nodiscard]] bool gave_back(const Frame& frame) const final {
    if (!well_ || !same_bits(frame.i(), decoded_.i) || !same_bits(frame.v(), decoded_.v) || !same_bits(frame.p(), decoded_.p))
      return false;
    if (frame.range_nibbles.empty()) return decoded_.packed.empty();
    return decoded_.packed.size() == 1 && same_bits<std::byte>(frame.range_nibbles, decoded_.packed[0].data);
  }

 protected:
  OwnCodec(uint32_t codec, InstructionSet set) : codec_(codec), decoder_(set) {}
  virtual wire::ByteView write(const codec::SampleRun& run) = 0;

 private:
  uint32_t codec_;
  codec::SampleDecoder decoder_;
  wire::ByteView payload_;
  size_t count_ = 0;
  bool well_ = false;
  codec::DecodedSamples decoded_;
};

class Codec2 final : public OwnCodec {
 public:
  explicit Codec2(InstructionSet set) : OwnCodec(codec::codec_2, set), set_(set), encoder_(set) {}
  void start() override { encoder_ = codec::SampleEncoder(set_); }

 private:
  wire::ByteView write(const codec::SampleRun& run) override { return encoder_.encode(run); }
  InstructionSet set_;
  codec::SampleEncoder encoder_;
};

class Codec1 final : public OwnCodec {
 public:
  Codec1() : OwnCodec(codec::codec_1, best_instruction_set()) {}

 private:
  wire::ByteView write(const codec::SampleRun& run) override { return writer_.encode(run); }
  test::Codec1SampleWriter writer_;
};

}  // namespace

std::vector<NamedCodec> own_codecs() {
  std::vector<NamedCodec> codecs;
  for (const InstructionSet set : available_instruction_sets())
    codecs.push_back({"codec 2, " + std::string(to_string(set)), std::make_unique<Codec2>(set), 3});
  codecs.push_back({"codec 1", std::make_unique<Codec1>(), 1});
  return codecs;
}

std::unique_ptr<FrameCodec> shipped_codec(InstructionSet set) { return std::make_unique<Codec2>(set); }

}  // namespace joulespool::bench
