#include "tests/bench/profiles.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

using namespace joulespool::bench;

namespace {

constexpr size_t samples = 40000;
constexpr std::array all_profiles = {Profile::sleep_ble,  Profile::cpu,    Profile::const_10ma, Profile::const_1a, Profile::ramp,
                                     Profile::idle_motor, Profile::ranges, Profile::sleep_nan,  Profile::noise_fs};

bool same_bits(const std::vector<float>& left, const std::vector<float>& right) {
  for (size_t at = 0; at < left.size(); ++at)
    if (std::bit_cast<uint32_t>(left[at]) != std::bit_cast<uint32_t>(right[at])) return false;
  return left.size() == right.size();
}

// Samples of i that the calibration does not give from their ADC code.
size_t off_lattice(const Recording& recording) {
  size_t off = 0;
  for (size_t at = 0; at < recording.i.size(); ++at) {
    if (recording.range[at] == range_missing) continue;
    const Lattice& lattice = recording.i_lattice[recording.range[at]];
    off += recording.i[at] != static_cast<float>((recording.i_integers[at] + lattice.offset) * lattice.gain);
  }
  return off;
}

}  // namespace

TEST_CASE("bench: the same arguments give the same samples, another seed gives others") {
  for (const Model model : models)
    for (const Profile profile : all_profiles) {
      CAPTURE(name_of(model));
      CAPTURE(name_of(profile));
      const Recording one = make_recording(model, profile, 1, samples), again = make_recording(model, profile, 1, samples);
      CHECK(one.i.size() == samples);
      CHECK(one.range == again.range);
      CHECK((same_bits(one.i, again.i) && same_bits(one.v, again.v) && same_bits(one.p, again.p)));
      CHECK_FALSE(same_bits(one.v, make_recording(model, profile, 2, samples).v));
    }
}

TEST_CASE("bench: a JS110's samples are calibrated ADC codes but for 5 to 8 after each range change") {
  const Recording steady = make_recording(Model::js110, Profile::const_10ma, 1, samples);
  CHECK(off_lattice(steady) == 0);
  const Recording changing = make_recording(Model::js110, Profile::ranges, 1, samples);
  size_t changes = 0;
  for (size_t at = 1; at < samples; ++at) changes += changing.range[at] != changing.range[at - 1];
  CHECK(changes > 5);
  CHECK(off_lattice(changing) > 0);
  CHECK(off_lattice(changing) <= 8 * changes);
}

TEST_CASE("bench: a JS110's power is the product before rounding, a JS220's the product of the floats") {
  const auto products = [](Model model) {
    const Recording recording = make_recording(model, Profile::const_1a, 1, samples);
    size_t equal = 0;
    for (size_t at = 0; at < samples; ++at) equal += recording.p[at] == recording.i[at] * recording.v[at];
    return equal;
  };
  CHECK(products(Model::js220) == samples);
  CHECK(products(Model::js110) < samples * 9 / 10);
}

TEST_CASE("bench: a JS220's samples are on the Q31 grid") {
  for (const Profile profile : all_profiles) {
    const Recording recording = make_recording(Model::js220, profile, 1, samples);
    CHECK(recording.i_integers.size() == samples);
    CHECK(recording.v_integers.size() == samples);
  }
}

TEST_CASE("bench: missing samples are NaN in i, v and p") {
  for (const Model model : models) {
    const Recording recording = make_recording(model, Profile::sleep_nan, 1, 10 * samples);
    size_t missing = 0;
    for (size_t at = 0; at < recording.i.size(); ++at) {
      const bool nan = recording.range[at] == range_missing;
      missing += nan;
      REQUIRE((std::isnan(recording.i[at]) == nan && std::isnan(recording.v[at]) == nan && std::isnan(recording.p[at]) == nan));
    }
    CHECK(missing > 0);
  }
}

TEST_CASE("bench: integers of a grid give the values back, and there are none without a grid") {
  const std::array values = {0.5F, -0.25F, std::nanf(""), 3.0F};
  CHECK(grid_integers(values) == std::vector<int32_t>{2, -1, -1, 12});
  const std::array fine = {0x1p-40F, 1.0F}, wide = {0x1p-31F, 1.0F};
  CHECK(grid_integers(fine).empty());
  CHECK(grid_integers(wide).empty());
}
