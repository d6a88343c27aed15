#include "agent/app/device_condition.h"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace joulespool;
using app::DeviceCondition;
using app::DeviceState;
using Kind = device::SourceEvent::Kind;

struct Step {
  const char* what;
  Kind kind;
  const char* text;
  bool news;
  DeviceState state;
  const char* detail;
};

device::SourceEvent event(Kind kind, const std::string& text, const std::string& firmware = "") {
  device::SourceEvent event;
  event.kind = kind;
  event.text = text;
  event.firmware = firmware;
  return event;
}

}  // namespace

TEST_CASE("condition: states, details and what is news, step by step") {
  const std::vector<Step> steps = {
      {"plugged in", Kind::attached, "", true, DeviceState::attached, ""},
      {"held by another program", Kind::trouble, "busy: close the other program", true, DeviceState::trouble,
       "busy: close the other program"},
      {"tried again", Kind::trouble, "busy: close the other program", false, DeviceState::trouble,
       "busy: close the other program"},
      {"something is said meanwhile", Kind::note, "retry 3", true, DeviceState::trouble, "busy: close the other program"},
      {"another trouble", Kind::trouble, "no permission", true, DeviceState::trouble, "no permission"},
      {"and the first again", Kind::trouble, "busy: close the other program", true, DeviceState::trouble,
       "busy: close the other program"},
      {"streams", Kind::found, "js220", true, DeviceState::streaming, ""},
      {"a hole", Kind::gap, "", false, DeviceState::streaming, ""},
      {"statistics", Kind::statistics, "", false, DeviceState::streaming, ""},
      {"streams anew", Kind::found, "js220", true, DeviceState::streaming, ""},
      {"unplugged", Kind::lost, "unplugged", true, DeviceState::lost, "unplugged"},
      {"said twice", Kind::lost, "unplugged", false, DeviceState::lost, "unplugged"},
      {"is back", Kind::attached, "", true, DeviceState::attached, ""},
      {"over", Kind::ended, "at its end", true, DeviceState::ended, "at its end"},
  };
  DeviceCondition condition;
  CHECK(condition.state() == DeviceState::waiting);
  for (const Step& step : steps) {
    CAPTURE(step.what);
    CHECK(condition.on_event(event(step.kind, step.text)) == step.news);
    CHECK(condition.state() == step.state);
    CHECK(condition.detail() == step.detail);
  }
}

TEST_CASE("condition: samples end a trouble, so the same trouble is news afterwards") {
  DeviceCondition condition;
  CHECK(condition.on_event(event(Kind::trouble, "silent")));
  condition.on_samples();
  CHECK(condition.state() == DeviceState::streaming);
  CHECK(condition.detail().empty());
  CHECK(condition.on_event(event(Kind::trouble, "silent")));
}

TEST_CASE("condition: the firmware is kept over losses") {
  DeviceCondition condition;
  condition.on_event(event(Kind::found, "", "1.3.0"));
  condition.on_event(event(Kind::lost, "unplugged"));
  condition.on_event(event(Kind::found, ""));
  CHECK(condition.firmware() == "1.3.0");
}

TEST_CASE("condition: every state has a name") {
  for (const DeviceState state : {DeviceState::waiting, DeviceState::attached, DeviceState::streaming, DeviceState::lost,
                                  DeviceState::trouble, DeviceState::ended})
    CHECK(app::to_string(state) != "?");
}
