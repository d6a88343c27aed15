#include "agent/device/joulescope_source.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "agent/base/bounded_queue.h"
#include "agent/device/joulescope_prefix.h"
#include "agent/device/joulescope_session.h"

namespace joulespool::device {
namespace {

using Kind = SourceEvent::Kind;

constexpr size_t commands_max = 1000;
constexpr unsigned restart_pauses_max = 10;       // times InstrumentLimits::restart_pause_ns
constexpr int64_t start_pause_ns = 2 * ns_per_s;  // between two attempts to start it again
constexpr unsigned log_notes_max = 100;           // lines of the driver's log that are handed on, in all
constexpr int log_level_error = 3;

// Packets that the driver's log says were skipped: "pkt_index skip: expected 10, received 15"; mod 2^16.
std::optional<uint64_t> skipped_packets(std::string_view line) {
  unsigned long long expected = 0, received = 0;
  const size_t at = line.find("pkt_index skip: expected ");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string text(line.substr(at));
  if (std::sscanf(text.c_str(), "pkt_index skip: expected %llu, received %llu", &expected, &received) != 2) return std::nullopt;
  return (received - expected) & 0xFFFF;
}

wire::DeviceIdentity named_by(const std::string& pattern) {
  const size_t dash = pattern.find('-');
  return wire::device_identity(pattern.substr(0, dash), dash == std::string::npos ? "" : pattern.substr(dash + 1));
}

}  // namespace

struct JoulescopeSource::State {
  State(Clock& given_clock, JoulescopeSettings given, const InstrumentLimits& given_limits)
      : clock(given_clock), settings(std::move(given)), limits(given_limits) {}

  struct Command {
    enum class Kind { add, remove, restart, stop } kind = Kind::stop;
    std::string text;  // prefix
  };

  Status begin(SampleSink& to, const ResumePoints& points);
  void end();
  Status start_driver();
  void supervise();
  void add(const std::string& prefix);
  void remove(const std::string& prefix);
  void restart_driver();
  void tell_absent();
  void tell(Kind kind, const wire::DeviceIdentity& identity, const std::string& text);
  InstrumentStream& stream_of(const wire::DeviceIdentity& identity, const InstrumentModel& model,
                              const InstrumentSelection& selection);
  void on_log(int level, std::string_view line);
  void end_sessions();

