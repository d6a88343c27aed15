#include "agent/codec/samples.h"

#include <bit>
#include <cmath>
#include <utility>

#include "agent/codec/parts.h"
#include "agent/codec/power.h"
#include "agent/codec/samples_codec1.h"
#include "agent/codec/signal_pages.h"
#include "agent/codec/signals.h"

namespace joulespool::codec {

static_assert(std::endian::native == std::endian::little, "payloads are little-endian, and so is all of this room");

namespace {

// How a section's data are coded; a number means another thing for another kind of signal (FORMAT-wave.md).
enum class FloatCoding : uint8_t { raw = 0, shuffled = 1, pages = 2, corrections = 3 };
enum class PackedCoding : uint8_t { elements = 0, runs = 1 };

struct Section {
  uint8_t signal = 0;
  uint8_t coding = 0;
  wire::ByteView data;
};

Status in_section(uint8_t signal, const Status& status) {
  return status ? status : damaged_section(signal, status.error().message);
}

Status without_samples(DecodedSamples& out) {
  for (std::vector<float>* values : {&out.i, &out.v, &out.p}) values->clear();
  return {};
}

Status split(wire::ByteView payload, std::vector<Section>& sections) {
  sections.clear();
  ByteReader from(payload);
  while (from.left() > 0) {
    Section section;
    section.signal = from.u8();
    section.coding = from.u8();
    section.data = from.bytes(from.varint());
    if (!from.ok()) return Error{Errc::damaged, "section " + std::to_string(sections.size() + 1) + " of the payload is cut off"};
    sections.push_back(section);
  }
  return {};
}

}  // namespace

float product(float i, float v) {
  const float p = i * v;
  return std::isnan(p) ? std::bit_cast<float>(0x7FC00000U) : p;
}

struct SampleEncoder::Parts {
  explicit Parts(InstructionSet set) : kernels(codec::kernels(set)), i(kernels), v(kernels), p(kernels), power(kernels) {}

  void add_section(uint8_t signal, uint8_t coding, wire::ByteView data) {
    out.u8(signal);
    out.u8(coding);
    out.varint(data.size());
    out.bytes(data);
  }
  // A range signal that has one element a sample.
  struct RangeRuns {
    const PackedSignal* packed = nullptr;  // nullptr: there is none
    std::vector<ElementRun> runs;
    [[nodiscard]] Ranges ranges() const { return packed == nullptr ? Ranges{} : Ranges(runs); }
  };
  FloatCoding add_floats(uint8_t signal, SignalWriter& writer, std::span<const float> values);
  void add_power(std::span<const float> values);
  void add_packed(const PackedSignal& packed);
  static void find_ranges(uint8_t signal, const SampleRun& run, RangeRuns& found);

