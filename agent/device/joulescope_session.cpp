#include "agent/device/joulescope_session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/device/tick_hash.h"

namespace joulespool::device {
namespace {

using signal::SignalId;
using Kind = SourceEvent::Kind;

constexpr int64_t look_interval_ns = 250 * ns_per_ms;
constexpr unsigned silences_max = 3;
constexpr BackoffLimits pauses = {500 * ns_per_ms, 10 * ns_per_s};
constexpr size_t commands_max = 1000;

std::string shown(const Driver::PublishValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<uint32_t>(&value)) return std::to_string(*number);
  return std::to_string(std::get<int32_t>(value));
}

// At low rates a message holds one sample, and they are as far apart.
int64_t silence_allowed_ns(const InstrumentLimits& limits, const InstrumentSelection& selection) {
  return limits.silence_ns + (selection.rate_hz == 0 ? 0 : 2 * ns_per_s / selection.rate_hz);
}

}  // namespace

std::string open_problem(const Driver& driver, int32_t code) {
  switch (code) {
    case abi::rc_usb_access:
      return "no permission to open it: install the udev rule and let this user be in its group (docs/joulescope.md), then plug "
             "it in again";
    case abi::rc_usb_busy: return "another program holds it (another agent, the Joulescope UI): end that program";
    case abi::rc_usb_no_device:
    case abi::rc_not_found: return "it is gone from USB: look at cable and port";
    case abi::rc_timed_out:
      return "it does not answer: unplug it and plug it in again; if that does not help, try another cable, port or hub";
    default: return "it cannot be opened: " + driver.explain(code);
  }
}

std::string firmware_of(Driver& driver, const std::string& prefix) {
  uint32_t version = 0;
  if (!driver.query_u32(prefix + "/c/fw/version", version)) return "";
  return std::to_string(version >> 24) + "." + std::to_string((version >> 16) & 0xFF) + "." + std::to_string(version & 0xFFFF);
}

InstrumentSession::InstrumentSession(Clock& clock, Driver& driver, InstrumentStream& stream, const InstrumentModel& model,
                                     const InstrumentSelection& selection, const InstrumentLimits& limits, std::string prefix,
                                     std::function<void()> on_stuck)
    : clock_(clock),
      driver_(driver),
      stream_(stream),
      model_(model),
      selection_(selection),
      limits_(limits),
      prefix_(std::move(prefix)),
      streams_(streams_of(selection)),
      on_stuck_(std::move(on_stuck)),
      commands_(commands_max),
      random_(hash_text(prefix_) ^ static_cast<uint64_t>(clock.monotonic_ns())),
      thread_([this] { run(); }) {}

InstrumentSession::~InstrumentSession() {
  stop();
  thread_.join();
}

void InstrumentSession::tell(Command command) {
  if (!commands_.push(Command{command}) && command == Command::stop) commands_.close();  // full of plugging: stop all the same
}

bool InstrumentSession::wait_until(int64_t deadline_ns) {
  const auto command = commands_.pop_until(deadline_ns);
  if (!command) {
    stopping_ = stopping_ || commands_.closed();
    return stopping_;
  }
  if (*command == Command::stop) stopping_ = true;
  if (*command == Command::attach) attached_ = true;
  if (*command != Command::detach) return true;
  attached_ = opened_ = false;
  stream_.interrupt();
  stream_.say(Kind::lost, "it was unplugged");
  return true;
}

void InstrumentSession::run() {
  while (!stopping_) {
    if (!attached_) {
      wait_until(std::numeric_limits<int64_t>::max());
      failures_ = silences_ = 0;
      trouble_.clear();
      continue;
    }
    const Status begun = begin();
    if (begun) {
      watch();
      continue;
    }
    trouble(begun.error().message);
    close();
    // A wrong setting stays wrong, and opening may touch what hangs on the instrument: not before it is plugged in again.
    if (begun.error().code == Errc::usage) wait_until(std::numeric_limits<int64_t>::max());
    else pause();
  }
  if (opened_)
    for (const StreamTopic& stream : streams_)
      if (publish(stream.topic + "/ctrl", 0U) != abi::rc_ok) break;  // it does not answer any more
  close();
}

void InstrumentSession::pause() {
  wait_until(clock_.monotonic_ns() + pauses.base_ns / 2 + backoff_ns(pauses, ++failures_, random_));
}

int32_t InstrumentSession::publish(const std::string& topic, const Driver::PublishValue& value) {
  return driver_.publish(prefix_ + "/" + topic, value, limits_.call_timeout_ms);
}

