#include <algorithm>

#include "agent/wire/ack.h"
#include "agent/wire/event.h"
#include "agent/wire/event_json.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace joulespool::fuzz {
namespace {

bool is_trap(const wire::Event& event) {
  const auto* gap = std::get_if<wire::Gap>(&event);
  return gap != nullptr && gap->reason == wire::GapReason::usb_drop && gap->lane && gap->frames &&
         gap->frames->first > gap->frames->last;
}

bool is_trap(const wire::AckEntry& entry) {
  return entry.sequence.lane == wire::Lane::wave && entry.rejected.size() > 1 && entry.rejected[0].seq == entry.rejected[1].seq;
}

}  // namespace

bool run_event(wire::ByteView payload) {
  const auto events = wire::read_events(payload);
  if (!events) {
    require(events.error().code == Errc::damaged, "event: refused as damaged");
    return false;
  }
  require(events->size() <= payload.size(), "event: no more events than bytes");
  const wire::Bytes written = wire::write_events(*events);
  const auto again = wire::read_events(written);
  require(again.ok() && again->size() == events->size(), "event: what was read can be written and read");
  require(wire::write_events(*again) == written, "event: events stay the same");  // as bytes: a rate may be NaN
  for (const wire::Event& event : *events) {
    require(wire::event_message("js220-001122", event).size() > 2, "event: each has a text");
    planted_defect(is_trap(event));
  }
  return true;
}

bool run_ack(wire::ByteView input) {
  const auto entries = wire::read_ack(input);
  if (!entries) {
    require(entries.error().code == Errc::damaged, "ack: refused as damaged");
    return false;
  }
  for (const wire::AckEntry& entry : *entries) {
    for (const wire::SeqRange& range : entry.stored)
      require(range.first > 0 && range.first <= range.last, "ack: ranges have a beginning and an end");
    for (const wire::Rejection& rejection : entry.rejected) require(rejection.seq > 0, "ack: seq 0 is never rejected");
    planted_defect(is_trap(entry));
  }
  const wire::Bytes written = wire::write_ack(*entries);
  if (written.size() > wire::ack_bytes_max) return true;  // what was left out is written in full
  const auto again = wire::read_ack(written);
  require(again.ok() && *again == *entries, "ack: what was read can be written and read");
  return true;
}

}  // namespace joulespool::fuzz
