#include <algorithm>
#include <bit>
#include <cmath>

#include "agent/codec/samples.h"
#include "agent/codec/signal_pages.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace joulespool::fuzz {
namespace {

using codec::SignalPages;

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }
bool same_value(float a, float b) { return same_bits(a, b) || (std::isnan(a) && std::isnan(b)); }

// What the power's prediction relies on.
void check_pages(const SignalPages& pages, size_t samples) {
  require(pages.index.size() == samples, "pages: an index for every sample");
  size_t at = 0;
  for (const SignalPages::Page& page : pages.pages) {
    require(page.first == at && page.count > 0, "pages: each begins where the one before it ends");
    at += page.count;
    require(page.kind != codec::PageKind::lattice || page.first_run + page.runs <= pages.runs.size(), "pages: runs are there");
  }
  require(at == samples, "pages: together they are the signal");
  for (const codec::LatticeRun& run : pages.runs) require(run.lattice < pages.lattices.size(), "pages: lattices are there");
  for (const SignalPages::Exception& one : pages.exceptions)
    require(size_t{one.first} + one.count <= samples, "pages: exceptions lie inside the signal");
}

// As current and voltage of a frame.
void check_again(std::span<const float> values) {
  codec::SampleEncoder encoder;
  const auto again = codec::decode_samples(encoder.encode({values, values, {}, {}}), codec::codec_2, values.size());
  require(again.ok(), "pages: what was decoded can be encoded and decoded");
  require(std::ranges::equal(again->i, values, same_bits), "pages: values come back bit for bit");
}

// A grid coarser than any instrument's, and finer than the coarsest.
bool is_trap(const SignalPages& pages, std::span<const float> values) {
  const auto is_large = [](float value) { return std::fabs(value) > 1e12F && std::fabs(value) < 1e30F; };
  const bool grids = std::ranges::any_of(pages.pages, [](const auto& page) { return page.kind == codec::PageKind::grid; });
  return grids && pages.exceptions.empty() && std::ranges::any_of(values, is_large);
}

}  // namespace

bool run_pages(wire::ByteView input) {
  FuzzInput from(input);
  const uint64_t samples = from.integer(sample_count_width);
  if (samples > codec::samples_per_frame_max) return false;  // refused before
  static codec::SignalReader reader(codec::kernels(best_instruction_set())),
      scalar_reader(codec::kernels(InstructionSet::scalar));
  static codec::Decompressor decompressor;
  std::vector<float> values(samples), scalar(samples);
  const Status status = reader.read(from.rest(), values, true, decompressor);
  const Status scalar_status = scalar_reader.read(from.rest(), scalar, false, decompressor);
  require(status.ok() == scalar_status.ok(), "pages: all instruction sets accept the same");
  if (!status) {
    require(status.error().code == Errc::damaged && !status.error().message.empty(), "pages: refused as damaged, with a reason");
    return false;
  }
  require(std::ranges::equal(values, scalar, same_value), "pages: all instruction sets decode the same");
  check_pages(reader.pages(), samples);
  if (is_one_in(encoded_one_in, input)) check_again(values);
  planted_defect(is_trap(reader.pages(), values));
  return true;
}

}  // namespace joulespool::fuzz
