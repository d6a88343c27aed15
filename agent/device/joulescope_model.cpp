#include "agent/device/joulescope_model.h"

#include <algorithm>
#include <array>

namespace joulespool::device {
namespace {

using signal::SignalId;

// 1-2-5 up to the full rate.
constexpr std::array<uint32_t, 20> rates_1_2_5 = {1,      2,       5,       10,      20,        50,       100,
                                                  200,    500,     1000,    2000,    5000,      10'000,   20'000,
                                                  50'000, 100'000, 200'000, 500'000, 1'000'000, 2'000'000};
// The js320 decimates by itself, and cannot halve.
constexpr std::array<uint32_t, 9> rates_js320 = {1000, 2000, 5000, 10'000, 20'000, 50'000, 100'000, 200'000, 1'000'000};

constexpr std::array<RangeCode, 8> currents_js110 = {
    {{"auto", 128}, {"10A", 1}, {"2A", 2}, {"180mA", 4}, {"18mA", 8}, {"1.8mA", 16}, {"180uA", 32}, {"18uA", 64}}};
constexpr std::array<RangeCode, 7> currents_js220 = {
    {{"auto", 0}, {"10A", 129}, {"180mA", 130}, {"18mA", 132}, {"1.8mA", 136}, {"180uA", 144}, {"18uA", 160}}};
constexpr std::array<RangeCode, 2> voltages_js110 = {{{"15V", 0}, {"5V", 1}}};
constexpr std::array<RangeCode, 3> voltages_js220 = {{{"auto", 0}, {"15V", 0}, {"2V", 1}}};

constexpr std::array<std::string_view, 3> packed_js110 = {"range", "gpi0", "gpi1"};
constexpr std::array<std::string_view, 6> packed_js220 = {"range", "gpi0", "gpi1", "gpi2", "gpi3", "trigger"};

constexpr uint32_t mega = 1'000'000;
constexpr std::array<InstrumentModel, 3> models = {{
    {"js110", 2 * mega, 2 * mega, rates_1_2_5, currents_js110, voltages_js110, false, packed_js110, 2 * mega, true, false},
    {"js220", 2 * mega, mega, std::span(rates_1_2_5).first(19), currents_js220, voltages_js220, true, packed_js220, mega, false,
     true},
    {"js320", 16 * mega, mega, rates_js320, currents_js220, voltages_js220, true, packed_js220, mega, false, true},
}};

struct PackedTopic {
  std::string_view name;
  SignalId signal;
  std::string_view topic;
};
constexpr std::array<PackedTopic, 6> packed_topics = {{{"range", SignalId::current_range, "s/i/range"},
                                                       {"gpi0", SignalId::gpi0, "s/gpi/0"},
                                                       {"gpi1", static_cast<SignalId>(17), "s/gpi/1"},
                                                       {"gpi2", static_cast<SignalId>(18), "s/gpi/2"},
                                                       {"gpi3", static_cast<SignalId>(19), "s/gpi/3"},
                                                       {"trigger", SignalId::trigger, "s/gpi/7"}}};

const RangeCode* find_range(std::span<const RangeCode> ranges, std::string_view name) {
  const auto at = std::find_if(ranges.begin(), ranges.end(), [&](const RangeCode& range) { return range.name == name; });
  return at == ranges.end() ? nullptr : &*at;
}

// The js220 and js320 need the select before the mode `manual`.
void add_range(const InstrumentModel& model, const std::string& topic, std::span<const RangeCode> ranges, const std::string& name,
               std::vector<TopicValue>& setup) {
  const RangeCode* range = name.empty() ? nullptr : find_range(ranges, name);
  if (range == nullptr) return;
  if (!model.has_range_modes) return setup.push_back({topic + "/select", range->select});
  if (name != "auto") setup.push_back({topic + "/select", range->select});
  setup.push_back({topic + "/mode", std::string(name == "auto" ? "auto" : "manual")});
}

template <class Items, class Text>
std::string listing(const Items& items, Text text) {
  std::string all;
  for (const auto& item : items) all += (all.empty() ? "" : ", ") + std::string(text(item));
  return all;
}

Error not_of(const InstrumentModel& model, const std::string& what, const std::string& allowed) {
  return {Errc::usage, what + ": a " + std::string(model.name) + " has " + allowed};
}

Status check_range(const InstrumentModel& model, const char* key, std::span<const RangeCode> ranges, const std::string& name) {
  if (name.empty() || find_range(ranges, name) != nullptr) return {};
  return not_of(model, std::string(key) + " = " + name, listing(ranges, [](const RangeCode& range) { return range.name; }));
}

}  // namespace

std::span<const InstrumentModel> instrument_models() { return models; }

const InstrumentModel* find_model(std::string_view name) {
  const auto at = std::find_if(models.begin(), models.end(), [&](const InstrumentModel& model) { return model.name == name; });
  return at == models.end() ? nullptr : &*at;
}

std::vector<TopicValue> setup_of(const InstrumentModel& model, const InstrumentSelection& selection) {
  std::vector<TopicValue> setup;
  add_range(model, "s/i/range", model.current_ranges, selection.current_range, setup);
  add_range(model, "s/v/range", model.voltage_ranges, selection.voltage_range, setup);
  setup.push_back({"h/fs", selection.rate_hz == 0 ? model.full_rate_hz : selection.rate_hz});
  return setup;
}

std::vector<StreamTopic> streams_of(const InstrumentSelection& selection) {
  std::vector<StreamTopic> streams = {{SignalId::current, "s/i"}, {SignalId::voltage, "s/v"}};
  for (const PackedTopic& packed : packed_topics)
    if (std::find(selection.packed.begin(), selection.packed.end(), packed.name) != selection.packed.end())
      streams.push_back({packed.signal, std::string(packed.topic)});
  return streams;
}

Status validate(const InstrumentModel& model, const InstrumentSelection& selection) {
  if (selection.rate_hz != 0 && std::find(model.rates.begin(), model.rates.end(), selection.rate_hz) == model.rates.end())
    return not_of(model, "rate-hz = " + std::to_string(selection.rate_hz),
                  listing(model.rates, [](uint32_t rate) { return std::to_string(rate); }));
  if (auto status = check_range(model, "current-range", model.current_ranges, selection.current_range); !status) return status;
  if (auto status = check_range(model, "voltage-range", model.voltage_ranges, selection.voltage_range); !status) return status;
  for (const std::string& name : selection.packed)
    if (std::find(model.packed.begin(), model.packed.end(), name) == model.packed.end())
      return not_of(model, "packed = " + name, listing(model.packed, [](std::string_view signal) { return signal; }));
  return {};
}

}  // namespace joulespool::device
