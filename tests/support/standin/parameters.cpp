#include "tests/support/standin/parameters.h"

#include <algorithm>

namespace joulespool::standin {
namespace {

using Options = std::vector<Option>;
using Parameters = std::vector<Parameter>;

const Options switch_options = {{0, "off"}, {1, "on"}};
const Options one_two_five = {{1, "1 Hz"},         {2, "2 Hz"},         {5, "5 Hz"},        {10, "10 Hz"},
                              {20, "20 Hz"},       {50, "50 Hz"},       {100, "100 Hz"},    {200, "200 Hz"},
                              {500, "500 Hz"},     {1000, "1 kHz"},     {2000, "2 kHz"},    {5000, "5 kHz"},
                              {10000, "10 kHz"},   {20000, "20 kHz"},   {50000, "50 kHz"},  {100000, "100 kHz"},
                              {200000, "200 kHz"}, {500000, "500 kHz"}, {1000000, "1 MHz"}, {2000000, "2 MHz"}};
const Options rates_js320 = {{1000, "1 kHz"},   {2000, "2 kHz"},     {5000, "5 kHz"},     {10000, "10 kHz"}, {20000, "20 kHz"},
                             {50000, "50 kHz"}, {100000, "100 kHz"}, {200000, "200 kHz"}, {1000000, "1 MHz"}};
const Options message_rates = {one_two_five.begin(), one_two_five.begin() + 13};  // 1..10000
const Options currents_js110 = {{128, "auto"},  {1, "10 A"},    {2, "2 A"},    {4, "180 mA"}, {8, "18 mA"},
                                {16, "1.8 mA"}, {32, "180 uA"}, {64, "18 uA"}, {0, "off"}};
const Options currents_js220 = {{129, "10 A"}, {130, "180 mA"}, {132, "18 mA"}, {136, "1.8 mA"}, {144, "180 uA"}, {160, "18 uA"}};
const Options range_modes = {{0, "off"}, {1, "auto"}, {2, "manual"}};
const Options range_limits = {{0, ""}, {1, ""}, {2, ""}, {3, ""}, {4, ""}, {5, ""}};

Parameters common() {
  return {{"s/i/ctrl", switch_options},
          {"s/v/ctrl", switch_options},
          {"s/p/ctrl", switch_options},
          {"s/gpi/0/ctrl", switch_options},
          {"s/gpi/1/ctrl", switch_options},
          {"s/i/range/ctrl", switch_options},
          {"s/stats/ctrl", switch_options},
          {"s/stats/scnt", {}},
          {"s/stats/!clear", {}},
          {"c/fw/version", {}},
          {"c/hw/version", {}},
          {"s/fpga/version", {}},
          {"s/stats/value", {}},
          {"h/i_scale", {}},
          {"h/v_scale", {}}};
}

Parameters with(Parameters parameters, const Parameters& more) {
  parameters.insert(parameters.end(), more.begin(), more.end());
  return parameters;
}

Parameters of_js220(const Options& rates) {
  return with(common(), {{"h/fs", rates},
                         {"h/fp", message_rates},
                         {"h/filter", {{0, ""}, {1, ""}}},
                         {"h/state", {}},
                         {"s/i/range/mode", range_modes},
                         {"s/i/range/select", currents_js220},
                         {"s/i/range/min", range_limits},
                         {"s/i/range/max", range_limits},
                         {"s/v/range/mode", range_modes},
                         {"s/v/range/select", {{0, "15 V"}, {1, "2 V"}}},
                         {"s/gpi/2/ctrl", switch_options},
                         {"s/gpi/3/ctrl", switch_options},
                         {"s/gpi/7/ctrl", switch_options}});
}

const Parameters& parameters_of(std::string_view model) {
  static const Parameters js110 = with(common(), {{"h/fs", one_two_five},
                                                  {"s/i/range/select", currents_js110},
                                                  {"s/v/range/select", {{0, "15 V"}, {1, "5 V"}}},
                                                  {"s/sstats/ctrl", switch_options}});
  static const Parameters js220 = of_js220(one_two_five);
  static const Parameters js320 = of_js220(rates_js320);
  static const Parameters none;
  return model == "js110" ? js110 : model == "js220" ? js220 : model == "js320" ? js320 : none;
}

std::optional<int64_t> integer_of(const abi::Value& value) {
  switch (value.type) {
    case abi::ValueType::u8: return value.u8;
    case abi::ValueType::u16: return value.u16;
    case abi::ValueType::u32: return value.u32;
    case abi::ValueType::u64: return static_cast<int64_t>(value.u64);
    case abi::ValueType::i8: return static_cast<int8_t>(value.u8);
    case abi::ValueType::i16: return static_cast<int16_t>(value.u16);
    case abi::ValueType::i32: return value.i32;
    case abi::ValueType::i64: return static_cast<int64_t>(value.u64);
    default: return std::nullopt;
  }
}

}  // namespace

const Parameter* find_parameter(std::string_view model, std::string_view topic) {
  const Parameters& parameters = parameters_of(model);
  const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& p) { return p.topic == topic; });
  return found == parameters.end() ? nullptr : &*found;
}

std::optional<uint32_t> number_of(const Parameter& parameter, const TopicValue& value) {
  if (value.is_text()) {
    for (const Option& option : parameter.options)
      if (!option.name.empty() && option.name == value.as_text()) return option.value;
    return std::nullopt;
  }
  const auto integer = integer_of(value.head);
  if (!integer || *integer < 0 || *integer > UINT32_MAX) return std::nullopt;
  const auto number = static_cast<uint32_t>(*integer);
  const bool known =
      std::any_of(parameter.options.begin(), parameter.options.end(), [&](const Option& o) { return o.value == number; });
  return parameter.options.empty() || known ? std::optional(number) : std::nullopt;
}

}  // namespace joulespool::standin
