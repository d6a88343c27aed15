#include "agent/signal/decimation_filters.h"

#include <algorithm>
#include <limits>
#include <string>

namespace joulespool::signal {
namespace {

// Minimax designs for a rejection of 86 dB, written by tests/agent/signal/decimation_filters_test.py --table. Literals instead of
// a design at run time, because libm's last bits differ between machines. An early stage only has to keep the bands clean that
// end up below 0.4 of the final output rate: the larger the ratio, the narrower these are, and the shorter the filter.
constexpr float half_band_2[] = {0.000107327178F, -0.000234422565F, 0.000592875062F, -0.00113531749F,
                                 0.00209799386F,  -0.00352275069F,  0.00570531934F,  -0.00886969734F,
                                 0.0136214327F,   -0.0210657716F,   0.0344412997F,   -0.0665817633F};
constexpr float half_band_4[] = {-0.00240792101F, 0.0143837221F, -0.0530655272F};
constexpr float half_band_8[] = {0.00657497067F, -0.0443126932F};
constexpr float half_band_16[] = {-0.0317336693F};
constexpr float fifth_5[] = {
    -6.23087108e-05F, -0.000173624256F, -0.00033483014F,  -0.000502869196F, -0.000598302053F, -0.000525667507F, -0.000213593594F,
    0.000337332691F,  0.00102037063F,   0.00162535859F,   0.00189209718F,   0.00160809432F,   0.000720433134F,  -0.000585799746F,
    -0.00189007004F,  -0.00264483853F,  -0.00237356359F,  -0.000896198559F, 0.00151011639F,   0.00410394417F,   0.00587035343F,
    0.0058783181F,    0.00369263231F,   -0.000322925393F, -0.00496643968F,  -0.0085010035F,   -0.00925053935F,  -0.00630378257F,
    -5.65069568e-05F, 0.0076677138F,    0.0140569741F,    0.0162466485F,    0.0124706542F,    0.00300455117F,   -0.00952205434F,
    -0.0206944924F,   -0.0257109646F,   -0.0212201029F,   -0.00696442695F,  0.0134458225F,    0.0330964252F,    0.0437218547F,
    0.0385987125F,    0.0155213345F,    -0.0211602375F,   -0.0602838323F,   -0.0857565477F,   -0.0802682713F,   -0.0299062133F,
    0.071634002F,     0.220525324F,     0.402826905F};
constexpr float fifth_10[] = {-0.000882941822F, -0.00138554F,   -0.00192983437F, -0.00135469623F, 0.000340340775F, 0.00680466928F,
                              0.0117691662F,    0.016353013F,   0.01404355F,     0.00397204142F,  -0.0215542484F,  -0.0458510146F,
                              -0.0669425055F,   -0.0623578578F, -0.0207476411F,  0.0785111934F,   0.219021663F,    0.402845383F};
constexpr float fifth_20[] = {0.00445446931F, 0.00654140906F, 0.00616838969F, 0.00127273437F, -0.00662421482F, -0.0361985154F,
                              -0.0538950041F, -0.0525150634F, -0.0162910819F, 0.0587219112F,  0.216728762F,    0.401004791F};
constexpr float fifth_25[] = {-0.00637486251F, -0.0186435971F, -0.0314126387F, -0.0416720025F, -0.0414796509F,
                              0.00105969352F,  0.0927161053F,  0.226084888F,   0.400177509F};
constexpr float fifth_50[] = {-0.0128504448F, -0.0241928101F, -0.0401925668F, -0.0400253274F,
                              -0.0157219246F, 0.0785622299F,  0.208468497F,   0.400166124F};
constexpr float fifth_64[] = {-0.0241544154F, -0.0394096971F, -0.0398544334F, -0.0149549935F,
                              0.0412588082F,  0.209195837F,   0.399559766F};
constexpr float fifth_400[] = {-0.0437313206F, -0.00360480347F, 0.0762023032F, 0.19640252F, 0.356282771F};
constexpr float fifth_625[] = {0.0390178747F, 0.119251981F, 0.239021167F, 0.400003225F};

constexpr DecimationFilter filters[] = {
    {2, 2, half_band_2}, {2, 4, half_band_4}, {2, 8, half_band_8}, {2, 16, half_band_16}, {2, 200, {}},
    {5, 5, fifth_5},     {5, 10, fifth_10},   {5, 20, fifth_20},   {5, 25, fifth_25},     {5, 50, fifth_50},
    {5, 64, fifth_64},   {5, 400, fifth_400}, {5, 625, fifth_625},
};

// Operations per group of `factor` input samples: splitting it, and one difference, product and sum per gain.
uint64_t operations_per_group(const DecimationFilter& filter) { return (filter.factor == 2 ? 8 : 20) + 5 * filter.gains.size(); }

// The shortest one that is good enough where the input rate is `ratio` times the final output rate.
const DecimationFilter* filter_for(uint32_t factor, uint32_t ratio) {
  const DecimationFilter* best = nullptr;
  for (const DecimationFilter& filter : filters)
    if (filter.factor == factor && filter.ratio_min <= ratio) best = &filter;
  return best;
}

// The best way from `ratio` down to 1. What a stage costs depends on the ratio at its input only, so the best way on from there
// is the best way there.
struct Plan {
  uint64_t operations = std::numeric_limits<uint64_t>::max();  // per final output
  std::vector<const DecimationFilter*> stages;
};

Plan cheapest(uint32_t ratio, std::vector<std::pair<uint32_t, Plan>>& known) {
  if (ratio == 1) return {0, {}};
  for (const auto& [of, plan] : known)
    if (of == ratio) return plan;
  Plan best;
  for (const uint32_t factor : {2U, 5U}) {
    if (ratio % factor != 0) continue;
    const DecimationFilter* filter = filter_for(factor, ratio);
    const Plan rest = cheapest(ratio / factor, known);
    const uint64_t operations = operations_per_group(*filter) * (ratio / factor) + rest.operations;
    if (operations >= best.operations) continue;
    best = {operations, {filter}};
    best.stages.insert(best.stages.end(), rest.stages.begin(), rest.stages.end());
  }
  known.emplace_back(ratio, best);
  return best;
}

bool is_decimation_factor(uint32_t factor) {
  if (factor < 2 || factor > decimation_factor_max) return false;
  while (factor % 2 == 0) factor /= 2;
  while (factor % 5 == 0) factor /= 5;
  return factor == 1;
}

}  // namespace

std::span<const DecimationFilter> decimation_filters() { return filters; }

Result<std::vector<const DecimationFilter*>> decimation_stages(uint32_t factor) {
  if (!is_decimation_factor(factor))
    return Error{Errc::usage, "cannot decimate by " + std::to_string(factor) + ": only by products of 2 and 5, 2 to " +
                                  std::to_string(decimation_factor_max)};
  std::vector<std::pair<uint32_t, Plan>> known;
  return cheapest(factor, known).stages;
}

std::vector<uint32_t> decimation_factors(uint32_t full_rate_hz) {
  std::vector<uint32_t> factors;
  for (uint64_t decade = 1; decade < full_rate_hz; decade *= 10)
    for (const uint64_t rate : {decade, 2 * decade, 5 * decade})
      if (rate < full_rate_hz && full_rate_hz % rate == 0 && is_decimation_factor(static_cast<uint32_t>(full_rate_hz / rate)))
        factors.push_back(static_cast<uint32_t>(full_rate_hz / rate));
  std::reverse(factors.begin(), factors.end());
  return factors;
}

Result<uint32_t> decimation_factor(uint32_t full_rate_hz, uint32_t rate_hz) {
  std::string rates;
  for (const uint32_t factor : decimation_factors(full_rate_hz)) {
    if (full_rate_hz / factor == rate_hz) return factor;
    rates += (rates.empty() ? "" : ", ") + std::to_string(full_rate_hz / factor);
  }
  return Error{Errc::usage, "no waveform of " + std::to_string(rate_hz) + " samples per second from " +
                                std::to_string(full_rate_hz) + ": there are " + (rates.empty() ? "none" : rates)};
}

}  // namespace joulespool::signal
