// How much of a waveform is kept: the resolutions there are, and which one a frame gets. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::app {

// What a payload of lane wave holds of its samples.
struct Rung {
  uint32_t factor = 1;         // one sample of so many is in the waveform: 1 all, bit for bit; 0 none
  uint32_t window_factor = 0;  // the payload's windows are as long as so many of lane stat; 0: no windows
  bool packed = true;          // with the packed signals, all of them
  bool operator==(const Rung&) const = default;
};

// The lowest rate of a waveform that a budget leads to; below it there are windows only. It bounds how long samples wait: a
// filter needs those that follow, up to 15 of the lowest rate.
constexpr uint32_t budget_rate_min_hz = 1000;
// A window takes about as many bytes as so many samples.
constexpr uint32_t samples_worth_a_window = 10;
// Windows beside a waveform are so long that they take a tenth of its bytes at most.
constexpr uint32_t samples_per_window_min = 10 * samples_worth_a_window;

// One sample of how many is kept for a waveform of rate_hz: 1 if that is 0 (the full rate) or no lower rate at all. Errors:
// usage, with the rates there are.
Result<uint32_t> kept_factor(double full_rate_hz, uint32_t rate_hz);

// From the finest to the coarsest; never empty. Without a budget there is only one. With one: each lower rate down to
// budget_rate_min_hz, then windows only, longer and longer; each with the packed signals and without them. Where rate_hz cannot
// be had of this full rate, it is not looked at. window_s: of lane stat.
std::vector<Rung> resolution_ladder(double full_rate_hz, uint32_t rate_hz, bool has_budget, double window_s);

// So many bytes per second of sample_id time, in the long run and over any few seconds: what was not used up is carried over, but
// never more than a second's. Over any span of T seconds the frames have bytes_per_s * (T + 1 s) at most, as long as each one had
// what is available.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_per_s = 0) : bytes_per_s_(bytes_per_s) {}
  [[nodiscard]] bool limits() const { return bytes_per_s_ > 0; }
  [[nodiscard]] uint64_t bytes_per_s() const { return bytes_per_s_; }
  // For a frame over so much time; may be below 0.
  [[nodiscard]] double available(double span_s) const { return carried_ + static_cast<double>(bytes_per_s_) * span_s; }
  // A frame was made. One that had more than was available makes less available for those that follow.
  void spend(double span_s, size_t bytes);

 private:
  uint64_t bytes_per_s_;
  double carried_ = 0;
};

struct FrameLimits {
  double sample_rate_hz = 1;      // of the source
  double window_s = 1e-3;         // of lane stat
  size_t frame_bytes_max = 0;     // the whole frame
  size_t frame_bytes_empty = 0;   // of one with an empty payload
  size_t samples_max = 1U << 20;  // of the source, in a frame
};

// Chooses resolution and length of each frame. Use: propose(), then judge() the frame's size until it is accepted. Guesses sizes
// from those of earlier frames, so that mostly the first proposal is accepted.
class ResolutionChooser {
 public:
  ResolutionChooser(std::vector<Rung> ladder, const FrameLimits& limits);

  struct Proposal {
    size_t rung = 0;
    size_t samples = 0;  // of the source
  };
  // The next frame: the finest resolution that is believed to fit what is available. `samples_left` > 0. has_packed: are there
  // packed signals at all?
  [[nodiscard]] Proposal propose(size_t samples_left, bool has_packed, const ByteBudget& budget) const;
  // The frame of a proposal has this size. True: it is the one, and the budget has paid for it. False: `proposal` has become
  // another one to try: shorter, or coarser.
  bool judge(size_t frame_bytes, size_t samples_left, bool has_packed, ByteBudget& budget, Proposal& proposal);

  [[nodiscard]] const std::vector<Rung>& ladder() const { return ladder_; }
  [[nodiscard]] const Rung& rung(const Proposal& proposal) const { return ladder_[proposal.rung]; }

 private:
  // What is believed of a resolution's size.
  struct Belief {
    double bytes_per_sample = 0;  // of the source; when it was last tried, changed as much as that of others since
    uint64_t age = 0;             // frames since it was last tried
    double hope = 1;              // less with every frame: so it is tried again after a while
    double patience = 0;          // what hope becomes with a frame; more after each disappointment
    [[nodiscard]] double expected() const { return bytes_per_sample * hope; }
  };
  // From this resolution on; none if there is none.
  [[nodiscard]] std::optional<Proposal> propose_from(size_t rung, size_t samples_left, bool has_packed,
                                                     const ByteBudget& budget) const;
  [[nodiscard]] size_t samples_that_fit(const Belief& belief, size_t samples_left, bool has_budget) const;
  [[nodiscard]] double span_s(size_t samples) const { return static_cast<double>(samples) / limits_.sample_rate_hz; }
  void learn(size_t rung, double bytes_per_sample);
  void grow_older(size_t rung);

  std::vector<Rung> ladder_;
  FrameLimits limits_;
  std::vector<Belief> beliefs_;
};

}  // namespace joulespool::app
