#include "agent/codec/integer_column.h"

#include <algorithm>
#include <bit>

#include "agent/base/int128.h"
#include "agent/codec/number_code.h"

namespace joulespool::codec {
namespace {

constexpr size_t dictionary_max = 64;     // entries; a longer table costs more than it saves
constexpr size_t all_different_max = 24;  // so many values, and none twice: no table will do
constexpr size_t lengths = 65;            // of a number in bits: 0 to 64

uint64_t zigzag(uint64_t difference) { return (difference << 1) ^ (0 - (difference >> 63)); }
uint64_t unzigzag(uint64_t number) { return (number >> 1) ^ (0 - (number & 1)); }

// `value` of a window with `from` samples, in proportion for one with `to`: rounded down, modulo 2^64.
int64_t proportional(int64_t value, uint64_t to, uint64_t from) {
  if (to == from) return value;
  if (from == 0) return 0;
  const int128 product = static_cast<int128>(value) * to;  // below 2^127
  const int128 quotient = product / from;
  return static_cast<int64_t>(quotient - (product < 0 && quotient * from != product ? 1 : 0));
}

uint64_t distance(int64_t value, int64_t expected) {
  return zigzag(static_cast<uint64_t>(value) - static_cast<uint64_t>(expected));
}

unsigned groups_of(const WindowContext& context, uint8_t model) {
  return (model & model_by_state) != 0 ? context.state_count : 1;
}

// How the integers of one column are expected.
struct Expectation {
  const WindowContext& context;
  uint8_t model;
  bool scaled;
  const int64_t* centres;

