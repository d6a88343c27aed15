#include "tests/fuzz/targets.h"

#include <algorithm>

#include "tests/fuzz/fuzz_input.h"

namespace joulespool::fuzz {
namespace {

template <bool (*run)(wire::ByteView, uint32_t), uint32_t codec>
bool of_codec(wire::ByteView input) {
  return run(input, codec);
}

template <size_t bytes>
size_t first(wire::ByteView input) {
  return std::min(bytes, input.size());
}

constexpr Target all[] = {
    {"frame", run_frame, frame_head, 2, repair_frame},
    {"sections", run_sections, first<0>, 1, nullptr},
    {"samples_1", of_codec<run_samples, 1>, first<sample_count_width>, 32, nullptr},
    {"samples_2", of_codec<run_samples, 2>, first<sample_count_width>, 32, nullptr},
    {"pages", run_pages, first<sample_count_width>, 32, nullptr},
    {"windows_1", of_codec<run_windows, 1>, first<sample_id_first_width>, 8, nullptr},
    {"windows_2", of_codec<run_windows, 2>, first<sample_id_first_width>, 8, nullptr},
    {"event", run_event, first<0>, 1, nullptr},
    {"ack", run_ack, first<0>, 1, nullptr},
};

}  // namespace

std::span<const Target> targets() { return all; }

const Target* find_target(std::string_view name) {
  const auto* found = std::ranges::find(all, name, &Target::name);
  return found == std::ranges::end(all) ? nullptr : found;
}

}  // namespace joulespool::fuzz
