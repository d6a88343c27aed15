#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "agent/codec/parts.h"
#include "agent/codec/signal_pages.h"

namespace joulespool::codec {
namespace {

constexpr uint32_t infinity_bits = 0x7F800000;
// A page is cut where the range changes, once it has so many samples and so many of the next range follow.
constexpr size_t cut_after = 256;
constexpr size_t cut_before = 64;
// Values of a run that miss its lattice before another is looked for: a driver's interpolation after a range change is no reason.
constexpr size_t fit_worth = 16;

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

}  // namespace

void SignalPages::clear() {
  pages.clear();
  runs.clear();
  lattices.clear();
  lattice_ranges.clear();
  exceptions.clear();
}

SignalWriter::SignalWriter(const Kernels& kernels)
    : kernels_(kernels), writer_(kernels), wrong_(page_samples_max), finite_(page_samples_max), back_(page_samples_max) {}

void SignalWriter::cut(size_t count, Ranges ranges) {
  cuts_.clear();
  size_t first = 0;
  const auto add = [&](size_t end) {
    cuts_.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(end - first), PageKind::order, 0, 0});
    first = end;
  };
  for (const ElementRun& run : ranges) {
    if (run.first - first >= cut_after && run.count >= cut_before) add(run.first);
    while (run.end() - first >= page_samples_max) add(first + page_samples_max);
  }
  while (first < count) add(std::min(count, first + page_samples_max));
}

uint32_t SignalWriter::lattice_id(uint8_t range) {
  const Lattice* of_range = book_.of(range);
  const Lattice lattice = of_range != nullptr ? *of_range : Lattice{};
  const auto known = std::find(pages_.lattices.begin(), pages_.lattices.end(), lattice) - pages_.lattices.begin();
  if (static_cast<size_t>(known) == pages_.lattices.size()) {
    pages_.lattices.push_back(lattice);
    pages_.lattice_ranges.push_back(range);
  }
  return static_cast<uint32_t>(known);
}

bool SignalWriter::fit(std::span<const float> values, Ranges ranges, uint8_t range) {
  if (!book_.may_fit(range) || pages_.lattices.size() + 1 >= lattices_max) return false;
  pieces_.clear();
  for (const ElementRun& run : ranges)
    if ((run.value & 15) == range) pieces_.push_back(values.subspan(run.first, run.count));
  if (ranges.empty()) pieces_.push_back(values);
  return book_.fit(range, pieces_);
}

// Without a range signal: the lattice that gives most of the first values back, or a new one for this page.
uint8_t SignalWriter::guess_range(std::span<const float> page) {
  constexpr size_t tried = 32;
  const auto some = page.first(std::min(tried, page.size()));
  uint8_t best = 0;
  size_t best_wrong = some.size() + 1;
  for (uint8_t range = 0; range < LatticeBook::ranges; ++range) {
    if (book_.of(range) == nullptr) {
      if (best_wrong > some.size() / 2 && fit(page, {}, range)) best = range;
      break;
    }
    const size_t wrong = convert_run(some, range, writer_.integers());
    if (wrong < best_wrong) {
      best = range;
      best_wrong = wrong;
    }
  }
  return best;
}

// From the first wrong value of a page on, wrong_ holds.
void SignalWriter::mark_wrong() {
  if (!std::exchange(any_wrong_, true)) std::fill(wrong_.begin(), wrong_.end(), uint8_t{0});
}

