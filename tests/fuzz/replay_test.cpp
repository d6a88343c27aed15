// What the fuzzer found, and where it begins, in every preset.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/splice.h"
#include "tests/fuzz/targets.h"
#include "tests/support/file_bytes.h"

namespace joulespool::fuzz {
namespace {

const std::filesystem::path golden = "tests/vectors/frames";
const std::filesystem::path regressions = "tests/fuzz/regressions";

TEST_CASE("fuzz: what once broke a decoder does so no more") {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(regressions)) {
    if (!entry.is_regular_file() || entry.path().parent_path() == regressions) continue;
    CAPTURE(entry.path().string());
    const Target* const target = find_target(entry.path().parent_path().filename().string());
    REQUIRE_MESSAGE(target != nullptr, "the folder is not named like a target");
    target->run(test::read_file(entry.path()));
  }
}

TEST_CASE("fuzz: every target has seeds, and every seed is accepted") {
  const std::vector<Seed> seeds = make_seeds(golden);
  for (const Target& target : targets()) {
    CAPTURE(target.name);
    CHECK(std::ranges::any_of(seeds, [&](const Seed& seed) { return seed.target == target.name; }));
  }
  for (const Seed& seed : seeds) {
    CAPTURE(seed.target);
    CAPTURE(seed.name);
    const Target* const target = find_target(seed.target);
    REQUIRE(target != nullptr);
    CHECK(target->run(seed.bytes));
  }
}

TEST_CASE("fuzz: a frame whose payload was changed can be read once it is repaired") {
  for (const Seed& seed : make_seeds(golden)) {
    if (seed.target != "frame") continue;
    CAPTURE(seed.name);
    wire::Bytes bytes = seed.bytes;
    bytes.push_back(std::byte{7});
    CHECK(std::holds_alternative<wire::FrameDefect>(wire::read_frame(bytes)));
    repair_frame(bytes, frame_head(seed.bytes));
    CHECK(std::holds_alternative<wire::Frame>(wire::read_frame(bytes)));
  }
}

// Sets the last byte of a content to another value.
void change_last(wire::Bytes& content, size_t) { content.back() ^= std::byte{0x55}; }

TEST_CASE("fuzz: content changed inside a compressed part decodes") {
  size_t changed = 0;
  for (const Seed& seed : make_seeds(golden)) {
    if (seed.target != "samples_1") continue;
    CAPTURE(seed.target);
    CAPTURE(seed.name);
    wire::Bytes bytes = seed.bytes;
    if (!change_compressed(bytes, 1, change_last)) continue;
    ++changed;
    CHECK(bytes != seed.bytes);
    CHECK(find_target(seed.target)->run(bytes));
  }
  CHECK(changed > 0);
}

}  // namespace
}  // namespace joulespool::fuzz
