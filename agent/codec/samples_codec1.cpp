#include "agent/codec/samples_codec1.h"

#include <bit>
#include <cstring>
#include <utility>

#include "agent/codec/section.h"

namespace joulespool::codec {
namespace {

constexpr uint8_t signal_current = 1;
constexpr uint8_t signal_voltage = 2;
constexpr uint8_t signal_power = 3;

bool is_float(uint8_t signal) { return signal >= signal_current && signal <= signal_power; }

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
  if (!is_float(header.signal)) {
    if (header.bits == 1 || header.bits == 4) return decode_packed(section, out);
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

Status decode_samples_codec1(wire::ByteView payload, uint64_t samples, DecodedSamples& out) {
  const auto sections = read_sections(payload);
  if (!sections) return sections.error();
  out = {};
  std::vector<uint32_t> corrections;
  uint32_t seen = 0;  // signals of floats
  for (const Section& section : *sections) {
    const uint32_t bit = is_float(section.header.signal) ? 1U << section.header.signal : 0;
    if ((std::exchange(seen, seen | bit) & bit) != 0) return damaged(section.header, "is there twice");
    if (auto status = decode_section(section, samples, out, corrections); !status) return status;
  }
  if (out.i.size() != samples || out.v.size() != samples) return Error{Errc::damaged, "current or voltage is missing"};
  if (out.p.size() != samples) compute_power(out, corrections);
  return {};
}

}  // namespace joulespool::codec
