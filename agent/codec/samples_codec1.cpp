#include "agent/codec/samples_codec1.h"

#include <bit>
#include <cstring>
#include <utility>

#include "agent/codec/section.h"
#include "agent/codec/signals.h"

namespace joulespool::codec {
namespace {

// What is known of a payload besides the samples that it gave, section by section.
struct Progress {
  std::vector<uint32_t> corrections;  // of power
  uint64_t packed_elements = 0;
  uint32_t signals_seen = 0;  // of floats, a bit each
};

Result<std::vector<float>> decode_floats(const Section& section) {
  const auto bytes = section_elements(section);
  if (!bytes) return bytes.error();
  std::vector<float> values(section.header.count);
  if (!bytes->empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
  return values;
}

Status decode_packed(const Section& section, DecodedSamples& out, Progress& progress) {
  const SectionHeader& header = section.header;
  progress.packed_elements += header.count;
  if (progress.packed_elements > packed_elements_per_frame_max)
    return damaged_section(header.signal, "more elements than a frame may hold");
  auto bytes = section_elements(section);
  if (!bytes) return bytes.error();
  out.packed.push_back({header.signal, header.bits, header.offset, header.stride, header.count, std::move(*bytes)});
  return {};
}

// Puts a section of floats where it belongs; power's corrections are kept for later.
Status decode_section(const Section& section, uint64_t samples, DecodedSamples& out, Progress& progress) {
  const SectionHeader& header = section.header;
  if (!is_float(header.signal)) {
    if (header.bits == 1 || header.bits == 4) return decode_packed(section, out, progress);
    ++out.sections_skipped;
    return {};
  }
  const uint32_t bit = 1U << header.signal;
  if ((std::exchange(progress.signals_seen, progress.signals_seen | bit) & bit) != 0)
    return damaged_section(header.signal, "is there twice");
  if (header.bits != 32 || header.count != samples)
    return damaged_section(header.signal, "does not have as many samples as the frame");
  if (header.signal == signal_power && header.coding == Coding::sparse) {
    auto xors = section_corrections(section);
    if (!xors) return xors.error();
    progress.corrections = std::move(*xors);
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
  Progress progress;
  for (const Section& section : *sections)
    if (auto status = decode_section(section, samples, out, progress); !status) return status;
  if (out.i.size() != samples || out.v.size() != samples) return Error{Errc::damaged, "current or voltage is missing"};
  if (out.p.size() != samples) compute_power(out, progress.corrections);
  return {};
}

}  // namespace joulespool::codec