  Clock& clock;
  const JoulescopeSettings settings;
  const InstrumentLimits limits;
  SampleSink* sink = nullptr;
  ResumePoints resume;
  std::mutex mutex;  // guards known and streams (the map, not what is in it)
  std::map<std::string, wire::DeviceIdentity> known;
  std::map<std::string, std::unique_ptr<InstrumentStream>> streams;  // outlive driver and sessions
  std::unique_ptr<Driver> driver;
  std::map<std::string, std::unique_ptr<InstrumentSession>> sessions;  // by prefix; the supervisor's own
  std::unique_ptr<BoundedQueue<Command>> commands;
  int64_t restarted_ns = 0;
  unsigned restarts = 0;
  std::atomic<unsigned> log_notes{0};
  std::jthread supervisor;
};

Status JoulescopeSource::State::begin(SampleSink& to, const ResumePoints& points) {
  if (supervisor.joinable()) return Error{Errc::usage, "the instruments are read already"};
  for (const InstrumentSelection& selection : settings.selections)
    if (const Status status = validate(selection); !status) return status.error().in(selection.origin);
  sink = &to;
  resume = points;
  {
    const std::lock_guard lock(mutex);
    streams.clear();
    known.clear();
  }
  commands = std::make_unique<BoundedQueue<Command>>(commands_max);
  if (Status status = start_driver(); !status) return status;
  tell_absent();
  supervisor = std::jthread([this] { supervise(); });
  return {};
}

void JoulescopeSource::State::end() {
  if (!supervisor.joinable()) return;
  commands->close();
  supervisor.join();
  end_sessions();
  driver.reset();
}

void JoulescopeSource::State::end_sessions() {
  for (const auto& [prefix, session] : sessions) session->stop();  // all at once
  sessions.clear();
}

Status JoulescopeSource::State::start_driver() {
  auto started = Driver::start(settings.library, [this](int level, std::string_view line) { on_log(level, line); });
  if (!started) return started.error();
  driver = std::move(*started);
  const auto follow = [this](const std::string& topic, uint8_t flags, Command::Kind kind) {
    return driver->subscribe(topic, flags, [this, kind](std::string_view, const abi::Value& value) {
      if (value.type == abi::ValueType::text && value.text != nullptr) static_cast<void>(commands->push({kind, value.text}));
    });
  };
  int32_t code = follow("@/!remove", abi::subscribe_published, Command::Kind::remove);
  if (code == abi::rc_ok) code = follow("@/!add", abi::subscribe_published | abi::subscribe_retained, Command::Kind::add);
  if (code == abi::rc_ok) return {};
  driver.reset();
  return Error{Errc::unreachable, "the Joulescope driver does not tell which instruments there are"};
}

void JoulescopeSource::State::tell(Kind kind, const wire::DeviceIdentity& identity, const std::string& text) {
  SourceEvent event;
  event.kind = kind;
  event.identity = identity;
  event.text = text;
  sink->on_event(identity.id, event);
}

// Instruments that were asked for by name, and are not there.
void JoulescopeSource::State::tell_absent() {
  std::string present;
  std::vector<std::string> ids;
  for (const InstrumentPrefix& found : instruments_of(driver->query_text("@/list"))) {
    ids.push_back(found.identity.id);
    present += (present.empty() ? "" : ", ") + found.identity.id;
  }
  for (const InstrumentSelection& selection : settings.selections)
    for (const std::string& pattern : selection.devices)
      if (pattern.find('*') == std::string::npos && std::find(ids.begin(), ids.end(), pattern) == ids.end())
        tell(Kind::trouble, named_by(pattern), "it is not connected; connected: " + (present.empty() ? "nothing" : present));
}

void JoulescopeSource::State::supervise() {
  while (auto command = commands->pop_until(std::numeric_limits<int64_t>::max())) {
    switch (command->kind) {
      case Command::Kind::add: add(command->text); break;
      case Command::Kind::remove: remove(command->text); break;
      case Command::Kind::restart: restart_driver(); break;
      case Command::Kind::stop: return;
    }
    if (commands->closed()) return;
  }
}

InstrumentStream& JoulescopeSource::State::stream_of(const wire::DeviceIdentity& identity, const InstrumentModel& model,
                                                     const InstrumentSelection& selection) {
  const std::lock_guard lock(mutex);
  auto& stream = streams[identity.id];
  if (stream) return *stream;
  stream = std::make_unique<InstrumentStream>(clock, *sink, identity, model, selection);
  if (const auto point = resume.find(identity.id); point != resume.end()) stream->resume(point->second);
  return *stream;
}

void JoulescopeSource::State::add(const std::string& prefix) {
  const auto identity = identity_of(prefix);
  if (!identity) return;
  {
    const std::lock_guard lock(mutex);
    known[identity->id] = *identity;
  }
  if (settings.selections.empty()) return tell(Kind::attached, *identity, "");
  const InstrumentSelection* selection = find_selection(settings, identity->id);
  if (selection == nullptr) return;
  const InstrumentModel* model = find_model(identity->model);
  if (model == nullptr) return tell(Kind::trouble, *identity, "this program does not know the model " + identity->model);
  InstrumentStream& stream = stream_of(*identity, *model, *selection);
  stream.say(Kind::attached, "");
  if (model->counts_packets && !driver->has_log())
    stream.say(Kind::note, "this driver has no log: packets that a js110 loses on USB will not be noticed");
  if (const auto session = sessions.find(prefix); session != sessions.end()) return session->second->attached();
  const auto on_stuck = [this] { static_cast<void>(commands->push({Command::Kind::restart, ""})); };
  sessions[prefix] = std::make_unique<InstrumentSession>(clock, *driver, stream, *model, *selection, limits, prefix, on_stuck);
}

void JoulescopeSource::State::remove(const std::string& prefix) {
  const auto identity = identity_of(prefix);
  if (!identity) return;
  {
    const std::lock_guard lock(mutex);
    known.erase(identity->id);
  }
  if (settings.selections.empty()) return tell(Kind::lost, *identity, "it was unplugged");
  if (const auto session = sessions.find(prefix); session != sessions.end()) session->second->detached();
}

// A silent instrument that opening does not wake is a reason only while none does well: their samples are worth more.
void JoulescopeSource::State::restart_driver() {
  const int64_t pause_ns = limits.restart_pause_ns * std::min(restarts, restart_pauses_max);
  if (restarts > 0 && clock.monotonic_ns() - restarted_ns < pause_ns) return;
  const auto all = [this](const auto& act) {
    const std::lock_guard lock(mutex);
    for (const auto& [id, stream] : streams) act(*stream);
  };
  bool one_streams = false;
  all([&](InstrumentStream& stream) { one_streams = one_streams || stream.streams(); });
  if (one_streams) return;
  ++restarts;
  all([&](InstrumentStream& stream) { stream.say(Kind::note, "opening it again does not help: the driver is started again"); });
  end_sessions();
  driver.reset();
  while (!commands->closed()) {
    restarted_ns = clock.monotonic_ns();
    const Status started = start_driver();
    if (started) return;
    all([&](InstrumentStream& stream) { stream.say(Kind::trouble, started.error().message); });
    const int64_t again_ns = clock.monotonic_ns() + start_pause_ns;
    while (!commands->closed() && clock.monotonic_ns() < again_ns) static_cast<void>(commands->pop_until(again_ns));
  }
}

void JoulescopeSource::State::on_log(int level, std::string_view line) {
  const auto packets = skipped_packets(line);
  const bool worth_telling = level <= log_level_error && log_notes < log_notes_max;
  if (!packets && !worth_telling) return;
  const std::lock_guard lock(mutex);
  std::vector<InstrumentStream*> counting;
  for (const auto& [id, stream] : streams)
    if (find_model(stream->identity().model)->counts_packets && stream->streams()) counting.push_back(stream.get());
  if (packets && counting.size() == 1) return counting.front()->on_packets_lost(*packets);
  if (packets)  // the line does not say whose; one process per instrument keeps that from happening
    for (InstrumentStream* stream : counting)
      stream->say(Kind::note,
                  std::to_string(*packets) + " USB packets were lost by this js110 or another one of the same process");
  if (packets || !worth_telling) return;
  ++log_notes;
  for (const auto& [id, stream] : streams) stream->say(Kind::note, "the driver says: " + std::string(line));
}

JoulescopeSource::JoulescopeSource(Clock& clock, JoulescopeSettings settings, const InstrumentLimits& limits)
    : state_(std::make_unique<State>(clock, std::move(settings), limits)) {}

JoulescopeSource::~JoulescopeSource() { stop(); }

std::vector<wire::DeviceIdentity> JoulescopeSource::devices() const {
  const std::lock_guard lock(state_->mutex);
  std::map<std::string, wire::DeviceIdentity> all = state_->known;
  for (const auto& [id, stream] : state_->streams) all.emplace(id, stream->identity());
  std::vector<wire::DeviceIdentity> identities;
  for (auto& [id, identity] : all) identities.push_back(std::move(identity));
  return identities;
}

Status JoulescopeSource::start(SampleSink& sink, const ResumePoints& resume) { return state_->begin(sink, resume); }

void JoulescopeSource::stop() { state_->end(); }

}  // namespace joulespool::device
