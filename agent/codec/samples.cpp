#include "agent/codec/samples.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace joulespool::codec {
namespace {

constexpr uint8_t signal_current = 1;
constexpr uint8_t signal_voltage = 2;
constexpr uint8_t signal_power = 3;

SectionHeader float_header(uint8_t signal, size_t count) {
  SectionHeader header;
  header.signal = signal;
  header.bits = 32;
  header.count = static_cast<uint32_t>(count);
  return header;
}

Error damaged(const SectionHeader& header, std::string_view what) {
  return {Errc::damaged, "section of signal " + std::to_string(header.signal) + ": " + std::string(what)};
}

Result<std::vector<float>> decode_floats(const Section& section) {
  const auto bytes = section_elements(section);
  if (!bytes) return bytes.error();
  std::vector<float> values(section.header.count);
  if (!bytes->empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
  return values;
}

Status decode_packed(const Section& section, DecodedSamples& out) {
  const SectionHeader& header = section.header;
  uint64_t elements = header.count;
  for (const DecodedPacked& packed : out.packed) elements += packed.count;
  if (elements > packed_elements_per_frame_max) return damaged(header, "more elements than a frame may hold");
  auto bytes = section_elements(section);
  if (!bytes) return bytes.error();
  out.packed.push_back({header.signal, header.bits, header.offset, header.stride, header.count, std::move(*bytes)});
  return {};
}

// Puts a section of floats where it belongs; power's corrections are kept for later.
Status decode_section(const Section& section, uint64_t samples, DecodedSamples& out, std::vector<uint32_t>& corrections) {
  const SectionHeader& header = section.header;
  const bool is_float = header.signal >= signal_current && header.signal <= signal_power;
  if (!is_float && (header.bits == 1 || header.bits == 4)) return decode_packed(section, out);
  if (!is_float || header.coding > Coding::sparse) {
    ++out.sections_skipped;
    return {};
  }
  if (header.bits != 32 || header.count != samples) return damaged(header, "does not have as many samples as the frame");
  if (header.signal == signal_power && header.coding == Coding::sparse) {
    auto xors = section_corrections(section);
    if (!xors) return xors.error();
    corrections = std::move(*xors);
    return {};
  }
  auto values = decode_floats(section);
  if (!values) return values.error();
  (header.signal == signal_current ? out.i : header.signal == signal_voltage ? out.v : out.p) = std::move(*values);
  return {};
}

void compute_power(DecodedSamples& out, const std::vector<uint32_t>& corrections) {
  out.p.resize(out.i.size());
  for (size_t at = 0; at < out.i.size(); ++at) out.p[at] = product(out.i[at], out.v[at]);
  for (size_t at = 0; at < corrections.size(); ++at)
    if (corrections[at] != 0) out.p[at] = std::bit_cast<float>(std::bit_cast<uint32_t>(out.p[at]) ^ corrections[at]);
}

}  // namespace

float product(float i, float v) {
  const float p = i * v;
  return std::isnan(p) ? std::bit_cast<float>(0x7FC00000U) : p;
}

SampleEncoder::SampleEncoder() : sections_(std::make_unique<SectionWriter>()) {}
SampleEncoder::~SampleEncoder() = default;
SampleEncoder::SampleEncoder(SampleEncoder&&) noexcept = default;
SampleEncoder& SampleEncoder::operator=(SampleEncoder&&) noexcept = default;

void SampleEncoder::add_power(const SampleRun& run) {
  corrections_.resize(run.p.size());
  size_t wrong = 0;
  for (size_t at = 0; at < run.p.size(); ++at) {
    corrections_[at] = std::bit_cast<uint32_t>(run.p[at]) ^ std::bit_cast<uint32_t>(product(run.i[at], run.v[at]));
    wrong += corrections_[at] != 0;
  }
  const SectionHeader header = float_header(signal_power, run.p.size());
  if (wrong > run.p.size() / 8) sections_->add(header, std::as_bytes(run.p));  // a correction costs more than a shuffled float
  else sections_->add_corrections(header, corrections_);
}

wire::ByteView SampleEncoder::encode(const SampleRun& run) {
  sections_->clear();
  sections_->add(float_header(signal_current, run.i.size()), std::as_bytes(run.i));
  sections_->add(float_header(signal_voltage, run.v.size()), std::as_bytes(run.v));
  if (!run.p.empty()) add_power(run);
  for (const PackedSignal& packed : run.packed) {
    SectionHeader header;
    header.signal = packed.signal;
    header.bits = packed.bits;
    header.count = static_cast<uint32_t>(packed.count);
    header.offset = packed.offset;
    header.stride = packed.stride;
    sections_->add(header, packed.data);
  }
  return sections_->bytes();
}

Result<DecodedSamples> decode_samples(wire::ByteView payload, uint32_t codec, uint64_t samples) {
  if (codec != codec_1) return Error{Errc::usage, "codec " + std::to_string(codec) + " is not known to this version"};
  if (samples > samples_per_frame_max) return Error{Errc::damaged, "more samples than a frame may hold"};
  const auto sections = read_sections(payload);
  if (!sections) return sections.error();
  DecodedSamples out;
  std::vector<uint32_t> corrections;
  for (const Section& section : *sections)
    if (const auto status = decode_section(section, samples, out, corrections); !status) return status.error();
  if (out.i.size() != samples || out.v.size() != samples) return Error{Errc::damaged, "current or voltage is missing"};
  if (out.p.size() != samples) compute_power(out, corrections);
  return out;
}

}  // namespace joulespool::codec