  const Kernels& kernels;
  SignalWriter i, v, p;
  PowerWriter power;
  Compressor compressor;
  ByteWriter out, section, corrections, other, scratch;
  RangeRuns i_range, v_range;
  std::vector<ElementRun> packed_runs;
};

// Takes the smaller of pages, shuffled bytes and the values as they are. Pages lose only where they found no structure.
FloatCoding SampleEncoder::Parts::add_floats(uint8_t signal, SignalWriter& writer, std::span<const float> values) {
  const wire::ByteView raw = std::as_bytes(values);
  section.clear();
  writer.finish(section, compressor);
  wire::ByteView best = section.view();
  auto coding = FloatCoding::pages;
  if (writer.fell_back() || best.size() > raw.size() / 8 * 7) {
    scratch.clear();
    auto* planes = reinterpret_cast<uint8_t*>(scratch.extend(raw.size()));
    kernels.shuffle(reinterpret_cast<const uint32_t*>(values.data()), values.size(), planes);
    other.clear();
    const size_t limit = std::min(best.size(), raw.size());
    if (compressor.append(other, scratch.view(), limit) > 0) {
      best = other.view();
      coding = FloatCoding::shuffled;
    } else if (raw.size() < best.size()) {
      best = raw;
      coding = FloatCoding::raw;
    }
  }
  add_section(signal, static_cast<uint8_t>(coding), best);
  return coding;
}

void SampleEncoder::Parts::add_power(std::span<const float> values) {
  if (power.is_product()) return;
  section.clear();
  power.finish(section, compressor);
  constexpr size_t own_per = 8;  // wrong so often that power may be better off as a signal of its own
  if (power.missed() > values.size() / own_per) {
    corrections.clear();
    std::swap(section, corrections);
    const size_t before = out.size();
    p.code(values, {}, false);
    add_floats(signal_power, p, values);
    if (out.size() - before <= corrections.size()) return;
    out.shrink(before);
    std::swap(section, corrections);
  }
  add_section(signal_power, static_cast<uint8_t>(FloatCoding::corrections), section.view());
}

void SampleEncoder::Parts::find_ranges(uint8_t signal, const SampleRun& run, RangeRuns& found) {
  found.packed = nullptr;
  for (const PackedSignal& packed : run.packed)
    if (found.packed == nullptr && packed.signal == signal && packed.bits == 4 && packed.offset == 0 &&
        packed.count == run.i.size() && find_runs(packed.data, packed.bits, packed.count, packed.count / 16 + 1, found.runs))
      found.packed = &packed;
}

void SampleEncoder::Parts::add_packed(const PackedSignal& packed) {
  section.clear();
  section.u8(packed.bits);
  section.varint(packed.offset);
  section.varint(packed.stride);
  section.varint(packed.count);
  // A run takes 1 byte or more (4 bits: 2): not tried further once they take half of what the elements do.
  const size_t runs_max = packed.data.size() / (packed.bits == 4 ? 4 : 2) + 1;
  const std::vector<ElementRun>* runs = &packed == i_range.packed   ? &i_range.runs
                                        : &packed == v_range.packed ? &v_range.runs
                                                                    : nullptr;
  if (runs == nullptr && find_runs(packed.data, packed.bits, packed.count, runs_max, packed_runs)) runs = &packed_runs;
  other.clear();
  if (runs != nullptr) write_runs(other, packed.bits, *runs);
  put_part(section, runs != nullptr ? other.view() : packed.data, compressor, scratch);
  add_section(packed.signal, static_cast<uint8_t>(runs != nullptr ? PackedCoding::runs : PackedCoding::elements), section.view());
}

SampleEncoder::SampleEncoder(InstructionSet set) : parts_(std::make_unique<Parts>(set)) {}
SampleEncoder::~SampleEncoder() = default;
SampleEncoder::SampleEncoder(SampleEncoder&&) noexcept = default;
SampleEncoder& SampleEncoder::operator=(SampleEncoder&&) noexcept = default;

void SampleEncoder::know_current(uint8_t range, double offset, double step) { parts_->i.know(range & 15, {offset, step}); }
void SampleEncoder::know_voltage(uint8_t range, double offset, double step) { parts_->v.know(range & 15, {offset, step}); }

wire::ByteView SampleEncoder::encode(const SampleRun& run) {
  Parts& to = *parts_;
  to.out.clear();
  Parts::find_ranges(signal_current_range, run, to.i_range);
  Parts::find_ranges(signal_voltage_range, run, to.v_range);
  const bool with_power = !run.p.empty();
  to.i.code(run.i, to.i_range.ranges(), with_power);
  to.v.code(run.v, to.v_range.ranges(), with_power);
  const PowerInput power{run.i, run.v, run.p, to.i, to.v};
  if (with_power) to.power.code(power);
  bool in_pages = true;
  if (!run.i.empty()) {
    in_pages = to.add_floats(signal_current, to.i, run.i) == FloatCoding::pages;
    in_pages = to.add_floats(signal_voltage, to.v, run.v) == FloatCoding::pages && in_pages;
  }
  if (with_power && !in_pages) to.power.do_without_lattices(power);
  if (with_power) to.add_power(run.p);
  for (const PackedSignal& packed : run.packed) to.add_packed(packed);
  if (!run.windows.empty()) to.add_section(signal_windows, 0, run.windows);
  return to.out.view();
}

struct SampleDecoder::Parts {
  explicit Parts(InstructionSet set) : kernels(codec::kernels(set)), i(kernels), v(kernels), p(kernels), power(kernels) {}

