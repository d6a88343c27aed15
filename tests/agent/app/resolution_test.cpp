#include "agent/app/resolution.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <random>
#include <set>

#include "agent/app/sources.h"

namespace {

using namespace joulespool;
using app::ByteBudget;
using app::kept_factor;
using app::resolution_ladder;
using app::ResolutionChooser;
using app::Rung;

constexpr double rate_hz = 1e6;
constexpr size_t frame_bytes_empty = 330;
constexpr size_t frame_bytes_max = 120 * 1024;

// What a signal's samples take: bytes per sample of the waveform at the full rate and, with a lower rate, at `t` seconds.
struct Load {
  std::function<double(double t, const Rung&)> bytes_per_kept_sample;
  double packed_bytes_per_s = 0;
  bool has_packed = false;
};

struct Made {
  double t = 0, span_s = 0;
  size_t bytes = 0, tries = 0;
  Rung rung;
};

// Frames of `seconds` of a load, cut as commits do.
std::vector<Made> made_of(const Load& load, uint64_t bytes_per_s, double seconds, double commit_s, uint32_t kept_hz = 0) {
  ResolutionChooser chooser(resolution_ladder(rate_hz, kept_hz, bytes_per_s > 0, 1e-3),
                            {rate_hz, 1e-3, frame_bytes_max, frame_bytes_empty, 1U << 20});
  ByteBudget budget(bytes_per_s);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> jitter(0.99, 1.01);
  std::vector<Made> made;
  double t = 0;
  const auto frame_bytes = [&](const ResolutionChooser::Proposal& proposal) {
    const Rung& rung = chooser.rung(proposal);
    const double span_s = static_cast<double>(proposal.samples) / rate_hz;
    double bytes = 60;
    if (rung.factor > 0)
      bytes += static_cast<double>(proposal.samples) / rung.factor * load.bytes_per_kept_sample(t, rung) * jitter(random);
    if (rung.window_factor > 0) bytes += 100 + std::ceil(span_s * 1000 / rung.window_factor) * 30 * jitter(random);
    if (rung.packed && load.has_packed) bytes += load.packed_bytes_per_s * span_s;
    return frame_bytes_empty + static_cast<size_t>(bytes);
  };
  while (t < seconds) {
    size_t left = static_cast<size_t>(commit_s * rate_hz);
    while (left > 0) {
      auto proposal = chooser.propose(left, load.has_packed, budget);
      size_t tries = 1;
      size_t bytes = frame_bytes(proposal);
      while (!chooser.judge(bytes, left, load.has_packed, budget, proposal)) {
        bytes = frame_bytes(proposal);
        REQUIRE(++tries < 100);
      }
      REQUIRE(proposal.samples > 0);
      REQUIRE(proposal.samples <= left);
      REQUIRE(bytes <= frame_bytes_max);
      const double span_s = static_cast<double>(proposal.samples) / rate_hz;
      made.push_back({t, span_s, bytes, tries, chooser.rung(proposal)});
      left -= proposal.samples;
      t += span_s;
    }
  }
  return made;
}

double bytes_of(const std::vector<Made>& frames, double from, double to) {
  double bytes = 0;
  for (const Made& frame : frames) bytes += frame.t >= from && frame.t < to ? static_cast<double>(frame.bytes) : 0;
  return bytes;
}

// The most that any span of `seconds` has, per second and budget.
double worst_use(const std::vector<Made>& frames, double bytes_per_s, double seconds) {
  double bytes = 0, worst = 0;
  std::deque<const Made*> inside;
  for (const Made& frame : frames) {
    inside.push_back(&frame);
    bytes += static_cast<double>(frame.bytes);
    while (frame.t + frame.span_s - inside.front()->t > seconds) {
      bytes -= static_cast<double>(inside.front()->bytes);
      inside.pop_front();
    }
    worst = std::max(worst, bytes / (bytes_per_s * (seconds + 1)));  // a second's worth may have been carried over
  }
  return worst;
}

double tries_per_frame(const std::vector<Made>& frames) {
  double tries = 0;
  for (const Made& frame : frames) tries += static_cast<double>(frame.tries);
  return tries / static_cast<double>(frames.size());
}

// Noise keeps all its bits at any rate; what a state of a load takes shrinks.
double noise(double, const Rung&) { return 4.5; }
double silence(double, const Rung&) { return 0.002; }
double bursts(double t, const Rung& rung) { return std::fmod(t, 3.0) < 0.4 ? noise(t, rung) : silence(t, rung); }
double turns(double t, const Rung& rung) { return std::fmod(t, 20.0) < 10 ? noise(t, rung) : silence(t, rung); }
double wild(double t, const Rung&) { return 0.01 * std::exp2(9.0 * std::fabs(std::sin(t * 37.0) * std::sin(t * 3.1))); }

}  // namespace

