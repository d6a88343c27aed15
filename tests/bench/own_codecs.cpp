#include "tests/bench/own_codecs.h"

#include <cstring>

#include "agent/codec/samples.h"

namespace joulespool::bench {

namespace {

constexpr uint8_t range_signal = 4;

template <class Column>
bool same_bits(std::span<const Column> left, const std::vector<Column>& right) {
  return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size_bytes()) == 0;
}

class Samples final : public FrameCodec {
 public:
  void start() override { encoder_ = codec::SampleEncoder(); }
  size_t encode(const Frame& frame) override {
    count_ = frame.count();
    codec::PackedSignal range{range_signal, 4, 0, 1, count_, frame.range_nibbles};
    const std::span<const codec::PackedSignal> packed =
        frame.range_nibbles.empty() ? std::span<const codec::PackedSignal>{} : std::span(&range, 1);
    payload_ = encoder_.encode({frame.i(), frame.v(), frame.p(), packed});
    return payload_.size();
  }
  void decode() override {
    auto samples = codec::decode_samples(payload_, codec::codec_1, count_);
    well_ = samples.ok();
    if (well_) decoded_ = std::move(samples.value());
  }
  [[nodiscard]] bool gave_back(const Frame& frame) const override {
    if (!well_ || !same_bits(frame.i(), decoded_.i) || !same_bits(frame.v(), decoded_.v) || !same_bits(frame.p(), decoded_.p))
      return false;
    if (frame.range_nibbles.empty()) return decoded_.packed.empty();
    return decoded_.packed.size() == 1 && same_bits(std::span(frame.range_nibbles), decoded_.packed[0].data);
  }

 private:
  codec::SampleEncoder encoder_;
  wire::ByteView payload_;
  size_t count_ = 0;
  bool well_ = false;
  codec::DecodedSamples decoded_;
};

}  // namespace

std::vector<NamedCodec> own_codecs() {
  std::vector<NamedCodec> codecs;
  codecs.push_back({"codec 1", std::make_unique<Samples>(), 1});
  return codecs;
}

std::unique_ptr<FrameCodec> shipped_codec() { return std::make_unique<Samples>(); }

}  // namespace joulespool::bench