  Status read_floats(const Section& section, SignalReader& reader, uint64_t samples, bool keep_index, std::vector<float>& values);
  Status read_packed(const Section& section, DecodedSamples& out);
  Status read_power(const Section* section, uint64_t samples, DecodedSamples& out);

  const Kernels& kernels;
  SignalReader i, v, p;
  PowerReader power;
  Decompressor decompressor;
  wire::Bytes memory;
  std::vector<Section> sections;
  size_t packed_read = 0;  // signals so far; out.packed may still have more, of the frame before, whose memory is used again
  uint64_t elements = 0;   // of these
};

Status SampleDecoder::Parts::read_floats(const Section& section, SignalReader& reader, uint64_t samples, bool keep_index,
                                         std::vector<float>& values) {
  values.resize(samples);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  switch (static_cast<FloatCoding>(section.coding)) {
    case FloatCoding::raw:
      if (section.data.size() != bytes.size())
        return damaged_section(section.signal, "does not have as many samples as the frame");
      std::copy(section.data.begin(), section.data.end(), bytes.begin());
      return {};
    case FloatCoding::shuffled: {
      memory.resize(bytes.size());
      if (auto status = decompressor.decompress(section.data, memory); !status) return in_section(section.signal, status);
      kernels.unshuffle(reinterpret_cast<const uint8_t*>(memory.data()), samples, reinterpret_cast<uint32_t*>(values.data()));
      return {};
    }
    case FloatCoding::pages: return in_section(section.signal, reader.read(section.data, values, keep_index, decompressor));
    case FloatCoding::corrections: break;
  }
  return damaged_section(section.signal, "coding " + std::to_string(section.coding) + " is unknown");
}

Status SampleDecoder::Parts::read_packed(const Section& section, DecodedSamples& out) {
  ByteReader from(section.data);
  if (out.packed.size() == packed_read) out.packed.emplace_back();
  DecodedPacked& packed = out.packed[packed_read++];
  packed.signal = section.signal;
  packed.bits = from.u8();
  const uint64_t offset = from.varint(), stride = from.varint();
  packed.count = from.varint();
  if (!from.ok() || (packed.bits != 1 && packed.bits != 4) || offset > UINT32_MAX || stride > UINT32_MAX ||
      packed.count > packed_elements_per_frame_max - elements)
    return damaged_section(section.signal, "an impossible width, place or number of elements");
  packed.offset = static_cast<uint32_t>(offset);
  packed.stride = static_cast<uint32_t>(stride);
  const size_t size = (packed.count * packed.bits + 7) / 8;
  if (packed.data.capacity() > 2 * size) packed.data = wire::Bytes();  // or long ones, each in another place, would add up
  packed.data.resize(size);
  const bool as_runs = section.coding == static_cast<uint8_t>(PackedCoding::runs);
  if (!as_runs && section.coding != static_cast<uint8_t>(PackedCoding::elements))
    return damaged_section(section.signal, "coding " + std::to_string(section.coding) + " is unknown");
  const auto part = take_part(from, as_runs ? packed.data.size() + 64 : packed.data.size());
  if (!part) return in_section(section.signal, part.error());
  if (from.left() > 0 || (!as_runs && part->size != packed.data.size()))
    return damaged_section(section.signal, "does not have the length that it should");
  if (!as_runs) {
    if (auto status = read_part(*part, packed.data, decompressor); !status) return in_section(section.signal, status);
  } else {
    memory.resize(part->size);
    if (auto status = read_part(*part, memory, decompressor); !status) return in_section(section.signal, status);
    ByteReader runs(memory);
    if (auto status = read_runs(runs, packed.bits, packed.count, packed.data); !status) return in_section(section.signal, status);
    if (runs.left() > 0) return damaged_section(section.signal, "runs are left over");
  }
  elements += packed.count;
  return {};
}

Status SampleDecoder::Parts::read_power(const Section* section, uint64_t samples, DecodedSamples& out) {
  out.p.resize(samples);
  if (section == nullptr) {
    kernels.product(out.i.data(), out.v.data(), out.p.data(), samples);
    return {};
  }
  if (section->coding != static_cast<uint8_t>(FloatCoding::corrections)) return read_floats(*section, p, samples, false, out.p);
  return in_section(signal_power, power.read(section->data, out.i, i.pages(), out.v, v.pages(), out.p, decompressor));
}

SampleDecoder::SampleDecoder(InstructionSet set) : parts_(std::make_unique<Parts>(set)) {}
SampleDecoder::~SampleDecoder() = default;
SampleDecoder::SampleDecoder(SampleDecoder&&) noexcept = default;
SampleDecoder& SampleDecoder::operator=(SampleDecoder&&) noexcept = default;

Status SampleDecoder::decode(wire::ByteView payload, uint32_t codec, uint64_t samples, DecodedSamples& out) {
  if (codec != codec_1 && codec != codec_2)
    return Error{Errc::usage, "codec " + std::to_string(codec) + " is not known to this version"};
  if (samples > samples_per_frame_max) return Error{Errc::damaged, "more samples than a frame may hold"};
  out.windows.clear();
  if (codec == codec_1) return decode_samples_codec1(payload, samples, out);
  if (auto status = split(payload, parts_->sections); !status) return status;
  out.sections_skipped = 0;
  parts_->packed_read = 0;
  parts_->elements = 0;
  bool has_windows = false;
  const Section* floats[4] = {};
  for (const Section& section : parts_->sections) {
    if (is_float(section.signal)) {
      if (floats[section.signal] != nullptr) return damaged_section(section.signal, "is there twice");
      floats[section.signal] = &section;
    } else if (is_packed(section.signal)) {
      if (auto status = parts_->read_packed(section, out); !status) return status;
    } else if (section.signal == signal_windows) {
      if (std::exchange(has_windows, true)) return damaged_section(section.signal, "is there twice");
      if (section.coding != 0) return damaged_section(section.signal, "coding " + std::to_string(section.coding) + " is unknown");
      out.windows.assign(section.data.begin(), section.data.end());
    } else ++out.sections_skipped;
  }
  out.packed.resize(parts_->packed_read);
  const Section *i = floats[signal_current], *v = floats[signal_voltage], *p = floats[signal_power];
  if (samples == 0 && i == nullptr && v == nullptr && p == nullptr) return without_samples(out);
  if (i == nullptr || v == nullptr) return Error{Errc::damaged, "current or voltage is missing"};
  const bool by_lattices = p != nullptr && p->coding == static_cast<uint8_t>(FloatCoding::corrections) &&
                           PowerReader::model_of(p->data) == PowerModel::lattice_product;
  const auto in_pages = [](const Section& section) { return section.coding == static_cast<uint8_t>(FloatCoding::pages); };
  if (by_lattices && !(in_pages(*i) && in_pages(*v))) return damaged_section(signal_power, "needs lattices that are not there");
  if (auto status = parts_->read_floats(*i, parts_->i, samples, by_lattices, out.i); !status) return status;
  if (auto status = parts_->read_floats(*v, parts_->v, samples, by_lattices, out.v); !status) return status;
  return parts_->read_power(p, samples, out);
}

Result<DecodedSamples> decode_samples(wire::ByteView payload, uint32_t codec, uint64_t samples) {
  SampleDecoder decoder;
  DecodedSamples out;
  if (auto status = decoder.decode(payload, codec, samples, out); !status) return status.error();
  return out;
}

}  // namespace joulespool::codec