TEST_CASE("resolution: a lower rate is a factor of 2 and 5 away, or there is a reason") {
  CHECK(*kept_factor(1e6, 0) == 1);
  CHECK(*kept_factor(1e6, 100) == 10'000);
  CHECK(*kept_factor(2e6, 1'000'000) == 2);
  CHECK(*kept_factor(1e6, 1'000'000) == 1);
  CHECK(*kept_factor(1000, 50'000) == 1);
  CHECK(kept_factor(5000, 2000).error().message.find("there are 1000, 500, 200, 100") != std::string::npos);
  CHECK_FALSE(kept_factor(1000.5, 100).ok());
}

TEST_CASE("resolution: a device whose rate has no such lower rate is refused before anything starts") {
  config::SettingsSources sources;
  sources.hostname = "host-1";
  sources.environment = {};
  sources.flags = {{"wave.rate-hz", "2000"}, {"device", "serial=1,rate-hz=10000"}, {"device", "serial=2,rate-hz=1000"}};
  auto loaded = config::load_settings(sources);
  REQUIRE(loaded.ok());
  CHECK(app::check_sources(loaded->settings).ok());
  sources.flags.emplace_back("device", "serial=3,rate-hz=5000");
  loaded = config::load_settings(sources);
  REQUIRE(loaded.ok());
  const std::string problem = app::check_sources(loaded->settings).error().message;
  CHECK(problem.starts_with(
      "flag --device: wave.rate-hz = 2000: no waveform of 2000 samples per second from 5000: there are 1000"));
}

TEST_CASE("resolution: without a budget there is one, with one they go from all samples to a window a second") {
  CHECK(resolution_ladder(1e6, 0, false, 1e-3) == std::vector<Rung>{{1, 0, true}});
  CHECK(resolution_ladder(1e6, 100'000, false, 1e-3) == std::vector<Rung>{{10, 1, true}});
  CHECK(resolution_ladder(1e6, 100, false, 1e-3) == std::vector<Rung>{{10'000, 1000, true}});
  CHECK(resolution_ladder(5000, 2000, false, 1e-3) == std::vector<Rung>{{1, 0, true}});  // cannot be had
  for (const double full_hz : {2e6, 1e6, 1000.0, 44'100.0, 3.0}) {
    for (const uint32_t kept_hz : {0U, 100'000U, 200U}) {
      CAPTURE(full_hz);
      CAPTURE(kept_hz);
      const auto ladder = resolution_ladder(full_hz, kept_hz, true, 1e-3);
      REQUIRE(ladder.size() >= 4);
      for (size_t at = 0; at < ladder.size(); at += 2) {
        CHECK(ladder[at].packed);
        CHECK(ladder[at + 1] == Rung{ladder[at].factor, ladder[at].window_factor, false});
        if (ladder[at].factor != 1) CHECK(ladder[at].window_factor > 0);
        if (ladder[at].factor > 1 && at > 0) CHECK(full_hz / ladder[at].factor >= app::budget_rate_min_hz);
        if (at == 0) continue;
        const Rung &finer = ladder[at - 2], &coarser = ladder[at];
        CHECK((coarser.factor == 0 ? finer.factor > 0 || coarser.window_factor > finer.window_factor
                                   : coarser.factor > finer.factor && coarser.window_factor >= finer.window_factor));
      }
      CHECK(ladder.back().factor == 0);
      CHECK(ladder.back().window_factor == 1000);
    }
  }
}

TEST_CASE("resolution: a budget holds over any few seconds, whatever the load") {
  for (const auto& load : {noise, silence, bursts, turns, wild}) {
    for (const uint64_t bytes_per_s : {5'000U, 20'000U, 100'000U, 1'000'000U}) {
      for (const double commit_s : {0.1, 0.25, 1.0, 7.0}) {
        if (static_cast<double>(bytes_per_s) * commit_s < 600) continue;  // less than the headers alone take
        CAPTURE(bytes_per_s);
        CAPTURE(commit_s);
        const auto frames = made_of({load}, bytes_per_s, 60, commit_s);
        for (const double seconds : {1.0, 2.0, 5.0, 30.0})
          CHECK(worst_use(frames, static_cast<double>(bytes_per_s), seconds) <= 1);
      }
    }
  }
}

TEST_CASE("resolution: what a budget allows is used where the signal needs more") {
  for (const uint64_t bytes_per_s : {5'000U, 12'000U, 20'000U, 50'000U, 137'000U, 400'000U, 1'000'000U, 2'000'000U}) {
    for (const double commit_s : {0.1, 0.25, 1.0, 7.0}) {
      CAPTURE(bytes_per_s);
      CAPTURE(commit_s);
      const auto frames = made_of({noise}, bytes_per_s, 60, commit_s);
      CHECK(bytes_of(frames, 10, 60) >= 0.8 * static_cast<double>(bytes_per_s) * 50);
      CHECK(tries_per_frame(frames) < 1.7);
    }
  }
}

TEST_CASE("resolution: all samples are kept where they fit, and again soon after they did not") {
  const auto quiet = made_of({silence}, 20'000, 20, 0.25);
  for (const Made& frame : quiet)
    if (frame.t > 3) CHECK(frame.rung.factor == 1);
  const auto frames = made_of({turns}, 50'000, 60, 0.25);
  size_t quiet_frames = 0, fine = 0;
  for (const Made& frame : frames) {
    const double since_turn = std::fmod(frame.t, 20.0) - 10;
    if (since_turn < 4) continue;
    ++quiet_frames;
    fine += frame.rung.factor == 1 ? 1U : 0U;
  }
  CHECK(fine == quiet_frames);
}

TEST_CASE("resolution: loud moments are coarse, the quiet ones between them are not") {
  const auto frames = made_of({bursts}, 100'000, 60, 0.1);
  size_t coarse_bursts = 0, bursts_seen = 0, fine = 0, quiet_frames = 0;
  for (const Made& frame : frames) {
    const double at = std::fmod(frame.t, 3.0);
    if (frame.t < 6) continue;
    if (at < 0.39) {
      ++bursts_seen;
      coarse_bursts += frame.rung.factor != 1 ? 1U : 0U;
    } else if (at > 1.5) {
      ++quiet_frames;
      fine += frame.rung.factor == 1 ? 1U : 0U;
    }
  }
  CHECK(coarse_bursts * 10 >= bursts_seen * 8);
  CHECK(fine * 10 >= quiet_frames * 9);
}

TEST_CASE("resolution: packed signals that are too large are left out, the waveform stays") {
  const Load toggling{silence, 250'000, true};
  const auto frames = made_of(toggling, 100'000, 20, 0.25);
  size_t with = 0, without = 0;
  for (const Made& frame : frames) {
    if (frame.t < 4) continue;
    CHECK(frame.rung.factor == 1);
    ++(frame.rung.packed ? with : without);
  }
  CHECK(without > 0);
  CHECK(with > 0);  // what the waveform leaves of the budget is theirs, now and then
  CHECK(worst_use(frames, 100'000, 5) <= 1);
  for (const Made& frame : made_of({silence, 100, true}, 100'000, 20, 0.25)) CHECK(frame.rung.packed);
}

TEST_CASE("resolution: without a budget frames are as long as fits, at one rate") {
  const auto frames = made_of({noise}, 0, 10, 1.0, 100'000);
  std::set<uint32_t> factors;
  size_t filled = 0;
  for (const Made& frame : frames) {
    factors.insert(frame.rung.factor);
    filled += frame.bytes > frame_bytes_max * 8 / 10 ? 1U : 0U;
  }
  CHECK(factors == std::set<uint32_t>{10});
  CHECK(filled * 10 >= frames.size() * 7);
}

TEST_CASE("resolution: a frame that must be larger than what is available is paid for by those after it") {
  ByteBudget budget(1000);
  CHECK(budget.available(1) == doctest::Approx(1000));
  budget.spend(1, 3000);
  CHECK(budget.available(1) == doctest::Approx(-1000));
  budget.spend(1, 0);
  CHECK(budget.available(1) == doctest::Approx(0));
  for (int second = 0; second < 10; ++second) budget.spend(1, 0);
  CHECK(budget.available(1) == doctest::Approx(2000));
}
