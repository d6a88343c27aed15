#include "agent/device/fault_plan.h"

#include <doctest/doctest.h>

using namespace joulespool;
using device::Fault;

TEST_CASE("fault plan: text becomes faults and text again") {
  const auto faults = device::parse_faults(" drop:10-20; lose:every=4000000,length=200000\tnan:every=7/length=2;");
  REQUIRE(faults.ok());
  REQUIRE(faults->size() == 3);
  CHECK((*faults)[0] == Fault{Fault::Kind::drop, 10, 20, 0, 0});
  CHECK((*faults)[1] == Fault{Fault::Kind::lose, 0, 0, 4'000'000, 200'000});
  CHECK((*faults)[2] == Fault{Fault::Kind::nan, 0, 0, 7, 2});
  CHECK(device::to_string(*faults) == "drop:10-20;lose:every=4000000,length=200000;nan:every=7,length=2");
  CHECK(*device::parse_faults(device::to_string(*faults)) == *faults);
  CHECK(device::parse_faults("")->empty());
  CHECK(device::parse_faults(" ; ")->empty());
}

TEST_CASE("fault plan: what is not a fault is refused, with what is allowed") {
  for (const char* text : {"drop",
                           "drop:",
                           "drop:1",
                           "drop:1-",
                           "drop:-1",
                           "drop:2-2",
                           "drop:3-2",
                           "drop:1-2-3",
                           "drop:1 -2",
                           "stop:1-2",
                           "drop:a-b",
                           "drop:0x1-5",
                           "drop:1-99999999999999999999",
                           "drop:every=5",
                           "drop:every=5,length=0",
                           "drop:every=5,length=5",
                           "drop:every=0,length=0",
                           "drop:every=,length=1",
                           "drop:length=1,every=5",
                           "drop:1-2;;x",
                           "nan:1-2,3-4"}) {
    CAPTURE(text);
    const auto faults = device::parse_faults(text);
    REQUIRE(!faults.ok());
    CHECK(faults.error().code == Errc::usage);
    CHECK(faults.error().message.find("<from_tick>-<end_tick>") != std::string::npos);
  }
  std::string many;
  for (int n = 0; n < 1001; ++n) many += "drop:1-2;";
  CHECK(!device::parse_faults(many).ok());
  CHECK(!device::validate(device::Faults{Fault{Fault::Kind::drop, 5, 5, 0, 0}}).ok());
}

TEST_CASE("fault plan: next_change finds every tick where something changes") {
  const auto faults = *device::parse_faults("drop:10-20;lose:every=50,length=3;nan:0-4;drop:15-25");
  const auto state = [&](uint64_t tick) {
    return std::vector{device::is_hit(faults, Fault::Kind::drop, tick), device::is_hit(faults, Fault::Kind::lose, tick),
                       device::is_hit(faults, Fault::Kind::nan, tick)};
  };
  for (uint64_t tick = 0; tick < 300; ++tick) {
    const uint64_t next = device::next_change(faults, tick);
    REQUIRE(next > tick);
    for (uint64_t same = tick; same < next; ++same) CHECK(state(same) == state(tick));
    CHECK(device::is_present(faults, tick) == !((tick >= 10 && tick < 25) || (tick >= 50 && tick % 50 < 3)));
  }
  CHECK(device::next_change({}, 5) == UINT64_MAX);
  CHECK(device::next_change(*device::parse_faults("drop:1-2"), 2) == UINT64_MAX);
}
