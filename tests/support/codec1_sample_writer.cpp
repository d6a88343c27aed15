#include "tests/support/codec1_sample_writer.h"

#include <bit>

namespace joulespool::test {
namespace {

constexpr uint8_t signal_current = 1;
constexpr uint8_t signal_voltage = 2;
constexpr uint8_t signal_power = 3;

codec::SectionHeader float_header(uint8_t signal, size_t count) {
  codec::SectionHeader header;
  header.signal = signal;
  header.bits = 32;
  header.count = static_cast<uint32_t>(count);
  return header;
}

}  // namespace

void Codec1SampleWriter::add_power(const codec::SampleRun& run) {
  corrections_.resize(run.p.size());
  size_t wrong = 0;
  for (size_t at = 0; at < run.p.size(); ++at) {
    corrections_[at] = std::bit_cast<uint32_t>(run.p[at]) ^ std::bit_cast<uint32_t>(codec::product(run.i[at], run.v[at]));
    wrong += corrections_[at] != 0;
  }
  const codec::SectionHeader header = float_header(signal_power, run.p.size());
  if (wrong > run.p.size() / 8) sections_.add(header, std::as_bytes(run.p));  // a correction costs more than a shuffled float
  else sections_.add_corrections(header, corrections_);
}

wire::ByteView Codec1SampleWriter::encode(const codec::SampleRun& run) {
  sections_.clear();
  sections_.add(float_header(signal_current, run.i.size()), std::as_bytes(run.i));
  sections_.add(float_header(signal_voltage, run.v.size()), std::as_bytes(run.v));
  if (!run.p.empty()) add_power(run);
  for (const codec::PackedSignal& packed : run.packed) {
    codec::SectionHeader header;
    header.signal = packed.signal;
    header.bits = packed.bits;
    header.count = static_cast<uint32_t>(packed.count);
    header.offset = packed.offset;
    header.stride = packed.stride;
    sections_.add(header, packed.data);
  }
  return sections_.bytes();
}

}  // namespace joulespool::test
