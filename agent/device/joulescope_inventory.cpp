// What is there, for people: nothing streams.
#include "agent/device/joulescope_prefix.h"
#include "agent/device/joulescope_session.h"
#include "agent/device/joulescope_source.h"

namespace joulespool::device {
namespace {

constexpr uint32_t open_timeout_ms = 5000;
constexpr uint32_t close_timeout_ms = 1000;

InstrumentEntry look_at(Driver& driver, const InstrumentPrefix& found) {
  InstrumentEntry entry{found.identity, "", ""};
  if (find_model(found.identity.model) == nullptr) {
    entry.problem = "this program does not know the model " + found.identity.model;
    return entry;
  }
  // RESUME: nothing of the state it is in is touched.
  const int32_t code = driver.publish(found.topic + "/@/!open", int32_t{abi::open_resume}, open_timeout_ms);
  if (code != abi::rc_ok) {
    entry.problem = open_problem(driver, code);
    return entry;
  }
  entry.firmware = firmware_of(driver, found.topic);
  driver.publish(found.topic + "/@/!close", int32_t{0}, close_timeout_ms);
  return entry;
}

}  // namespace

Result<std::string> driver_version(const std::string& library) {
  const auto driver = Driver::start(library, [](int, std::string_view) {});
  if (!driver) return driver.error();
  return (*driver)->version();
}

Result<std::vector<InstrumentEntry>> list_instruments(const std::string& library) {
  const auto driver = Driver::start(library, [](int, std::string_view) {});
  if (!driver) return driver.error();
  std::vector<InstrumentEntry> entries;
  for (const InstrumentPrefix& found : instruments_of((*driver)->query_text("@/list")))
    entries.push_back(look_at(**driver, found));
  return entries;
}

}  // namespace joulespool::device
