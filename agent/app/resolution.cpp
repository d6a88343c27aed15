#include "agent/app/resolution.h"

#include <algorithm>
#include <cmath>

#include "agent/signal/decimation_filters.h"

namespace joulespool::app {
namespace {

constexpr double burst_s = 1;  // what a budget carries over at most
// A finer resolution costs up to 2.5 times as much. With frames of at most this length a second's budget, carried over, pays for
// it: so all of a budget is used, by frames of two resolutions in turn.
constexpr double budget_span_max_s = 0.5;
// Windows need not be longer than a frame can be.
constexpr double window_max_s = 1;

// Aim a little below the limit: a second attempt costs as much as the margin saves.
constexpr double fill_aim = 0.94;
constexpr double budget_aim = 0.98;
// Frames have multiples of so many samples where possible, so that packed bits stay on byte borders.
constexpr size_t frame_granule = 256;

// Before anything was seen: float32 current and voltage, and windows.
constexpr double bytes_per_sample_at_first = 8;
constexpr double bytes_per_window_at_first = 40;

// Hope: a resolution that is twice too large is tried again after 2 frames, later after up to 70.
constexpr double patience_least = 0.7;
constexpr double patience_most = 0.99;
// A size that differs by less from what was believed is no news.
constexpr double news = 1.25;

// An exact integer, or 0.
uint32_t whole(double rate_hz) {
  return rate_hz >= 1 && rate_hz <= 4e9 && std::floor(rate_hz) == rate_hz ? static_cast<uint32_t>(rate_hz) : 0;
}

// The smallest of 1, 2, 5, 10, 20 ... that is not below.
uint32_t round_up(double wanted) {
  for (uint32_t decade = 1;; decade *= 10)
    for (const uint32_t value : {decade, 2 * decade, 5 * decade})
      if (value >= wanted) return value;
}

// In windows of lane stat.
uint32_t window_factor_of(uint32_t samples_per_window, double rate_hz, double window_s) {
  return round_up(std::min(samples_per_window / rate_hz, window_max_s) / window_s * (1 - 1e-9));
}

}  // namespace

Result<uint32_t> kept_factor(double full_rate_hz, uint32_t rate_hz) {
  if (rate_hz == 0 || rate_hz >= full_rate_hz) return 1U;
  return signal::decimation_factor(whole(full_rate_hz), rate_hz);
}

std::vector<Rung> resolution_ladder(double full_rate_hz, uint32_t rate_hz, bool has_budget, double window_s) {
  const auto finest = kept_factor(full_rate_hz, rate_hz);
  const auto with_windows = [&](uint32_t factor) {
    return Rung{factor, factor == 1 ? 0 : window_factor_of(samples_per_window_min, full_rate_hz / factor, window_s), true};
  };
  std::vector<Rung> ladder = {with_windows(finest ? *finest : 1)};
  if (!has_budget) return ladder;
  for (const uint32_t factor : signal::decimation_factors(whole(full_rate_hz)))
    if (factor > ladder.front().factor && full_rate_hz / factor >= budget_rate_min_hz) ladder.push_back(with_windows(factor));
  const double coarsest_hz = full_rate_hz / ladder.back().factor;
  for (uint32_t factor = window_factor_of(samples_worth_a_window, coarsest_hz, window_s);; factor = round_up(factor + 1)) {
    ladder.push_back({0, factor, true});
    if (factor * window_s >= window_max_s) break;
  }
  std::vector<Rung> both;
  for (const Rung& rung : ladder) {
    both.push_back(rung);
    both.push_back({rung.factor, rung.window_factor, false});
  }
  return both;
}

void ByteBudget::spend(double span_s, size_t bytes) {
  carried_ = std::min(available(span_s) - static_cast<double>(bytes), static_cast<double>(bytes_per_s_) * burst_s);
}

ResolutionChooser::ResolutionChooser(std::vector<Rung> ladder, const FrameLimits& limits)
    : ladder_(std::move(ladder)), limits_(limits) {
  for (const Rung& rung : ladder_) {
    double bytes_per_sample = rung.factor == 0 ? 0 : bytes_per_sample_at_first / rung.factor;
    if (rung.window_factor > 0)
      bytes_per_sample += bytes_per_window_at_first / (rung.window_factor * limits.window_s * limits.sample_rate_hz);
    beliefs_.push_back({bytes_per_sample, 0, 1, patience_least});
  }
}

size_t ResolutionChooser::samples_that_fit(const Belief& belief, size_t samples_left, bool has_budget) const {
  const double room = static_cast<double>(limits_.frame_bytes_max) * fill_aim - static_cast<double>(limits_.frame_bytes_empty);
  double fitting = std::max(room, 0.0) / std::max(1e-6, belief.bytes_per_sample);
  if (has_budget) fitting = std::min(fitting, budget_span_max_s * limits_.sample_rate_hz);
  fitting = std::min(fitting, static_cast<double>(limits_.samples_max));
  const size_t whole_granules = static_cast<size_t>(fitting) / frame_granule * frame_granule;
  return std::min(std::max(whole_granules, frame_granule), std::min(samples_left, limits_.samples_max));
}

std::optional<ResolutionChooser::Proposal> ResolutionChooser::propose_from(size_t rung, size_t samples_left, bool has_packed,
                                                                           const ByteBudget& budget) const {
  std::optional<Proposal> proposal;
  for (; rung < ladder_.size(); ++rung) {
    if (!ladder_[rung].packed && !has_packed) continue;  // the same as the one before
    proposal = {rung, samples_that_fit(beliefs_[rung], samples_left, budget.limits())};
    const double frame_bytes =
        static_cast<double>(limits_.frame_bytes_empty) + beliefs_[rung].expected() * static_cast<double>(proposal->samples);
    if (!budget.limits() || frame_bytes <= budget.available(span_s(proposal->samples)) * budget_aim) break;
  }
  return proposal;
}

ResolutionChooser::Proposal ResolutionChooser::propose(size_t samples_left, bool has_packed, const ByteBudget& budget) const {
  return *propose_from(0, samples_left, has_packed, budget);  // the first of a ladder is always there
}

// A change of the signal changes the other resolutions too, more or less: those of which there is no newer experience.
void ResolutionChooser::learn(size_t rung, double bytes_per_sample) {
  Belief& learnt = beliefs_[rung];
  const double change = std::clamp(bytes_per_sample / std::max(1e-9, learnt.bytes_per_sample), 0.02, 50.0);
  const bool is_news = change > news || change < 1 / news;
  for (Belief& other : beliefs_) {
    if (&other == &learnt || other.age < learnt.age) continue;
    other.bytes_per_sample *= change;
    if (is_news) other.patience = patience_least;
  }
  learnt.bytes_per_sample = bytes_per_sample;
  learnt.age = 0;
  learnt.hope = 1;
}

void ResolutionChooser::grow_older(size_t rung) {
  for (Belief& belief : beliefs_) ++belief.age;
  for (size_t at = 0; at < rung; ++at) beliefs_[at].hope *= beliefs_[at].patience;
}

bool ResolutionChooser::judge(size_t frame_bytes, size_t samples_left, bool has_packed, ByteBudget& budget, Proposal& proposal) {
  const auto [rung, samples] = proposal;
  const double payload_bytes = static_cast<double>(frame_bytes) - static_cast<double>(limits_.frame_bytes_empty);
  learn(rung, std::max(payload_bytes, 0.0) / static_cast<double>(samples));
  if (frame_bytes > limits_.frame_bytes_max && samples > 1) {
    proposal.samples = samples / 2;
    return false;
  }
  double& patience = beliefs_[rung].patience;
  const bool affordable = !budget.limits() || static_cast<double>(frame_bytes) <= budget.available(span_s(samples));
  patience = affordable ? patience_least : std::min(std::sqrt(patience), patience_most);
  if (!affordable)
    if (const auto coarser = propose_from(rung + 1, samples_left, has_packed, budget)) {
      proposal = *coarser;
      return false;
    }
  budget.spend(span_s(samples), frame_bytes);
  grow_older(rung);
  return true;
}

}  // namespace joulespool::app
