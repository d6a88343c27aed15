#include "agent/device/driver_order.h"

#include "agent/device/byte_fields.h"

namespace joulespool::device {
namespace {

template <class Fields, class Selection>
void selection_fields(Fields& f, Selection& selection) {
  f(selection.origin);
  f.list(selection.devices, f);
  f(selection.rate_hz);
  f(selection.current_range);
  f(selection.voltage_range);
  f.list(selection.packed, f);
  f(selection.power_safe);
}

template <class Fields, class Named>
void resume_fields(Fields& f, Named& named) {
  auto& [device, point] = named;
  f(device);
  f(point.axis.life);
  f(point.axis.counter_rate_hz);
  f(point.axis.decimation);
  f(point.sample_id_end);
  f(point.utc.sample_id);
  f(point.utc.utc_ns);
  f(point.utc.counter_rate_hz);
  f.one_of(point.utc.quality, wire::UtcQuality::unknown, wire::UtcQuality::instrument);
}

using NamedPoints = std::vector<std::pair<std::string, ResumePoint>>;

template <class Fields, class Settings, class Points>
void order_fields(Fields& f, Settings& settings, Points& points) {
  f(settings.library);
  f.list(settings.selections, [&](auto& selection) { selection_fields(f, selection); });
  f.list(points, [&](auto& named) { resume_fields(f, named); });
}

// Two passes: one counts, one writes.
template <class Write>
wire::Bytes written(const Write& write) {
  FieldWriter counter(nullptr);
  write(counter);
  wire::Bytes bytes(counter.size_bytes());
  FieldWriter writer(bytes.data());
  write(writer);
  return bytes;
}

}  // namespace

wire::Bytes write_order(const DriverOrder& order) {
  const NamedPoints points(order.resume.begin(), order.resume.end());
  return written([&](FieldWriter& f) { order_fields(f, order.settings, points); });
}

Result<DriverOrder> read_order(wire::ByteView message) {
  FieldReader f(message);
  DriverOrder order;
  NamedPoints points;
  order_fields(f, order.settings, points);
  if (!f.ok() || !f.ended()) return Error{Errc::damaged, "an order that does not hold what it says"};
  order.resume.insert(points.begin(), points.end());
  return order;
}

wire::Bytes write_answer(const Status& started) {
  const Error error = started ? Error{} : started.error();
  return written([&](FieldWriter& f) {
    f(started.ok());
    f.one_of(error.code, Errc::usage, Errc::internal);
    f(error.message);
  });
}

Result<Status> read_answer(wire::ByteView message) {
  FieldReader f(message);
  bool ok = false;
  Error error;
  f(ok);
  f.one_of(error.code, Errc::usage, Errc::internal);
  f(error.message);
  if (!f.ok() || !f.ended()) return Error{Errc::damaged, "an answer that does not hold what it says"};
  return ok ? Status{} : Status{error};
}

}  // namespace joulespool::device
