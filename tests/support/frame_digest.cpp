#include "tests/support/frame_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "agent/codec/samples.h"
#include "agent/codec/windows.h"

namespace joulespool::test {
namespace {

// Little-endian like every machine we run on.
template <class Value>
void put(wire::Bytes& out, const Value& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

wire::Bytes as_bytes(const wire::Window& window) {
  wire::Bytes out;
  for (const uint64_t value : {window.sample_id_first, window.sample_id_end, window.count, window.valid}) put(out, value);
  for (const int128 sum : {window.i_sum, window.v_sum, window.p_sum, window.i2_sum, window.v2_sum}) put(out, sum);
  for (const float extreme : {window.i_min, window.i_max, window.v_min, window.v_max, window.p_min, window.p_max})
    put(out, extreme);
  return out;
}

// One byte per element.
std::vector<uint8_t> unpack(const codec::DecodedPacked& packed) {
  std::vector<uint8_t> elements(packed.count);
  for (uint64_t k = 0; k < packed.count; ++k) {
    const uint64_t bit = k * packed.bits;
    elements[k] = static_cast<uint8_t>((static_cast<unsigned>(packed.data[bit / 8]) >> (bit % 8)) & ((1U << packed.bits) - 1));
  }
  return elements;
}

std::string line(const std::string& device, uint64_t epoch, const std::string& lane, uint64_t count, const std::string& hex) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(epoch));
  return device + " " + text + " " + lane + " " + std::to_string(count) + " " + hex;
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() { EVP_DigestInit_ex(evp, EVP_sha256(), nullptr); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;

void Sha256::add(const void* data, size_t size) { EVP_DigestUpdate(context_->evp, data, size); }

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr);
  std::string text;
  for (const unsigned byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

void RunDigest::add(uint64_t axis, uint64_t tick, uint64_t stride, uint64_t count, const void* data, size_t size) {
  if (count == 0) return;
  if (count_ == 0 || axis != axis_ || tick != next_tick_ || stride != stride_) {
    const std::array<uint64_t, 3> start{axis, tick, stride};
    sha_.add(start.data(), sizeof start);
  }
  axis_ = axis;
  next_tick_ = tick + count * stride;
  stride_ = stride;
  sha_.add(data, size);
  count_ += count;
}

Status FrameDigest::add_windows(const wire::FrameHeader& header, wire::ByteView payload, const std::string& lane) {
  const auto windows = codec::decode_windows(payload, header.codec, header.sample_id_first);
  if (!windows) return windows.error();
  Plain& plain = plain_[{{header.device.id, header.epoch}, lane}];
  for (const wire::Window& window : *windows) {
    const wire::Bytes bytes = as_bytes(window);
    plain.sha.add(bytes.data(), bytes.size());
    ++plain.count;
  }
  return {};
}

Status FrameDigest::add_wave(const reader::CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  const wire::KeptSamples kept = wire::kept_samples(header);
  const auto samples = codec::decode_samples(frame.payload(), header.codec, kept.count);
  if (!samples) return samples.error();
  std::vector<float> triples(3 * samples->i.size());
  for (size_t k = 0; k < samples->i.size(); ++k) {
    std::memcpy(&triples[3 * k], &samples->i[k], 4);  // not by value: a NaN's payload must stay
    std::memcpy(&triples[3 * k + 1], &samples->v[k], 4);
    std::memcpy(&triples[3 * k + 2], &samples->p[k], 4);
  }
  const std::pair<std::string, uint64_t> device{header.device.id, header.epoch};
  runs_[{device, "wave"}].add(header.axis.life, kept.sample_id_first, kept.decimation, samples->i.size(), triples.data(),
                              triples.size() * sizeof(float));
  for (const codec::DecodedPacked& packed : samples->packed) {
    const auto elements = unpack(packed);
    runs_[{device, "wave." + std::to_string(packed.signal)}].add(header.axis.life, header.sample_id_first + packed.offset,
                                                                 packed.stride, elements.size(), elements.data(),
                                                                 elements.size());
  }
  return samples->windows.empty() ? Status() : add_windows(header, samples->windows, "wave.windows");
}

Status FrameDigest::add(const reader::CollectedFrame& frame) {
  if (frame.header.lane == wire::Lane::stat) return add_windows(frame.header, frame.payload(), "stat");
  if (frame.header.lane == wire::Lane::wave) return add_wave(frame);
  Plain& plain = plain_[{{frame.header.device.id, frame.header.epoch}, "event"}];
  wire::Bytes start;
  put(start, frame.header.seq);
  put(start, static_cast<uint32_t>(frame.payload().size()));
  plain.sha.add(start.data(), start.size());
  plain.sha.add(frame.payload().data(), frame.payload().size());
  ++plain.count;
  return {};
}

std::vector<std::string> FrameDigest::lines() {
  std::vector<std::string> all;
  for (auto& [key, plain] : plain_)
    all.push_back(line(key.first.first, key.first.second, key.second, plain.count, plain.sha.hex()));
  for (auto& [key, run] : runs_) all.push_back(line(key.first.first, key.first.second, key.second, run.count(), run.hex()));
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace joulespool::test