  [[nodiscard]] bool by_state() const { return (model & model_by_state) != 0; }
  [[nodiscard]] int64_t of(std::span<const int64_t> values, size_t at) const {
    if ((model & model_previous) == 0 || at == 0) {
      const int64_t centre = centres[by_state() ? context.states[at] : 0];
      return scaled ? proportional(centre, context.valid[at], context.valid_usual) : centre;
    }
    return scaled ? proportional(values[at - 1], context.valid[at], context.valid[at - 1]) : values[at - 1];
  }
};

// Calls take(index, distance) for each value. Loops of their own for what is usual.
template <class Take>
void for_each_distance(const Expectation& expected, std::span<const int64_t> values, Take take) {
  if (expected.scaled || values.empty()) {
    for (size_t at = 0; at < values.size(); ++at) take(at, distance(values[at], expected.of(values, at)));
  } else if ((expected.model & model_previous) != 0) {
    take(size_t{0}, distance(values[0], expected.of(values, 0)));
    for (size_t at = 1; at < values.size(); ++at) take(at, distance(values[at], values[at - 1]));
  } else if (expected.by_state()) {
    for (size_t at = 0; at < values.size(); ++at) take(at, distance(values[at], expected.centres[expected.context.states[at]]));
  } else {
    for (size_t at = 0; at < values.size(); ++at) take(at, distance(values[at], expected.centres[0]));
  }
}

using Histogram = std::array<uint32_t, lengths>;  // how many numbers have so many bits
size_t length_of(uint64_t number) { return static_cast<size_t>(std::bit_width(number)); }

struct Choice {
  uint8_t k = k_none;
  uint64_t half_bits = 0;
};

// A number of up to k bits takes 1 + k bits, one of k + 1 takes 2 + k; one of k + 2 takes 3 or 4 + k, counted as halves; a longer
// one twice its length less k, and 1.
Choice choose_k(const Histogram& histogram) {
  std::array<uint64_t, lengths + 3> longer{}, length_sums{};  // of numbers at least so long
  for (size_t length = lengths; length-- > 0;) {
    longer[length] = longer[length + 1] + histogram[length];
    length_sums[length] = length_sums[length + 1] + histogram[length] * length;
  }
  if (longer[1] == 0) return {};
  size_t middle = 0;
  while (2 * longer[middle + 1] > longer[0]) ++middle;
  Choice best{k_none, UINT64_MAX};
  for (size_t k = middle < 4 ? 0 : middle - 4; k <= std::min<size_t>(middle + 1, k_max); ++k) {
    const uint64_t first = (longer[0] - longer[k + 1]) * (2 + 2 * k);
    const uint64_t second = (longer[k + 1] - longer[k + 2]) * (4 + 2 * k);
    const uint64_t third = (longer[k + 2] - longer[k + 3]) * (7 + 2 * k);
    const uint64_t beyond = 4 * length_sums[k + 3] + 2 * longer[k + 3] - 2 * k * longer[k + 3];
    if (const uint64_t cost = first + second + third + beyond; cost < best.half_bits) best = {static_cast<uint8_t>(k), cost};
  }
  return best;
}

// A centre is a multiple of 2^(k - 3): more of it would not make distances shorter.
constexpr unsigned centre_bits = 3;
unsigned centre_shift(uint8_t k) { return k == k_none || k < centre_bits ? 0 : k - centre_bits; }
int64_t rounded(int64_t centre, unsigned shift) {
  const uint64_t unit = uint64_t{1} << shift;
  return static_cast<int64_t>((static_cast<uint64_t>(centre) + unit / 2) & (0 - unit));
}

uint64_t half_bits_of_varint(int64_t value) {
  const auto bits = static_cast<unsigned>(std::bit_width(zigzag(static_cast<uint64_t>(value))));
  return 16 * std::max(1U, (bits + 6) / 7);
}

Error damaged(std::string_view what) { return {Errc::damaged, std::string(what)}; }

}  // namespace

void IntegerWriter::begin(const WindowContext& context) {
  context_ = context;
  uniform_ =
      std::all_of(context.valid.begin(), context.valid.end(), [&](uint64_t valid) { return valid == context.valid_usual; });
  std::array<size_t, window_states_max> sizes{}, seen{};
  for (const uint8_t state : context.states) ++sizes[state];
  for (Sample& sample : samples_) sample.size = 0;
  for (size_t at = 0; at < context.states.size(); ++at) {
    const uint8_t state = context.states[at];
    Sample& sample = samples_[state];
    if (seen[state]++ * sample_max >= sample.size * sizes[state] && sample.size < sample_max) sample.at[sample.size++] = at;
  }
  Sample& all = samples_.back();
  for (; all.size < std::min(sample_max, context.states.size()); ++all.size)
    all.at[all.size] = all.size * context.states.size() / std::min(sample_max, context.states.size());
}

// The median of a sample of each group.
void IntegerWriter::find_centres(IntegerPlan& plan, std::span<const int64_t> values, bool scaled) const {
  const bool by_state = (plan.model & model_by_state) != 0;
  for (size_t group = 0; group < groups_of(context_, plan.model); ++group) {
    const Sample& sample = by_state ? samples_[group] : samples_.back();
    std::array<int64_t, sample_max> taken{};
    for (size_t k = 0; k < sample.size; ++k) {
      const int64_t value = values[sample.at[k]];
      taken[k] = scaled ? proportional(value, context_.valid_usual, context_.valid[sample.at[k]]) : value;
    }
    const auto middle = taken.begin() + sample.size / 2;
    std::nth_element(taken.begin(), middle, taken.begin() + sample.size);
    plan.centres[group] = *middle;
  }
}

IntegerPlan IntegerWriter::measure(uint8_t model, std::span<const int64_t> values, bool scaled) const {
  scaled = scaled && !uniform_;
  IntegerPlan plan;
  plan.model = model;
  const bool by_state = (model & model_by_state) != 0;
  if ((model & model_previous) == 0) find_centres(plan, values, scaled);
  else plan.centres[by_state ? context_.states[0] : 0] = values[0];
  const unsigned groups = groups_of(context_, model);
  std::array<Histogram, window_states_max> histograms;
  std::fill_n(histograms.begin(), groups, Histogram{});
  const Expectation expected{context_, model, scaled, plan.centres.data()};
  if (by_state)
    for_each_distance(expected, values, [&](size_t at, uint64_t d) { ++histograms[context_.states[at]][length_of(d)]; });
  else for_each_distance(expected, values, [&](size_t, uint64_t d) { ++histograms[0][length_of(d)]; });
  for (unsigned group = 0; group < groups; ++group) {
    const Choice choice = choose_k(histograms[group]);
    plan.ks[group] = choice.k;
    plan.centres[group] = rounded(plan.centres[group], centre_shift(choice.k));
    plan.half_bits += choice.half_bits + 16 + half_bits_of_varint(plan.centres[group] >> centre_shift(choice.k));
  }
  return plan;
}

// Fills entries_ and numbers_; false if there are too many different values.
bool IntegerWriter::find_entries(std::span<const int64_t> values) {
  constexpr size_t slots = 4 * dictionary_max;
  std::array<int16_t, slots> entry_at;  // index of the entry, -1: free
  entry_at.fill(-1);
  entries_.clear();
  numbers_.resize(values.size());
  for (size_t at = 0; at < values.size(); ++at) {
    if (at == all_different_max && entries_.size() == at) return false;
    size_t slot = (static_cast<uint64_t>(values[at]) * 0x9E3779B97F4A7C15U) >> 56;
    while (entry_at[slot] >= 0 && entries_[static_cast<size_t>(entry_at[slot])] != values[at]) slot = (slot + 1) % slots;
    if (entry_at[slot] < 0) {
      if (entries_.size() == dictionary_max) return false;
      entry_at[slot] = static_cast<int16_t>(entries_.size());
      entries_.push_back(values[at]);
    }
    numbers_[at] = entry_at[slot];
  }
  std::array<int64_t, dictionary_max> by_arrival, rank;
  std::copy(entries_.begin(), entries_.end(), by_arrival.begin());
  std::sort(entries_.begin(), entries_.end());
  for (size_t entry = 0; entry < entries_.size(); ++entry)
    rank[entry] = std::lower_bound(entries_.begin(), entries_.end(), by_arrival[entry]) - entries_.begin();
  for (int64_t& number : numbers_) number = rank[static_cast<size_t>(number)];
  return true;
}

// From the lengths of differences between neighbours of a state: there is no centre to look for. A number of some length takes a
// bit and a half more, most often.
uint64_t IntegerWriter::estimate_half_bits(std::span<const int64_t> values, bool by_state) const {
  std::array<int64_t, window_states_max> last;
  last.fill(values.front());
  size_t total = 0;
  for (size_t at = 0; at < values.size(); ++at) {
    int64_t& before = last[by_state ? context_.states[at] : 0];
    total += length_of(distance(values[at], before));
    before = values[at];
  }
  return 2 * total + 3 * values.size();
}

IntegerPlan IntegerWriter::plan_table(std::span<const int64_t> values) {
  IntegerPlan plan;
  plan.half_bits = UINT64_MAX;
  if (!find_entries(values)) return plan;
  plan = measure(context_.state_count > 1 ? model_by_state : 0, numbers_, false);
  plan.model |= model_dictionary;
  plan.half_bits += 32 + half_bits_of_varint(entries_.front());
  for (size_t at = 1; at < entries_.size(); ++at) {
    const uint64_t gap = static_cast<uint64_t>(entries_[at]) - static_cast<uint64_t>(entries_[at - 1]);
    plan.half_bits += 2 * length_of(gap) + 6;
  }
  return plan;
}

IntegerPlan IntegerWriter::plan(std::span<const int64_t> values, bool scaled) {
  IntegerPlan best = measure(0, values, scaled);
  const auto consider = [&best](const IntegerPlan& other) {
    if (other.half_bits < best.half_bits) best = other;
  };
  if (best.ks[0] == k_none) return best;  // all are the same
  if (context_.state_count > 1) consider(measure(model_by_state, values, scaled));
  if (estimate_half_bits(values, false) < best.half_bits) {
    consider(measure(model_previous, values, scaled));
    if (context_.state_count > 1) consider(measure(model_previous | model_by_state, values, scaled));
  }
  consider(plan_table(values));
  return best;
}

void IntegerWriter::write_table(ByteWriter& out) {
  out.varint(entries_.size());
  out.zigzag(entries_.front());
  distances_.resize(entries_.size() - 1);
  Histogram histogram{};
  for (size_t at = 1; at < entries_.size(); ++at) {
    distances_[at - 1] = static_cast<uint64_t>(entries_[at]) - static_cast<uint64_t>(entries_[at - 1]);
    ++histogram[length_of(distances_[at - 1])];
  }
  const uint8_t k = choose_k(histogram).k;
  out.u8(k);
  write_numbers(out, distances_, [k](size_t) { return k; });
}

void IntegerWriter::write(ByteWriter& out, const IntegerPlan& plan, std::span<const int64_t> values, bool scaled) {
  if ((plan.model & model_dictionary) != 0) {
    write_table(out);
    values = numbers_;
    scaled = false;
  }
  const unsigned groups = groups_of(context_, plan.model);
  for (unsigned group = 0; group < groups; ++group) {
    out.u8(plan.ks[group]);
    out.zigzag(plan.centres[group] >> centre_shift(plan.ks[group]));
  }
  distances_.resize(values.size());
  for_each_distance({context_, plan.model, scaled && !uniform_, plan.centres.data()}, values,
                    [&](size_t at, uint64_t d) { distances_[at] = d; });
  if (groups == 1) write_numbers(out, distances_, [k = plan.ks[0]](size_t) { return k; });
  else write_numbers(out, distances_, [&](size_t at) { return plan.ks[context_.states[at]]; });
}

namespace {

Status read_table(ByteReader& from, size_t entries_max, std::vector<int64_t>& entries) {
  const uint64_t count = from.varint();
  if (!from.ok() || count == 0 || count > entries_max) return damaged("a table that is empty, or longer than the column");
  std::vector<uint64_t> gaps(count - 1);
  auto entry = static_cast<uint64_t>(from.zigzag());
  const uint8_t k = from.u8();
  if (k > k_max && k != k_none) return damaged("a number code that does not exist");
  if (!read_numbers(from, gaps, [k](size_t) { return k; })) return damaged("a table that is cut off");
  entries.resize(count);
  entries[0] = static_cast<int64_t>(entry);
  for (size_t at = 1; at < count; ++at) entries[at] = static_cast<int64_t>(entry += gaps[at - 1]);
  return {};
}

}  // namespace

Status read_integers(ByteReader& from, uint8_t model, const WindowContext& context, bool scaled, std::span<int64_t> values) {
  std::vector<int64_t> entries;
  if ((model & model_by_state) != 0 && context.states.empty()) return damaged("states that are not known yet");
  if ((model & model_dictionary) != 0) {
    if (const auto status = read_table(from, values.size(), entries); !status) return status;
    scaled = false;
  }
  const unsigned groups = groups_of(context, model);
  std::array<int64_t, window_states_max> centres{};
  std::array<uint8_t, window_states_max> ks{};
  for (unsigned group = 0; group < groups; ++group) {
    ks[group] = from.u8();
    if (ks[group] > k_max && ks[group] != k_none) return damaged("a number code that does not exist");
    centres[group] = static_cast<int64_t>(static_cast<uint64_t>(from.zigzag()) << centre_shift(ks[group]));
  }
  if (!from.ok()) return damaged("cut off");
  const Expectation expected{context, model, scaled, centres.data()};
  std::vector<uint64_t> distances(values.size());
  if (!read_numbers(from, distances, [&](size_t at) { return ks[expected.by_state() ? context.states[at] : 0]; }))
    return damaged("numbers that are cut off");
  for (size_t at = 0; at < values.size(); ++at)
    values[at] = static_cast<int64_t>(static_cast<uint64_t>(expected.of(values, at)) + unzigzag(distances[at]));
  if (entries.empty()) return {};
  for (int64_t& value : values) {
    const auto number = static_cast<uint64_t>(value);
    if (number >= entries.size()) return damaged("a number beyond the table");
    value = entries[number];
  }
  return {};
}

}  // namespace joulespool::codec