// How many values other than NaN are not on the range's lattice; marks them, and NaNs, in wrong_ (all of them if there is no
// lattice).
size_t SignalWriter::convert_run(std::span<const float> values, uint8_t range, int32_t* index) {
  const size_t at = static_cast<size_t>(index - writer_.integers());
  constexpr size_t looked_at = 32;
  const Lattice* lattice = book_.of(range);
  if (lattice == nullptr || !is_visible(*lattice, values.first(std::min(looked_at, values.size())))) {
    mark_wrong();
    std::fill_n(wrong_.begin() + static_cast<std::ptrdiff_t>(at), values.size(), uint8_t{1});
    std::fill_n(index, values.size(), 0);
    return values.size();
  }
  if (kernels_.lattice_index(values.data(), index, values.size(), *lattice) == 0) {
    if (any_wrong_) std::fill_n(wrong_.begin() + static_cast<std::ptrdiff_t>(at), values.size(), uint8_t{0});
    return 0;
  }
  mark_wrong();
  kernels_.lattice_value(index, back_.data(), values.size(), *lattice);
  return kernels_.unlike(back_.data(), values.data(), wrong_.data() + at, values.size());
}

// The page's part of the ranges, positions from its first sample on.
void SignalWriter::find_page_runs(Ranges ranges, const SignalPages::Page& page) {
  runs_.clear();
  if (ranges.empty()) {
    runs_.push_back({0, page.count, 0});
    return;
  }
  const uint32_t end = page.first + page.count;
  while (ranges[range_run_].end() <= page.first) ++range_run_;
  for (size_t run = range_run_; run < ranges.size() && ranges[run].first < end; ++run) {
    const uint32_t from = std::max(ranges[run].first, page.first);
    runs_.push_back({from - page.first, std::min(ranges[run].end(), end) - from, ranges[run].value});
  }
}

// The lattice of every run is known, or has been found. False: of too many samples there is none.
bool SignalWriter::find_lattices(std::span<const float> values, Ranges ranges, const SignalPages::Page& page) {
  size_t without = 0;
  for (ElementRun& run : runs_) {
    if (ranges.empty()) run.value = guess_range(values.subspan(page.first, page.count));
    if (book_.of(run.value) == nullptr && !(!ranges.empty() && fit(values, ranges, run.value))) without += run.count;
  }
  return without <= page.count / 8;
}

// Into indices, run by run. False: too many values have none.
bool SignalWriter::convert(std::span<const float> values, Ranges ranges, const SignalPages::Page& page) {
  const auto of_page = values.subspan(page.first, page.count);
  find_page_runs(ranges, page);
  if (!find_lattices(values, ranges, page)) return false;
  for (;;) {  // again after a fit, of which there is at most one a range
    any_wrong_ = false;
    size_t wrong = 0;
    bool fitted = false;
    for (const ElementRun& run : runs_) {
      const size_t missed = convert_run(of_page.subspan(run.first, run.count), run.value, writer_.integers() + run.first);
      if (missed > fit_worth + run.count / 64 && !fitted) fitted = fit(ranges.empty() ? of_page : values, ranges, run.value);
      wrong += missed;
    }
    if (!fitted) return wrong <= page.count / 8;
  }
}

void SignalWriter::write_runs(SignalPages::Page& page) {
  page.first_run = static_cast<uint32_t>(pages_.runs.size());
  page.runs = static_cast<uint32_t>(runs_.size());
  writer_.heads().varint(runs_.size());
  for (size_t run = 0; run < runs_.size(); ++run) {
    const uint32_t id = lattice_id(runs_[run].value);
    pages_.runs.push_back({id, runs_[run].count});
    writer_.heads().varint(id);
    if (run + 1 < runs_.size()) writer_.heads().varint(runs_[run].count);
  }
}

