// A signal of float32 values as pages of integers: through a calibration lattice, a power-of-two grid, or the order of the
// floats; with values that fit none of them as exceptions. FORMAT-wave.md draws the layout.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/lattice_book.h"
#include "agent/codec/packed_runs.h"
#include "agent/codec/pages.h"

namespace joulespool::codec {

// How a page's integers become floats. The numbers are part of the format.
enum class PageKind : uint8_t {
  lattice = 0,  // (float)((index + offset) * step), in runs of one lattice each
  grid = 1,     // index * 2^-scale
  order = 2,    // bit patterns, in the order of the floats
};
constexpr size_t page_samples_min = 64;  // of every page but the last
constexpr size_t lattices_max = 64;      // of a signal in a frame
constexpr int grid_scale_max = 126;
constexpr int grid_scale_min = -127;  // of a page of 2^127 only
// Of a lattice: far beyond any instrument, and such that no value nor a product of two is a NaN, of which processors differ in
// bits.
constexpr double lattice_offset_max = 0x1p53;
constexpr double lattice_step_max = 0x1p129;
constexpr bool is_allowed(const Lattice& lattice) {  // no NaN is
  return lattice.offset >= -lattice_offset_max && lattice.offset <= lattice_offset_max && lattice.step >= 0 &&
         lattice.step <= lattice_step_max;
}

struct LatticeRun {
  uint32_t lattice = 0;  // into SignalPages::lattices
  uint32_t count = 0;
};

// What the power's prediction needs to know of a coded signal.
struct SignalPages {
  struct Page {
    uint32_t first = 0;
    uint32_t count = 0;
    PageKind kind = PageKind::order;
    uint32_t first_run = 0;  // into runs, of PageKind::lattice
    uint32_t runs = 0;
  };
  // The value from `first` on, `count` times.
  struct Exception {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t bits = 0;
  };
  std::vector<Page> pages;
  std::vector<LatticeRun> runs;
  std::vector<Lattice> lattices;
  std::vector<uint8_t> lattice_ranges;  // of which range each is; known to the writer only
  std::vector<Exception> exceptions;
  std::vector<int32_t> index;  // of samples on lattices; that of an exception says nothing
  void clear();
};

// The runs of the signal that tells the instrument's range, one element a sample; empty if there is none.
using Ranges = std::span<const ElementRun>;

class SignalWriter {
 public:
  explicit SignalWriter(const Kernels& kernels);
  // Codes a frame's values; pages() is of these then, with indices if keep_index.
  void code(std::span<const float> values, Ranges ranges, bool keep_index);
  // Other lattices of the same indices have been put into book(): takes each that gives back all values.
  void take_better_lattices(std::span<const float> values);
  // Appends the section's data.
  void finish(ByteWriter& out, Compressor& compressor);
  [[nodiscard]] const SignalPages& pages() const { return pages_; }
  // Did a page have to fall back to the order of the floats?
  [[nodiscard]] bool fell_back() const { return fell_back_; }
  LatticeBook& book() { return book_; }
  // Puts a lattice into the book, if the format allows it: every frame could carry it.
  void know(uint8_t range, const Lattice& lattice) {
    if (is_allowed(lattice)) book_.know(range, lattice);
  }

 private:
  void cut(size_t count, Ranges ranges);
  void write_page(std::span<const float> values, Ranges ranges, SignalPages::Page page);
  void choose_kind(std::span<const float> values, Ranges ranges, SignalPages::Page& page);
  void write_runs(SignalPages::Page& page);
  bool convert_grid(std::span<const float> values, const SignalPages::Page& page);
  bool is_shorter_by_order(std::span<const float> values, const SignalPages::Page& page);
  bool convert(std::span<const float> values, Ranges ranges, const SignalPages::Page& page);
  void find_page_runs(Ranges ranges, const SignalPages::Page& page);
  void mark_wrong();
  size_t convert_run(std::span<const float> values, uint8_t range, int32_t* index);
  bool fit(std::span<const float> values, Ranges ranges, uint8_t range);
  uint8_t guess_range(std::span<const float> page);
  bool find_lattices(std::span<const float> values, Ranges ranges, const SignalPages::Page& page);
  uint32_t lattice_id(uint8_t range);
  bool gives_back(uint32_t id, const Lattice& lattice, std::span<const float> values);
  void add_exceptions(std::span<const float> values, uint32_t first);
  void write_exceptions(ByteWriter& out, Compressor& compressor);

  const Kernels& kernels_;
  LatticeBook book_;
  PageWriter writer_;
  SignalPages pages_;
  std::vector<SignalPages::Page> cuts_;
  std::vector<uint8_t> wrong_;  // of the page's values: 1 where the index does not give it back
  std::vector<float> finite_;   // a page without what is not finite
  std::vector<float> back_;     // a page as its indices give it back
  std::vector<int32_t> order_;
  std::vector<float> missed_;     // by another lattice
  std::vector<ElementRun> runs_;  // of the page at hand, by range
  size_t range_run_ = 0;          // where the page begins in the ranges
  std::vector<std::span<const float>> pieces_;
  ByteWriter part_, scratch_;
  bool any_wrong_ = false;  // in the page at hand
  bool keep_index_ = false;
  int grid_scale_ = 0;  // of the page at hand
  int grid_bits_ = 0;   // of the largest index of the page at hand; 0 if a value is not finite
  bool fell_back_ = false;
};

class SignalReader {
 public:
  explicit SignalReader(const Kernels& kernels);
  // Fills `values`. Errors: damaged. With keep_index, pages() has everything that a power's prediction needs.
  Status read(wire::ByteView data, std::span<float> values, bool keep_index, Decompressor& decompressor);
  [[nodiscard]] const SignalPages& pages() const { return pages_; }

 private:
  Status read_page(std::span<float> values, size_t first, size_t& count);
  Status read_lattice_runs(SignalPages::Page& page);
  Status read_exceptions(wire::ByteView part, std::span<float> values);

  const Kernels& kernels_;
  PageReader reader_;
  SignalPages pages_;
  std::vector<int32_t> index_;  // of the page at hand
  wire::Bytes memory_;
  bool keep_index_ = false;
};

}  // namespace joulespool::codec
