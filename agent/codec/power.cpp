#include "agent/codec/power.h"

#include <algorithm>
#include <bit>

#include "agent/codec/parts.h"

namespace joulespool::codec {
namespace {

Error damaged(const char* what) { return {Errc::damaged, what}; }

// Goes through a signal's samples in stretches of one lattice.
class LatticeCursor {
 public:
  explicit LatticeCursor(const SignalPages& pages) : pages_(pages) { enter(); }
  // nullptr: the stretch is not on a lattice.
  [[nodiscard]] const Lattice* lattice() const {
    if (page().kind != PageKind::lattice) return nullptr;
    return &pages_.lattices[pages_.runs[page().first_run + run_].lattice];
  }
  [[nodiscard]] std::optional<uint8_t> range() const {
    if (page().kind != PageKind::lattice) return std::nullopt;
    return pages_.lattice_ranges[pages_.runs[page().first_run + run_].lattice];
  }
  [[nodiscard]] size_t left() const { return left_; }
  void advance(size_t count) {
    left_ -= count;
    if (left_ > 0) return;
    if (page().kind != PageKind::lattice || ++run_ == page().runs) {
      ++page_;
      run_ = 0;
    }
    enter();
  }

 private:
  [[nodiscard]] const SignalPages::Page& page() const { return pages_.pages[page_]; }
  void enter() {
    if (page_ < pages_.pages.size())
      left_ = page().kind == PageKind::lattice ? pages_.runs[page().first_run + run_].count : page().count;
  }
  const SignalPages& pages_;
  size_t page_ = 0;
  size_t run_ = 0;
  size_t left_ = 0;
};

void add_to(std::span<float> p, size_t at, int32_t difference) {
  p[at] = std::bit_cast<float>(std::bit_cast<uint32_t>(p[at]) + static_cast<uint32_t>(difference));
}

}  // namespace

void predict_power(const Kernels& kernels, PowerModel model, std::span<const float> i, const SignalPages& i_pages,
                   std::span<const float> v, const SignalPages& v_pages, std::span<float> p) {
  if (model == PowerModel::product) return kernels.product(i.data(), v.data(), p.data(), p.size());
  LatticeCursor of_i(i_pages), of_v(v_pages);
  for (size_t at = 0; at < p.size();) {
    const size_t count = std::min(of_i.left(), of_v.left());
    const Lattice *i_lattice = of_i.lattice(), *v_lattice = of_v.lattice();
    if (i_lattice != nullptr && v_lattice != nullptr)
      kernels.lattice_product(i_pages.index.data() + at, *i_lattice, v_pages.index.data() + at, *v_lattice, p.data() + at, count);
    else kernels.product(i.data() + at, v.data() + at, p.data() + at, count);
    at += count;
    of_i.advance(count);
    of_v.advance(count);
  }
  for (const auto* pages : {&i_pages, &v_pages})
    for (const SignalPages::Exception& one : pages->exceptions)
      kernels.product(i.data() + one.first, v.data() + one.first, p.data() + one.first, one.count);
}

PowerWriter::PowerWriter(const Kernels& kernels) : kernels_(kernels), writer_(kernels) {}

void PowerWriter::predict(const PowerInput& input, PowerModel model) {
  model_ = model;
  predict_power(kernels_, model, input.i, input.i_writer.pages(), input.v, input.v_writer.pages(), predicted_);
  missed_ = kernels_.difference(input.p.data(), predicted_.data(), differences_.data(), input.p.size());
}

// Moves the lattices so that they give the power too. False: they cannot be moved.
bool PowerWriter::move_lattices(const PowerInput& input) {
  constexpr size_t observations_at_once = 256;
  observations_.clear();
  LatticeCursor of_i(input.i_writer.pages()), of_v(input.v_writer.pages());
  size_t seen = 0;
  const size_t every = missed_ / observations_at_once + 1;
  for (size_t at = 0; at < input.p.size();) {
    const size_t count = std::min(of_i.left(), of_v.left());
    const auto i_range = of_i.range(), v_range = of_v.range();
    for (size_t k = at; i_range && v_range && k < at + count; ++k)
      if (differences_[k] != 0 && seen++ % every == 0)
        observations_.push_back({*i_range, *v_range, input.i[k], input.v[k], input.p[k]});
    at += count;
    of_i.advance(count);
    of_v.advance(count);
  }
  if (!fit_.learn(observations_, input.i_writer.book(), input.v_writer.book())) return false;
  input.i_writer.take_better_lattices(input.i);
  input.v_writer.take_better_lattices(input.v);
  return true;
}

// Until the power is met but for a sample in 500, which costs about 0.03 bits a sample. Pauses double while that fails; after it
// went well, new codes that miss much are learned at once, and few only now and then.
void PowerWriter::learn(const PowerInput& input) {
  constexpr size_t well_per = 500, badly_per = 64;
  constexpr int rounds_max = 6;
  constexpr unsigned pause_min = 4, pause_max = 64;  // frames
  const auto well = [&] { return missed_ <= input.p.size() / well_per; };
  if (well()) return;
  const bool at_once = went_well_ && missed_ > input.p.size() / badly_per;
  if (pause_ > 0 && !at_once) {
    --pause_;
    return;
  }
  for (int round = 0; round < rounds_max && !well() && move_lattices(input); ++round) predict(input, PowerModel::lattice_product);
  went_well_ = well();
  next_pause_ = went_well_ ? pause_min : std::min(pause_max, 2 * next_pause_);
  pause_ = next_pause_;
}

void PowerWriter::code(const PowerInput& input) {
  constexpr size_t good_per = 16;
  predicted_.resize(input.p.size());
  differences_.resize(input.p.size());
  const auto good = [&] { return missed_ <= input.p.size() / good_per; };
  const bool lattices = !input.i_writer.pages().lattices.empty() && !input.v_writer.pages().lattices.empty();
  if (!lattices || model_ == PowerModel::product) {
    missed_ = kernels_.product_misses(input.i.data(), input.v.data(), input.p.data(), input.p.size());
    model_ = PowerModel::product;
    if (missed_ == 0) return;
    predict(input, PowerModel::product);
    if (!lattices || missed_ == 0) return;
  }
  predict(input, PowerModel::lattice_product);
  learn(input);
  if (good()) return;
  const size_t missed = missed_;
  predict(input, PowerModel::product);
  if (missed < missed_) predict(input, PowerModel::lattice_product);
}

void PowerWriter::write_sparse(ByteWriter& out, Compressor& compressor) {
  constexpr size_t block = 256;
  part_.clear();
  size_t end = 0;
  for (size_t first = 0; first < differences_.size(); first += block) {
    const size_t count = std::min(block, differences_.size() - first);
    if (kernels_.any(differences_.data() + first, count) == 0) continue;
    for (size_t at = first; at < first + count; ++at) {
      if (differences_[at] == 0) continue;
      part_.varint(at + 1 - end);
      part_.zigzag(differences_[at]);
      end = at + 1;
    }
  }
  out.varint(missed_);
  put_part(out, part_.view(), compressor, scratch_);
}

void PowerWriter::write_pages(ByteWriter& out, Compressor& compressor) {
  writer_.clear();
  for (size_t at = 0; at < differences_.size(); at += page_samples_max) {
    const size_t count = std::min(page_samples_max, differences_.size() - at);
    std::copy_n(differences_.begin() + static_cast<std::ptrdiff_t>(at), count, writer_.integers());
    writer_.add(count);
  }
  writer_.finish(out, compressor);
}

void PowerWriter::finish(ByteWriter& out, Compressor& compressor) {
  constexpr size_t sparse_per = 64;
  const PowerCorrections corrections = missed_ == 0                                      ? PowerCorrections::none
                                       : missed_ <= differences_.size() / sparse_per + 1 ? PowerCorrections::sparse
                                                                                         : PowerCorrections::pages;
  out.u8(static_cast<uint8_t>(static_cast<unsigned>(model_) | static_cast<unsigned>(corrections) << 1));
  if (corrections == PowerCorrections::sparse) write_sparse(out, compressor);
  if (corrections == PowerCorrections::pages) write_pages(out, compressor);
}

PowerReader::PowerReader(const Kernels& kernels) : kernels_(kernels), reader_(kernels) {}

std::optional<PowerModel> PowerReader::model_of(wire::ByteView data) {
  if (data.empty() || static_cast<uint8_t>(data[0]) > 5) return std::nullopt;
  return static_cast<PowerModel>(static_cast<uint8_t>(data[0]) & 1);
}

Status PowerReader::read_sparse(ByteReader& from, std::span<float> p, Decompressor& decompressor) {
  constexpr size_t correction_max = 3 + 5;  // bytes
  const uint64_t count = from.varint();
  if (count > p.size()) return damaged("more corrections than samples");
  const auto part = take_part(from, count * correction_max);
  if (!part) return part.error();
  memory_.resize(part->size);
  if (auto status = read_part(*part, memory_, decompressor); !status) return status;
  ByteReader corrections(memory_);
  uint64_t end = 0;
  for (uint64_t at = 0; at < count; ++at) {
    const uint64_t gap = corrections.varint();
    const auto difference = corrections.zigzag_of<int32_t>();
    if (!corrections.ok() || gap == 0 || gap > p.size() - end) return damaged("a correction lies outside the signal");
    end += gap;
    add_to(p, end - 1, difference);
  }
  return corrections.left() == 0 ? Status{} : damaged("the corrections do not have the length that they should");
}

Status PowerReader::read_pages(ByteReader& from, std::span<float> p, Decompressor& decompressor) {
  if (auto status = reader_.open(from, p.size(), decompressor); !status) return status;
  differences_.resize(page_samples_max);
  for (size_t at = 0; at < p.size(); at += page_samples_max) {
    const size_t count = std::min(page_samples_max, p.size() - at);
    if (auto status = reader_.read(differences_.data(), count); !status) return status;
    for (size_t k = 0; k < count; ++k) add_to(p, at + k, differences_[k]);
  }
  return reader_.finished() ? Status{} : damaged("its pages do not use all that is there");
}

Status PowerReader::read(wire::ByteView data, std::span<const float> i, const SignalPages& i_pages, std::span<const float> v,
                         const SignalPages& v_pages, std::span<float> p, Decompressor& decompressor) {
  const auto model = model_of(data);
  if (!model) return damaged("an unknown power model");
  predict_power(kernels_, *model, i, i_pages, v, v_pages, p);
  ByteReader from(data);
  const auto corrections = static_cast<PowerCorrections>(from.u8() >> 1);
  Status status;
  if (corrections == PowerCorrections::sparse) status = read_sparse(from, p, decompressor);
  if (corrections == PowerCorrections::pages) status = read_pages(from, p, decompressor);
  if (!status) return status;
  return from.left() == 0 ? Status{} : damaged("bytes are left over");
}

}  // namespace joulespool::codec
