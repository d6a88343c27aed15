// One 64-bit integer per window, coded as its distance from where it is expected. Layout: FORMAT-stat.md, section 4.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/byte_io.h"

namespace joulespool::codec {

constexpr unsigned window_states_max = 8;

// Bits of a column's model that say how its integers are coded; the others say what they are (window_columns.h).
constexpr uint8_t model_previous = 0x08;    // expected at the window before; else at a centre
constexpr uint8_t model_by_state = 0x10;    // each state has its own centre and k
constexpr uint8_t model_dictionary = 0x20;  // the integers are numbers of entries in a table

// What writer and reader know of the windows before a column.
struct WindowContext {
  std::span<const uint8_t> states;  // of each window; all below state_count
  unsigned state_count = 1;
  std::span<const uint64_t> valid;  // samples that each window's sums are of
  uint64_t valid_usual = 0;         // that of most windows
};

// How the integers of one column are to be coded, and what that costs.
struct IntegerPlan {
  uint8_t model = 0;
  std::array<int64_t, window_states_max> centres{};
  std::array<uint8_t, window_states_max> ks{};
  uint64_t half_bits = 0;
};

// One thread. Keeps its memory: allocates only while columns get longer.
class IntegerWriter {
 public:
  // The spans of `context` are used until the next call of this. scaled: the integers are sums over samples, so that they are
  // expected in proportion to `valid`.
  void begin(const WindowContext& context);
  // The cheapest plan.
  IntegerPlan plan(std::span<const int64_t> values, bool scaled);
  // For comparing ways to make a column's values: about what they cost without a table, and what they cost with one (the largest
  // number: none will do).
  [[nodiscard]] uint64_t estimate_half_bits(std::span<const int64_t> values, bool by_state) const;
  IntegerPlan plan_table(std::span<const int64_t> values);
  // Appends what `plan` says: the newest that plan() or plan_table() gave, for the same values.
  void write(ByteWriter& out, const IntegerPlan& plan, std::span<const int64_t> values, bool scaled);

 private:
  static constexpr size_t sample_max = 31;  // a centre is their median; that of all values would save 0.03 bits each
  struct Sample {
    std::array<size_t, sample_max> at;  // windows
    size_t size = 0;
  };
  [[nodiscard]] IntegerPlan measure(uint8_t model, std::span<const int64_t> values, bool scaled) const;
  void find_centres(IntegerPlan& plan, std::span<const int64_t> values, bool scaled) const;
  bool find_entries(std::span<const int64_t> values);
  void write_table(ByteWriter& out);

  WindowContext context_;
  bool uniform_ = true;                                  // all windows have the usual number of samples
  std::array<Sample, window_states_max + 1> samples_{};  // of each state; the last: of all windows
  std::vector<uint64_t> distances_;
  std::vector<int64_t> entries_;  // the table
  std::vector<int64_t> numbers_;  // each value's place in it
};

// Fills `values` from what write() appended. Error: damaged.
Status read_integers(ByteReader& from, uint8_t model, const WindowContext& context, bool scaled, std::span<int64_t> values);

}  // namespace joulespool::codec
