#include "cloud-bridge/app/acceptance.h"

#include <doctest/doctest.h>

#include <vector>

using namespace joulespool;
using bridge::Acceptance;
using bridge::Load;

namespace {

struct Step {
  size_t held;  // of 100
  unsigned failures;
  bool accepting;
  const char* reason;
};

void play(const std::vector<Step>& steps) {
  Acceptance acceptance;
  for (size_t at = 0; at < steps.size(); ++at) {
    CAPTURE(at);
    acceptance.update({steps[at].held, 100, steps[at].failures, "error " + std::to_string(steps[at].failures), false});
    CHECK(acceptance.accepting() == steps[at].accepting);
    CHECK(acceptance.reason() == steps[at].reason);
  }
}

constexpr const char* memory = "memory full: Kinesis is slower than the agents";

}  // namespace

TEST_CASE("acceptance: agents stop at three quarters of the memory and go on at half") {
  play({{0, 0, true, ""},
        {75, 0, true, ""},
        {76, 0, false, memory},
        {51, 0, false, memory},
        {50, 0, true, ""},
        {75, 0, true, ""}});
}

TEST_CASE("acceptance: it takes several failures in a row to stop agents and one success to let them go on") {
  play({{1, 1, true, ""}, {1, 2, true, ""}, {1, 3, false, "error 3"}, {1, 4, false, "error 3"}, {1, 0, true, ""}});
}

TEST_CASE("acceptance: a full memory stays a reason when Kinesis is back") {
  play({{80, 3, false, "error 3"}, {80, 0, false, memory}, {40, 0, true, ""}});
}

TEST_CASE("acceptance: a bridge that stops accepts nothing, whatever else holds") {
  Acceptance acceptance;
  acceptance.update({80, 100, 5, "down", true});
  CHECK(acceptance.reason() == "stopping");
}
