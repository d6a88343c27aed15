#include "agent/device/joulescope_model.h"

#include <doctest/doctest.h>

namespace {

using joulespool::device::find_model;
using joulespool::device::find_selection;
using joulespool::device::InstrumentModel;
using joulespool::device::InstrumentSelection;
using joulespool::device::JoulescopeSettings;
using joulespool::device::matches;
using joulespool::device::setup_of;
using joulespool::device::streams_of;
using joulespool::device::TopicValue;

const InstrumentModel& model(const char* name) {
  const InstrumentModel* found = find_model(name);
  REQUIRE(found != nullptr);
  return *found;
}

InstrumentSelection selection_of(std::vector<std::string> devices) {
  InstrumentSelection selection;
  selection.devices = std::move(devices);
  return selection;
}

std::string text_of(const std::vector<TopicValue>& setup) {
  std::string text;
  for (const TopicValue& setting : setup) {
    const auto* word = std::get_if<std::string>(&setting.value);
    text += setting.topic + "=" + (word != nullptr ? *word : std::to_string(std::get<uint32_t>(setting.value))) + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("instrument selection: patterns") {
  CHECK(matches("js220-001122", "js220-001122"));
  CHECK(!matches("js220-001122", "js220-0011223"));
  CHECK(matches("js220-*", "js220-001122"));
  CHECK(!matches("js220-*", "js110-001122"));
  CHECK(matches("*", "js110-1"));
  CHECK(matches("*-00*22", "js220-001122"));
  CHECK(!matches("*-00*23", "js220-001122"));
  CHECK(!matches("js220-001122*3", "js220-001122"));
  CHECK(matches("js220-001122*", "js220-001122"));
}

TEST_CASE("instrument selection: the first one that matches counts") {
  JoulescopeSettings settings;
  settings.selections = {selection_of({"js220-000001", "js110-*"}), selection_of({"js220-*"})};
  CHECK(find_selection(settings, "js110-7") == &settings.selections[0]);
  CHECK(find_selection(settings, "js220-000001") == &settings.selections[0]);
  CHECK(find_selection(settings, "js220-000002") == &settings.selections[1]);
  CHECK(find_selection(settings, "js320-1") == nullptr);
}

TEST_CASE("instrument setup: a range is written only if it was asked for, the rate always") {
  CHECK(text_of(setup_of(model("js110"), {})) == "h/fs=2000000 ");
  CHECK(text_of(setup_of(model("js220"), {})) == "h/fs=1000000 ");
  CHECK(text_of(setup_of(model("js320"), {})) == "h/fs=1000000 ");
  InstrumentSelection selection;
  selection.current_range = "180mA";
  selection.voltage_range = "15V";
  selection.rate_hz = 1000;
  CHECK(text_of(setup_of(model("js110"), selection)) == "s/i/range/select=4 s/v/range/select=0 h/fs=1000 ");
  CHECK(text_of(setup_of(model("js220"), selection)) ==
        "s/i/range/select=130 s/i/range/mode=manual s/v/range/select=0 s/v/range/mode=manual h/fs=1000 ");
  selection.current_range = selection.voltage_range = "auto";
  CHECK(text_of(setup_of(model("js220"), selection)) == "s/i/range/mode=auto s/v/range/mode=auto h/fs=1000 ");
}

TEST_CASE("instrument setup: power is never streamed") {
  InstrumentSelection selection;
  selection.packed = {"trigger", "range", "gpi0"};
  std::string topics;
  for (const auto& stream : streams_of(selection)) topics += stream.topic + " ";
  CHECK(topics == "s/i s/v s/i/range s/gpi/0 s/gpi/7 ");
}

TEST_CASE("instrument settings: what a model has not is refused with what it has") {
  const auto problem = [](std::vector<std::string> devices, auto change) {
    InstrumentSelection selection = selection_of(std::move(devices));
    change(selection);
    const auto status = validate(selection);
    return status ? std::string() : status.error().message;
  };
  CHECK(problem({"js320-*"}, [](auto& s) { s.rate_hz = 500'000; }) ==
        "rate-hz = 500000: a js320 has 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 1000000");
  CHECK(problem({"js220-*"}, [](auto& s) { s.rate_hz = 2'000'000; }).starts_with("rate-hz = 2000000: a js220 has 1, 2, 5"));
  CHECK(problem({"js220-1"}, [](auto& s) { s.current_range = "2A"; }) ==
        "current-range = 2A: a js220 has auto, 10A, 180mA, 18mA, 1.8mA, 180uA, 18uA");
  CHECK(problem({"js110-1"}, [](auto& s) { s.voltage_range = "auto"; }) == "voltage-range = auto: a js110 has 15V, 5V");
  CHECK(problem({"js110-1"}, [](auto& s) { s.packed = {"gpi3"}; }) == "packed = gpi3: a js110 has range, gpi0, gpi1");
  CHECK(problem({"js999-1"}, [](auto&) {}) ==
        "devices = js999-1: no device id begins like that: they are js110-, js220- or js320-<serial>");
  CHECK(problem({"js"}, [](auto&) {}).starts_with("devices = js: no device id"));
  // What one of the models can do is no mistake yet.
  CHECK(problem({"*"}, [](auto& s) { s.current_range = "2A"; }).empty());
  CHECK(problem({"js1*"}, [](auto& s) { s.rate_hz = 2'000'000; }).empty());
  CHECK(problem({"*"}, [](auto& s) { s.rate_hz = 3; }) != "");
}
