#include "tests/bench/own_codecs.h"

#include <cstring>

#include "agent/codec/samples.h"

namespace joulespool::bench {

namespace {

constexpr uint8_t range_signal = 4;

template <class Element>
bool same_bits(std::span<const Element> left, const std::vector<Element>& right) {
  return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size_bytes()) == 0;
}

class Codec2 final : public FrameCodec {
 public:
  explicit Codec2(InstructionSet set) : set_(set), encoder_(set), decoder_(set) {}
  void start() override { encoder_ = codec::SampleEncoder(set_); }
  size_t encode(const Frame& frame) override {
    count_ = frame.count();
    const codec::PackedSignal range{range_signal, 4, 0, 1, count_, frame.range_nibbles};
    payload_ = encoder_.encode({frame.i(), frame.v(), frame.p(), std::span(&range, frame.range_nibbles.empty() ? 0 : 1)});
    return payload_.size();
  }
  void decode() override { well_ = decoder_.decode(payload_, codec::codec_2, count_, decoded_).ok(); }
  [[nodiscard]] bool gave_back(const Frame& frame) const override {
    if (!well_ || !same_bits(frame.i(), decoded_.i) || !same_bits(frame.v(), decoded_.v) || !same_bits(frame.p(), decoded_.p))
      return false;
    if (frame.range_nibbles.empty()) return decoded_.packed.empty();
    return decoded_.packed.size() == 1 && same_bits<std::byte>(frame.range_nibbles, decoded_.packed[0].data);
  }

 private:
  InstructionSet set_;
  codec::SampleEncoder encoder_;
  codec::SampleDecoder decoder_;
  wire::ByteView payload_;
  size_t count_ = 0;
  bool well_ = false;
  codec::DecodedSamples decoded_;
};

}  // namespace

std::vector<NamedCodec> own_codecs() {
  std::vector<NamedCodec> codecs;
  for (const InstructionSet set : available_instruction_sets())
    codecs.push_back({"codec 2, " + std::string(to_string(set)), std::make_unique<Codec2>(set), 3});
  return codecs;
}

std::unique_ptr<FrameCodec> shipped_codec(InstructionSet set) { return std::make_unique<Codec2>(set); }

}  // namespace joulespool::bench
