#include <algorithm>
#include <bit>
#include <cmath>

#include "agent/codec/parts.h"
#include "agent/codec/signal_pages.h"

namespace joulespool::codec {
namespace {

Error damaged(const char* what) { return {Errc::damaged, what}; }

}  // namespace

SignalReader::SignalReader(const Kernels& kernels) : kernels_(kernels), reader_(kernels), index_(page_samples_max) {}

Status SignalReader::read_exceptions(wire::ByteView part, std::span<float> values) {
  ByteReader from(part);
  uint64_t end = 0;
  for (SignalPages::Exception& one : pages_.exceptions) {
    const uint64_t gap = from.varint(), count = from.varint();
    if (gap > values.size() - end || count == 0 || count > values.size() - end - gap)
      return damaged("an exception lies outside the signal");
    one.first = static_cast<uint32_t>(end + gap);
    one.count = static_cast<uint32_t>(count);
    end = one.first + count;
  }
  uint32_t bits = 0;
  for (SignalPages::Exception& one : pages_.exceptions) one.bits = bits += from.u32();
  if (!from.ok() || from.left() > 0) return damaged("the exceptions do not have the length that they should");
  for (const SignalPages::Exception& one : pages_.exceptions)
    std::fill_n(values.begin() + one.first, one.count, std::bit_cast<float>(one.bits));
  return {};
}

Status SignalReader::read_lattice_runs(SignalPages::Page& page) {
  ByteReader& heads = reader_.heads();
  const uint64_t runs = heads.varint();
  if (runs == 0 || runs > page.count) return damaged("a page has an impossible number of runs");
  page.first_run = static_cast<uint32_t>(pages_.runs.size());
  page.runs = static_cast<uint32_t>(runs);
  uint64_t left = page.count;
  for (uint64_t run = 0; run < runs; ++run) {
    const uint64_t lattice = heads.varint();
    const uint64_t count = run + 1 < runs ? heads.varint() : left;
    if (!heads.ok() || lattice >= pages_.lattices.size() || count == 0 || count > left)
      return damaged("a run of a page is impossible");
    pages_.runs.push_back({static_cast<uint32_t>(lattice), static_cast<uint32_t>(count)});
    left -= count;
  }
  return left == 0 ? Status{} : damaged("the runs of a page do not fill it");
}

Status SignalReader::read_page(std::span<float> values, size_t first, size_t& count) {
  ByteReader& heads = reader_.heads();
  count = heads.varint();
  const uint8_t kind = heads.u8();
  const size_t left = values.size() - first;
  if (!heads.ok() || count == 0 || count > std::min(left, page_samples_max) || (count < page_samples_min && count != left) ||
      kind > static_cast<uint8_t>(PageKind::order))
    return damaged("a page has an impossible length or kind");
  SignalPages::Page page{static_cast<uint32_t>(first), static_cast<uint32_t>(count), static_cast<PageKind>(kind), 0, 0};
  int64_t scale = 0;
  if (page.kind == PageKind::lattice) {
    if (auto status = read_lattice_runs(page); !status) return status;
  } else if (page.kind == PageKind::grid) {
    scale = heads.zigzag();
    if (scale > grid_scale_max || scale < grid_scale_min) return damaged("a page has an impossible scale");
  }
  int32_t* index = index_.data();
  if (auto status = reader_.read(index, count); !status) return status;
  float* to = values.data() + first;
  if (page.kind == PageKind::grid) kernels_.grid_value(index, to, count, std::ldexp(1.0F, -static_cast<int>(scale)));
  else if (page.kind == PageKind::order) kernels_.order_value(index, to, count);
  for (size_t run = 0, at = 0; run < page.runs; ++run) {
    const LatticeRun& of = pages_.runs[page.first_run + run];
    kernels_.lattice_value(index + at, to + at, of.count, pages_.lattices[of.lattice]);
    at += of.count;
  }
  if (!keep_index_) {
    pages_.runs.clear();
    return {};
  }
  std::copy_n(index, count, pages_.index.begin() + static_cast<std::ptrdiff_t>(first));
  pages_.pages.push_back(page);
  return {};
}

Status SignalReader::read(wire::ByteView data, std::span<float> values, bool keep_index, Decompressor& decompressor) {
  pages_.clear();
  keep_index_ = keep_index;
  if (keep_index) pages_.index.resize(values.size());
  ByteReader from(data);
  const uint64_t lattices = from.varint();
  if (lattices > lattices_max) return damaged("too many lattices");
  for (uint64_t at = 0; at < lattices; ++at) {
    const auto offset = std::bit_cast<double>(from.u64()), step = std::bit_cast<double>(from.u64());
    if (!is_allowed({offset, step})) return damaged("a lattice has an impossible offset or step");
    pages_.lattices.push_back({offset, step});
  }
  const uint64_t exceptions = from.varint();
  if (exceptions > values.size()) return damaged("more exceptions than samples");
  const auto part = take_part(from, exceptions * (3 + 3 + 4));
  if (!part) return part.error();
  if (auto status = reader_.open(from, values.size(), decompressor); !status) return status;
  if (from.left() > 0) return damaged("bytes are left over");
  size_t count = 0;
  for (size_t first = 0; first < values.size(); first += count)
    if (auto status = read_page(values, first, count); !status) return status;
  if (!reader_.finished()) return damaged("its pages do not use all that is there");
  memory_.resize(part->size);
  if (auto status = read_part(*part, memory_, decompressor); !status) return status;
  pages_.exceptions.resize(exceptions);
  return read_exceptions(memory_, values);
}

}  // namespace joulespool::codec