void InstrumentSession::trouble(const std::string& text) {
  if (std::exchange(trouble_, text) != text) stream_.say(Kind::trouble, text);
}

Status InstrumentSession::begin() {
  JOULESPOOL_TRY(validate(model_, selection_), selection_.origin);
  if (Status status = open(); !status) return status;
  if (Status status = set_up(); !status) return status;
  return enable();
}

Status InstrumentSession::open() {
  const int32_t mode = selection_.power_safe ? abi::open_resume : abi::open_defaults;
  int32_t code = driver_.publish(prefix_ + "/@/!open", mode, limits_.open_timeout_ms);
  if (code == abi::rc_in_use) {  // open since before: a close that did not get through
    publish("@/!close", int32_t{0});
    code = driver_.publish(prefix_ + "/@/!open", mode, limits_.open_timeout_ms);
  }
  if (code != abi::rc_ok) return Error{Errc::unreachable, open_problem(driver_, code)};
  opened_ = true;
  firmware_ = firmware_of(driver_, prefix_);
  return {};
}

Status InstrumentSession::set_up() {
  for (const TopicValue& setting : setup_of(model_, selection_)) {
    const Driver::PublishValue value = std::visit([](const auto& given) { return Driver::PublishValue(given); }, setting.value);
    const int32_t code = publish(setting.topic, value);
    if (code != abi::rc_ok)
      return Error{Errc::usage, "it does not take " + setting.topic + " = " + shown(value) + ": " + driver_.explain(code) +
                                    "; look at the settings of " + selection_.origin};
  }
  return {};
}

Status InstrumentSession::enable() {
  stream_.begin(firmware_);
  const auto subscribe = [&](const std::string& topic, Driver::OnValue call) {
    return driver_.subscribe(prefix_ + "/" + topic, abi::subscribe_published,
                             std::move(call));  // not the retained value: it is old
  };
  if (!subscribed_) {  // once: subscriptions are by topic and outlast the instrument
    for (const auto& [signal, topic] : streams_) {
      const int32_t code = subscribe(
          topic + "/!data",
          [&stream = stream_, on = signal](std::string_view, const abi::Value& value) { stream.on_samples(on, value); });
      if (code != abi::rc_ok) return Error{Errc::unreachable, "its samples cannot be subscribed: " + driver_.explain(code)};
    }
    subscribe("s/stats/value", [&stream = stream_](std::string_view, const abi::Value& value) { stream.on_statistics(value); });
    subscribed_ = true;
  }
  for (const StreamTopic& stream : streams_)
    if (const int32_t code = publish(stream.topic + "/ctrl", 1U); code != abi::rc_ok)
      return Error{Errc::unreachable, "it does not begin to stream " + stream.topic + ": " + driver_.explain(code)};
  publish("s/stats/scnt", model_.statistics_samples);
  publish("s/stats/ctrl", 1U);
  return {};
}

// Until something is to be done about it: it is gone, silent, or sends what cannot be read.
void InstrumentSession::watch() {
  const int64_t begun_ns = clock_.monotonic_ns();
  while (true) {
    if (wait_until(clock_.monotonic_ns() + look_interval_ns) && (stopping_ || !attached_)) return;
    if (stream_.streams()) {
      failures_ = silences_ = 0;
      trouble_.clear();
    }
    if (const std::string refusal = stream_.refusal(); !refusal.empty()) {
      trouble(refusal);
      close();
      return pause();
    }
    const int64_t now_ns = clock_.monotonic_ns();
    const int64_t silent_ns = now_ns - stream_.last_block_ns();
    const bool may_be_silent = !stream_.streams() && now_ns - begun_ns < limits_.first_silence_ns;
    if (silent_ns > silence_allowed_ns(limits_, selection_) && !may_be_silent) return on_silence(silent_ns);
  }
}

void InstrumentSession::on_silence(int64_t silent_ns) {
  ++silences_;
  const std::string what = "no samples for " + std::to_string(silent_ns / ns_per_ms) + " ms though streaming is on";
  stream_.say(Kind::lost, what + ": it is closed and opened again (attempt " + std::to_string(silences_) + ")");
  close();
  if (silences_ > 1) pause();
  if (silences_ >= silences_max && !stopping_ && attached_) on_stuck_();
}

void InstrumentSession::close() {
  stream_.interrupt();
  if (std::exchange(opened_, false)) publish("@/!close", int32_t{0});
}

}  // namespace joulespool::device
