#include "agent/uplink/uplink.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>

#include "agent/base/bounded_queue.h"
#include "agent/wire/topics.h"

namespace joulespool::uplink {
namespace {

// What waits for the thread. Messages from the broker weigh their bytes and are refused beyond this: a lost ack or bridge
// state is sent again. Everything else weighs nothing and is never refused, because Published and Disconnected must not be
// lost; its number is bounded by itself: one Published for each of at most 20 publishes under way, one end for each
// connection, one Wake (see wake()).
constexpr size_t inputs_bytes_max = 4 * 1024 * 1024;
constexpr size_t input_overhead_bytes = 256;
constexpr size_t message_bytes_max = wire::ack_bytes_max;  // no message that we read is larger
static_assert(message_bytes_max + input_overhead_bytes < inputs_bytes_max);
// Inputs per turn, so that a flood of messages does not keep the thread from publishing.
constexpr size_t inputs_per_turn = 256;

constexpr int64_t turn_ns_max = 1 * ns_per_s;     // how old status() may be
constexpr int64_t spool_retry_ns = 1 * ns_per_s;  // after a failed read
constexpr int64_t stable_ns = 5 * ns_per_s;       // a connection that held so long resets the backoff
constexpr int64_t goodbye_ns = 1 * ns_per_s;      // for the broker to take the offline state
constexpr int disconnect_timeout_ms = 1000;
constexpr size_t event_bytes_max = 64 * 1024;

struct Wake {};
using Input = std::variant<mqtt::BusEvent, Wake>;

wire::Bytes to_bytes(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

std::string_view to_text(const wire::Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

mqtt::Message state_message(const std::string& host, const std::string& json) {
  return {wire::state_topic(host), to_bytes(json), true, {}};
}

class Uplink::Courier {
 public:
  Courier(UplinkSettings settings, Clock& clock, BusFactory make_bus, std::unique_ptr<spool::SpoolReader> spool,
          UplinkCallbacks callbacks)
      : settings_(std::move(settings)),
        clock_(clock),
        make_bus_(std::move(make_bus)),
        spool_(std::move(spool)),
        callbacks_(std::move(callbacks)),
        drain_(settings_.drain, wire::part_of(settings_.host)),
        backoff_(settings_.backoff, settings_.backoff_seed),
        ack_topic_(wire::ack_topic(settings_.host)) {}

  Status start() {
    auto bus = make_bus_([this](mqtt::BusEvent event) { enqueue(std::move(event)); });
    if (!bus) return bus.error().in("uplink");
    bus_ = std::move(*bus);
    thread_ = std::thread([this] { work(); });
    return {};
  }
  void stop() {
    stop_wanted_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
    bus_.reset();
  }
  void frames_committed() {
    spool_changed_ = true;
    wake();
  }
  void request_state() {
    state_wanted_ = true;
    wake();
  }
  bool publish_event(std::string json) {
    const bool fits = json.size() <= event_bytes_max && events_.push(std::move(json));
    if (fits) wake();
    if (!fits) ++events_dropped_;
    return fits;
  }
  UplinkStatus status() const {
    const std::lock_guard lock(status_mutex_);
    UplinkStatus copy = status_;
    copy.events_dropped = events_dropped_;
    copy.inputs_dropped = inputs_dropped_;
    return copy;
  }
  std::map<wire::FrameSequence, uint64_t> published() const {
    const std::lock_guard lock(published_mutex_);
    return published_;
  }

 private:
  // --- called on other threads ---

  void enqueue(mqtt::BusEvent event) {
    size_t weight = 0;
    if (const auto* received = std::get_if<mqtt::Received>(&event)) {
      weight = received->message.payload.size() + input_overhead_bytes;
      if (received->message.payload.size() > message_bytes_max) {
        ++inputs_dropped_;
        return;
      }
    }
    if (!inputs_.push(std::move(event), weight)) ++inputs_dropped_;
  }
  void wake() {
    if (!wake_waiting_.exchange(true) && !inputs_.push(Wake{}, 0)) ++inputs_dropped_;
  }

  // --- the thread ---

  void work() {
    connect_at_ns_ = clock_.monotonic_ns();
    while (!stop_wanted_) {
      now_ns_ = clock_.monotonic_ns();
      look_at_spool();
      drain_.tick(now_ns_);
      connect_if_due();
      leave_silent_broker();
      publish_state_if_due();
      publish_events();
      publish_frames();
      tell_writer();
      update_status();
      take_inputs(std::min(now_ns_ + turn_ns_max, deadline_ns()));
    }
    say_goodbye();
    tell_writer();
    update_status();
  }

  [[nodiscard]] int64_t deadline_ns() const {
    int64_t deadline = drain_.deadline_ns().value_or(INT64_MAX);
    if (!connected_ && !connecting_) deadline = std::min(deadline, connect_at_ns_);
    if (connected_ && settings_.publishes_state && !state_is_due_) deadline = std::min(deadline, state_at_ns_);
    return deadline;
  }

  void take_inputs(int64_t until_ns) {
    auto input = inputs_.pop_until(until_ns);
    for (size_t taken = 0; input && taken < inputs_per_turn; ++taken, input = inputs_.try_pop()) {
      now_ns_ = clock_.monotonic_ns();
      if (auto* event = std::get_if<mqtt::BusEvent>(&*input)) std::visit([this](auto& what) { happened(what); }, *event);
      else wake_waiting_ = false;
      if (taken + 1 == inputs_per_turn) break;  // what waits is taken in the next turn
    }
  }

  void happened(const mqtt::Connected& connected) {
    connecting_ = false;
    connected_ = true;
    connected_at_ns_ = now_ns_;
    state_is_due_ = true;
    drain_.connected(connected.receive_maximum);
    count(&UplinkStatus::connects);
    for (const std::string& filter : {ack_topic_, std::string(wire::bridge_state_filter)})
      if (auto asked = bus_->subscribe(filter); !asked) leave("subscribe " + filter + ": " + asked.error().message);
  }
  void happened(const mqtt::ConnectFailed& failed) {
    if (!connecting_) return;
    count(&UplinkStatus::connects_failed);
    over(failed.reason);
  }
  void happened(const mqtt::Disconnected& disconnected) {
    if (!connected_) return;  // we had left before we took this from the queue
    count(&UplinkStatus::disconnects);
    over(disconnected.reason);
  }
  void happened(const mqtt::SubscribeFailed& failed) { leave("subscribe " + failed.filter + ": " + failed.reason); }
  void happened(const mqtt::Published& published) {
    if (!published.result) set_error(published.result.error().message);
    if (published.token == goodbye_token_) goodbye_is_said_ = true;
    drain_.published(published.token, published.result.ok(), now_ns_);
  }
  void happened(const mqtt::Received& received) {
    const mqtt::Message& message = received.message;
    if (message.topic == ack_topic_) take_ack(message.payload);
    else if (const auto bridge = wire::parse_bridge_state_topic(message.topic); bridge && connected_)
      take_bridge_state(std::string(*bridge), message.payload);
  }

  void take_ack(const wire::Bytes& payload) {
    const auto entries = wire::read_ack(payload);
    if (entries) drain_.acked(*entries, now_ns_);
    else count(&UplinkStatus::acks_damaged);
  }
  void take_bridge_state(const std::string& bridge, const wire::Bytes& payload) {
    if (payload.empty()) {
      drain_.bridge_removed(bridge);
      return;
    }
    const auto state = wire::read_bridge_state(to_text(payload));
    if (state) drain_.bridge_said(bridge, *state);
    else count(&UplinkStatus::bridge_states_damaged);
  }

  // --- the connection ---

  void connect_if_due() {
    if (connected_ || connecting_ || now_ns_ < connect_at_ns_) return;
    connecting_ = true;
    if (auto begun = bus_->connect(); !begun) {
      count(&UplinkStatus::connects_failed);
      over(begun.error().message);
    }
  }
  void over(const std::string& reason) {
    if (connected_ && now_ns_ - connected_at_ns_ >= stable_ns) backoff_.reset();
    connected_ = connecting_ = false;
    drain_.disconnected();
    connect_at_ns_ = now_ns_ + backoff_.next_ns();
    set_error(reason);
  }
  // Ends a connection that is of no use.
  void leave(const std::string& reason) {
    if (!connected_) return;
    bus_->disconnect(0);
    count(&UplinkStatus::disconnects);
    over(reason);
  }
  void leave_silent_broker() {
    const auto oldest = drain_.oldest_publish_ns();
    if (oldest && now_ns_ - *oldest > settings_.publish_timeout_ns) leave("the broker does not answer publishes");
  }

  // --- messages that are no frames ---

  // With a token of drain_.control_token().
  void publish_control(uint64_t token, const mqtt::Message& message) {
    if (auto given = bus_->publish(token, message); !given) not_given(token, given.error());
  }
  void not_given(uint64_t token, const Error& error) {
    set_error(error.message);
    drain_.published(token, false, now_ns_);
  }
  void publish_state_if_due() {
    if (!settings_.publishes_state) return;
    state_is_due_ = state_wanted_.exchange(false) || state_is_due_ || now_ns_ >= state_at_ns_;
    if (!connected_ || !state_is_due_) return;
    const auto token = drain_.control_token(now_ns_);
    if (!token) return;
    publish_control(*token, state_message(settings_.host, callbacks_.state_json()));
    state_is_due_ = false;
    state_at_ns_ = now_ns_ + settings_.state_interval_ns;
  }
  void publish_events() {
    while (connected_ && events_.weight() > 0) {
      const auto token = drain_.control_token(now_ns_);
      if (!token) return;
      publish_control(*token, {wire::event_topic(settings_.host), to_bytes(*events_.try_pop()), false, {}});
    }
  }
  void say_goodbye() {
    const int64_t deadline_ns = clock_.monotonic_ns() + goodbye_ns;
    std::optional<uint64_t> token;
    for (; connected_ && settings_.publishes_state && !goodbye_is_said_ && now_ns_ < deadline_ns;
         now_ns_ = clock_.monotonic_ns()) {
      if (!token && (token = drain_.control_token(now_ns_))) {
        goodbye_token_ = *token;
        publish_control(*token, state_message(settings_.host, callbacks_.offline_state_json()));
      }
      take_inputs(deadline_ns);
    }
    if (connected_ || connecting_) bus_->disconnect(connected_ ? disconnect_timeout_ms : 0);
    connected_ = connecting_ = false;
    drain_.disconnected();
  }

  // --- frames ---

  void look_at_spool() {
    if (!spool_changed_.exchange(false) && now_ns_ < spool_again_at_ns_) return;
    const auto usage = spool_->usage();
    if (!usage) {
      spool_failed(usage.error());
      return;
    }
    spool_again_at_ns_ = INT64_MAX;
    drain_.spool_holds(usage->lanes, spool_->epoch());
    forget_published(usage->lanes);
    oldest_waiting_utc_ns_.reset();
    for (const spool::LaneUsage& lane : usage->lanes)
      if (lane.queued_frames > 0 && (!oldest_waiting_utc_ns_ || lane.oldest_queued_utc_ns < *oldest_waiting_utc_ns_))
        oldest_waiting_utc_ns_ = lane.oldest_queued_utc_ns;
  }
  void spool_failed(const Error& error) {
    spool_again_at_ns_ = now_ns_ + spool_retry_ns;
    set_error(error.in("spool").message);
  }

  void publish_frames() {
    while (connected_ && spool_again_at_ns_ == INT64_MAX) {
      const auto request = drain_.next(now_ns_);
      if (!request) return;
      auto frames =
          spool_->read(request->sequence, request->after_seq, spool::FrameState::queued, request->frames_max, request->bytes_max);
      if (!frames) {
        spool_failed(frames.error());
        return;
      }
      if (frames->empty()) drain_.nothing_there(*request);
      for (spool::StoredFrame& frame : *frames)
        if (!publish_frame(frame)) break;
    }
  }
  // False: the rest of the frames has to wait.
  bool publish_frame(spool::StoredFrame& frame) {
    const wire::FrameId& id = frame.info.id;
    if (!frame.intact) {
      if (!drain_.damaged(id)) return true;
      count(&UplinkStatus::frames_damaged);
      callbacks_.on_damaged(id);
      return true;
    }
    const Offer offer = drain_.offer(id, frame.bytes.size(), now_ns_);
    if (offer.verdict != Offer::Verdict::publish) return offer.verdict == Offer::Verdict::skip;
    note_published(id);
    const auto given = bus_->publish(offer.token, {wire::data_topic(settings_.host, id.sequence.lane),
                                                   std::move(frame.bytes),
                                                   false,
                                                   {{std::string(wire::previous_property), std::to_string(offer.previous)}}});
    if (!given) not_given(offer.token, given.error());
    return given.ok();
  }
  // Before the bus has it: what published() does not tell, was not published.
  void note_published(const wire::FrameId& id) {
    const std::lock_guard lock(published_mutex_);
    uint64_t& highest = published_[id.sequence];
    highest = std::max(highest, id.seq);
  }
  void forget_published(const std::vector<spool::LaneUsage>& held) {
    const auto is_held = [&](const wire::FrameSequence& sequence) {
      return std::any_of(held.begin(), held.end(), [&](const spool::LaneUsage& lane) { return lane.sequence == sequence; });
    };
    const std::lock_guard lock(published_mutex_);
    std::erase_if(published_, [&](const auto& entry) { return !is_held(entry.first); });
  }
  void tell_writer() {
    if (auto stored = drain_.take_stored(); !stored.empty()) callbacks_.on_stored(std::move(stored));
    for (const auto& [id, reason] : drain_.take_rejected()) callbacks_.on_rejected(id, reason);
  }

  // --- status ---

  void count(uint64_t UplinkStatus::*counter) {
    const std::lock_guard lock(status_mutex_);
    ++(status_.*counter);
  }
  void set_error(const std::string& text) {
    const std::lock_guard lock(status_mutex_);
    status_.last_error = text;
  }
  void update_status() {
    const std::lock_guard lock(status_mutex_);
    status_.connected = connected_;
    status_.bridge_online = drain_.far_end().online();
    status_.bridge_accepting = drain_.far_end().ready();
    status_.bridge_reason = connected_ ? drain_.far_end().reason() : "not connected";
    status_.backoff_attempts = connected_ ? 0 : backoff_.attempts();
    status_.retry_in_ns.reset();
    if (!connected_ && !connecting_) status_.retry_in_ns = std::max<int64_t>(0, connect_at_ns_ - now_ns_);
    status_.counts = drain_.counts();
    status_.frames_unacked = drain_.frames_unacked();
    status_.bytes_unacked = drain_.bytes_unacked();
    status_.oldest_waiting_age_ns.reset();
    if (oldest_waiting_utc_ns_) status_.oldest_waiting_age_ns = clock_.realtime_ns() - *oldest_waiting_utc_ns_;
  }

  const UplinkSettings settings_;
  Clock& clock_;
  const BusFactory make_bus_;
  const std::unique_ptr<spool::SpoolReader> spool_;
  const UplinkCallbacks callbacks_;

  BoundedQueue<Input> inputs_{inputs_bytes_max};
  BoundedQueue<std::string> events_{events_waiting_max};
  std::atomic<bool> stop_wanted_ = false, wake_waiting_ = false, state_wanted_ = false;
  std::atomic<bool> spool_changed_ = true;
  std::atomic<uint64_t> inputs_dropped_ = 0, events_dropped_ = 0;
  mutable std::mutex status_mutex_;
  UplinkStatus status_;
  mutable std::mutex published_mutex_;
  std::map<wire::FrameSequence, uint64_t> published_;

  // The thread's own.
  Drain drain_;
  Backoff backoff_;
  const std::string ack_topic_;
  std::unique_ptr<mqtt::MessageBus> bus_;
  int64_t now_ns_ = 0;
  bool connected_ = false, connecting_ = false;
  int64_t connect_at_ns_ = 0, connected_at_ns_ = 0;
  bool state_is_due_ = false;
  int64_t state_at_ns_ = 0;
  int64_t spool_again_at_ns_ = INT64_MAX;  // when to try the spool again; INT64_MAX: it works
  std::optional<int64_t> oldest_waiting_utc_ns_;
  uint64_t goodbye_token_ = 0;
  bool goodbye_is_said_ = false;
  std::thread thread_;
};

Uplink::Uplink(UplinkSettings settings, Clock& clock, BusFactory make_bus, std::unique_ptr<spool::SpoolReader> spool,
               UplinkCallbacks callbacks)
    : courier_(
          std::make_unique<Courier>(std::move(settings), clock, std::move(make_bus), std::move(spool), std::move(callbacks))) {}
Uplink::~Uplink() { stop(); }

Status Uplink::start() { return courier_->start(); }
void Uplink::stop() { courier_->stop(); }
void Uplink::frames_committed() { courier_->frames_committed(); }
void Uplink::request_state() { courier_->request_state(); }
bool Uplink::publish_event(std::string json) { return courier_->publish_event(std::move(json)); }
UplinkStatus Uplink::status() const { return courier_->status(); }
std::map<wire::FrameSequence, uint64_t> Uplink::published() const { return courier_->published(); }

}  // namespace joulespool::uplink
