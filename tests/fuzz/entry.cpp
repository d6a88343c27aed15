// A fuzz target as libFuzzer wants it. One program per target: JOULESPOOL_FUZZ_TARGET is its name.
#include <algorithm>
#include <cstring>

#include "tests/fuzz/require.h"
#include "tests/fuzz/splice.h"
#include "tests/fuzz/targets.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace joulespool;

const fuzz::Target& target() {
  static const fuzz::Target* const found = fuzz::find_target(JOULESPOOL_FUZZ_TARGET);
  fuzz::require(found != nullptr, "the target of this program is in targets.cpp");
  return *found;
}

void mutate(wire::Bytes& bytes, size_t size_max) {
  if (size_max == 0) return;  // LLVMFuzzerMutate writes a byte all the same
  const size_t size = std::min(bytes.size(), size_max);
  bytes.resize(size_max);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, size_max));
}

// Changes the head, or what is behind it. There, every other time, the content of a zstd frame: changed as they are, compressed
// bytes hardly ever decompress. Returns the head's new size.
size_t mutate_half(wire::Bytes& input, size_t size_max, unsigned choice) {
  const size_t head_size = target().head(input);
  const auto border = input.begin() + static_cast<std::ptrdiff_t>(head_size);
  wire::Bytes head(input.begin(), border);
  wire::Bytes rest(border, input.end());
  const size_t room = size_max - std::min(size_max, input.size());
  if (choice / 2 % target().head_one_in == 0 && head_size > 0) mutate(head, head_size + room);
  else if (choice % 2 == 0 || !fuzz::change_compressed(rest, choice / 64, mutate)) mutate(rest, rest.size() + room);
  input = head;
  input.insert(input.end(), rest.begin(), rest.end());
  return head.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target().run(std::as_bytes(std::span(data, size)));
  return 0;
}

// Seven times in eight, sizes and checksum are made right again: otherwise nothing would get past them.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  const auto given = std::as_bytes(std::span(data, size));
  wire::Bytes input(given.begin(), given.end());
  const size_t head = mutate_half(input, max_size, seed / 8);
  if (target().repair != nullptr && seed % 8 != 0) target().repair(input, head);
  const size_t changed = std::min(input.size(), max_size);
  if (changed > 0) std::memcpy(data, input.data(), changed);
  return changed;
}