bool SignalWriter::convert_grid(std::span<const float> values, const SignalPages::Page& page) {
  auto of_page = values.subspan(page.first, page.count);
  uint32_t magnitude = kernels_.magnitude(of_page.data(), of_page.size());
  const bool finite = magnitude < infinity_bits;
  any_wrong_ = false;
  if (!finite) {
    float last = 0;
    for (size_t at = 0; at < of_page.size(); ++at) finite_[at] = last = std::isfinite(of_page[at]) ? of_page[at] : last;
    of_page = std::span(finite_).first(of_page.size());
    magnitude = kernels_.magnitude(of_page.data(), of_page.size());
  }
  const auto most = std::bit_cast<float>(magnitude);
  const int finest = most == 0 ? 0 : std::min(30 - std::ilogb(most), grid_scale_max);
  uint32_t used = 0;
  const auto is_inexact = [&](int scale) {
    return kernels_.grid_index(of_page.data(), writer_.integers(), of_page.size(), std::ldexp(1.0F, scale),
                               std::ldexp(1.0F, -scale), &used) != 0;
  };
  int scale = grid_scale_;  // mostly that of the page before
  bool inexact = scale > finest || most == 0 || is_inexact(scale);
  if (inexact) inexact = is_inexact(scale = finest);
  size_t wrong = 0;
  if (!finite || inexact) {
    mark_wrong();
    kernels_.grid_value(writer_.integers(), back_.data(), page.count, std::ldexp(1.0F, -scale));
    wrong = kernels_.unlike(back_.data(), values.data() + page.first, wrong_.data(), page.count);
    used = 0;
    for (size_t at = 0; at < page.count; ++at) used |= wrong_[at] == 0 ? static_cast<uint32_t>(writer_.integers()[at]) : 0;
  }
  if (wrong > page.count / 16) return false;
  const auto unused = static_cast<unsigned>(used == 0 ? 0 : std::countr_zero(used));
  if (unused > 0) kernels_.shift_right(writer_.integers(), page.count, unused);
  grid_scale_ = scale - static_cast<int>(unused);
  grid_bits_ = finite && most != 0 ? std::ilogb(most) + 1 + grid_scale_ : 0;
  return true;
}

// Large floats have coarse steps: beside small ones, on one grid, their low bits are zeros that cost as much as others. In the
// order of the floats they are not there.
bool SignalWriter::is_shorter_by_order(std::span<const float> values, const SignalPages::Page& page) {
  constexpr int wide = 26;  // bits of the largest index
  constexpr float clearly = 0.25F;
  if (grid_bits_ <= wide || page.count < 2) return false;
  const int32_t* index = writer_.integers();
  order_.resize(page.count);
  kernels_.order_index(values.data() + page.first, order_.data(), page.count);
  const auto cost = [&](const int32_t* of) { return kernels_.cost(Predictor::delta, of + 1, page.count - 1, 0, {}); };
  return cost(order_.data()) < cost(index) - clearly;
}

// Replaces the indices of wrong values by those before them, and remembers the values.
void SignalWriter::add_exceptions(std::span<const float> values, uint32_t first) {
  const auto marks = std::span(wrong_).first(values.size());
  const auto find = [&](size_t from, uint8_t mark) {
    return static_cast<size_t>(std::find(marks.begin() + static_cast<std::ptrdiff_t>(from), marks.end(), mark) - marks.begin());
  };
  int32_t* index = writer_.integers();
  auto& all = pages_.exceptions;
  for (size_t at = find(0, 1); at < values.size();) {
    const size_t end = find(at, 0);
    const int32_t last = at > 0 ? index[at - 1] : end < values.size() ? index[end] : 0;
    for (; at < end; ++at) {
      index[at] = last;
      const uint32_t bits = bits_of(values[at]);
      const auto position = first + static_cast<uint32_t>(at);
      if (!all.empty() && all.back().bits == bits && all.back().first + all.back().count == position) ++all.back().count;
      else all.push_back({position, 1, bits});
    }
    at = find(end, 1);
  }
}

// Integers of the page's kind are in writer_ then.
void SignalWriter::choose_kind(std::span<const float> values, Ranges ranges, SignalPages::Page& page) {
  page.kind = PageKind::lattice;
  if (convert(values, ranges, page)) return;
  page.kind = PageKind::grid;
  const bool on_grid = convert_grid(values, page);
  if (!on_grid) fell_back_ = true;
  if (on_grid && !is_shorter_by_order(values, page)) return;
  page.kind = PageKind::order;
  kernels_.order_index(values.data() + page.first, writer_.integers(), page.count);
  any_wrong_ = false;
}

void SignalWriter::write_page(std::span<const float> values, Ranges ranges, SignalPages::Page page) {
  choose_kind(values, ranges, page);
  ByteWriter& heads = writer_.heads();
  heads.varint(page.count);
  heads.u8(static_cast<uint8_t>(page.kind));
  if (page.kind == PageKind::lattice) write_runs(page);
  if (page.kind == PageKind::grid) heads.zigzag(grid_scale_);
  if (any_wrong_) add_exceptions(values.subspan(page.first, page.count), page.first);
  if (keep_index_ && page.kind == PageKind::lattice)
    std::copy_n(writer_.integers(), page.count, pages_.index.begin() + page.first);
  pages_.pages.push_back(page);
  writer_.add(page.count, page.kind == PageKind::order);
}

void SignalWriter::write_exceptions(ByteWriter& out, Compressor& compressor) {
  part_.clear();
  uint32_t end = 0, bits = 0;
  for (const SignalPages::Exception& one : pages_.exceptions) {
    part_.varint(one.first - end);
    part_.varint(one.count);
    end = one.first + one.count;
  }
  for (const SignalPages::Exception& one : pages_.exceptions) {
    part_.u32(one.bits - bits);
    bits = one.bits;
  }
  out.varint(pages_.exceptions.size());
  put_part(out, part_.view(), compressor, scratch_);
}

void SignalWriter::code(std::span<const float> values, Ranges ranges, bool keep_index) {
  pages_.clear();
  keep_index_ = keep_index;
  if (keep_index) pages_.index.resize(values.size());
  writer_.clear();
  range_run_ = 0;
  fell_back_ = false;
  book_.begin_frame();
  cut(values.size(), ranges);
  for (const SignalPages::Page& page : cuts_) write_page(values, ranges, page);
}

// Exceptions need not be given back. Some of the values that are not are in missed_ then.
bool SignalWriter::gives_back(uint32_t id, const Lattice& lattice, std::span<const float> values) {
  constexpr size_t missed_max = 256;
  missed_.clear();
  auto exception = pages_.exceptions.begin();
  const auto is_exception = [&](size_t at) {
    while (exception != pages_.exceptions.end() && exception->first + exception->count <= at) ++exception;
    return exception != pages_.exceptions.end() && exception->first <= at;
  };
  for (const SignalPages::Page& page : pages_.pages) {
    size_t at = page.first;
    for (size_t run = 0; run < page.runs; ++run) {
      const LatticeRun& of = pages_.runs[page.first_run + run];
      if (of.lattice == id) {
        kernels_.lattice_value(pages_.index.data() + at, back_.data(), of.count, lattice);
        for (size_t k = 0; k < of.count && missed_.size() < missed_max; ++k)
          if (bits_of(back_[k]) != bits_of(values[at + k]) && !is_exception(at + k)) missed_.push_back(values[at + k]);
      }
      at += of.count;
    }
  }
  return missed_.empty();
}

void SignalWriter::take_better_lattices(std::span<const float> values) {
  for (uint32_t id = 0; id < pages_.lattices.size(); ++id) {
    const Lattice* better = book_.of(pages_.lattice_ranges[id]);
    if (better == nullptr || *better == pages_.lattices[id]) continue;
    if (gives_back(id, *better, values)) {
      pages_.lattices[id] = *better;
      continue;
    }
    book_.replace(pages_.lattice_ranges[id], pages_.lattices[id]);
    book_.add_values(pages_.lattice_ranges[id], missed_);
  }
}

void SignalWriter::finish(ByteWriter& out, Compressor& compressor) {
  out.varint(pages_.lattices.size());
  for (const Lattice& lattice : pages_.lattices) {
    out.u64(std::bit_cast<uint64_t>(lattice.offset));
    out.u64(std::bit_cast<uint64_t>(lattice.step));
  }
  write_exceptions(out, compressor);
  writer_.finish(out, compressor);
}

}  // namespace joulespool::codec
