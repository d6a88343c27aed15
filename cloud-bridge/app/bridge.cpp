#include "cloud-bridge/app/bridge.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cinttypes>
#include <cstdio>
#include <limits>

#include "agent/base/log.h"
#include "agent/base/version.h"

namespace joulespool::bridge {
namespace {

// How many inputs are handled before acks and state are looked at: enough to make one ack of many, few enough to stay prompt.
constexpr int inputs_per_turn_max = 64;
// What a message costs in the inbox beside its bytes.
constexpr size_t message_overhead_bytes = 512;
// Until a publish that the bus refused at once is tried again. (64 subscriptions may fill it for a moment.)
constexpr int64_t publish_retry_ns = 50 * ns_per_ms;
// Until a state that the broker refused (its access rules, mostly) is tried again.
constexpr int64_t refused_retry_ns = 5 * ns_per_s;

std::string hex(uint64_t value) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, value);
  return text.data();
}

std::vector<std::string> filters_of(const ingest::PartSet& parts) {
  std::vector<std::string> filters;
  for (unsigned part = 0; part < wire::part_count; ++part)
    if (parts.test(part)) filters.push_back(wire::data_topic_filter(part));
  return filters;
}

std::vector<std::pair<unsigned, unsigned>> ranges_of(const ingest::PartSet& parts) {
  std::vector<std::pair<unsigned, unsigned>> ranges;
  for (unsigned part = 0; part < wire::part_count; ++part) {
    if (!parts.test(part)) continue;
    if (!ranges.empty() && ranges.back().second + 1 == part) ranges.back().second = part;
    else ranges.emplace_back(part, part);
  }
  return ranges;
}

size_t weight_of(const mqtt::BusEvent& event) {
  const auto* received = std::get_if<mqtt::Received>(&event);
  if (received == nullptr) return 0;
  return received->message.payload.size() + received->message.topic.size() + message_overhead_bytes;
}

}  // namespace

Bridge::Bridge(BridgeSetup setup, BusFactory make_bus, SinkFactory make_sink, Clock& clock, uint64_t seed)
    : setup_(std::move(setup)),
      make_bus_(std::move(make_bus)),
      make_sink_(std::move(make_sink)),
      clock_(clock),
      seed_(seed),
      instance_(hex(seed)),
      inbox_(setup_.inbox_bytes),
      pipeline_(setup_.pipeline, seed) {}

Status Bridge::open() {
  if (const Status opened = pipeline_.open(); !opened)
    log_event(LogLevel::warning, "dead_letters_unavailable", {{"error", opened.error().message}});
  std::vector<std::unique_ptr<sink::RecordSink>> sinks;
  for (size_t at = 0; at < setup_.workers; ++at) {
    auto made = make_sink_();
    if (!made) return made.error();
    sinks.push_back(std::move(*made));
  }
  // Weight 0 always fits: only messages have weight, and none heavier than the whole inbox gets in.
  workers_ = std::make_unique<PutWorkers>(std::move(sinks), [this](PutResult&& result) {
    [[maybe_unused]] const bool pushed = inbox_.push(std::move(result), 0);
    assert(pushed);
  });
  mqtt::BusOptions options = setup_.bus;
  options.has_will = true;
  options.will = make_state_message(make_state(false, "connection lost"));
  auto bus = make_bus_(options, [this](mqtt::BusEvent event) { on_bus_event(std::move(event)); });
  if (!bus) return bus.error();
  link_ = std::make_unique<BrokerLink>(std::move(*bus), filters_of(setup_.pipeline.parts), setup_.timing.link, seed_ + 1);
  return {};
}

void Bridge::on_bus_event(mqtt::BusEvent&& event) {
  const size_t weight = weight_of(event);
  if (weight > inbox_.weight_max() || !inbox_.push(std::move(event), weight)) ++refused_by_inbox_;
}

Status Bridge::run(const std::stop_token& stop) {
  JOULESPOOL_TRY(open(), "bridge");
  next_log_ns_ = now() + setup_.timing.log_interval_ns;
  log_event(LogLevel::info, "bridge_started", {{"id", setup_.id}, {"instance", instance_}, {"version", version()}});
  const std::stop_callback wake(stop, [this] { (void)inbox_.push(Wake{}, 0); });
  loop(stop);
  say_goodbye();
  workers_.reset();
  link_.reset();
  update_stats();
  return {};
}

void Bridge::loop(const std::stop_token& stop) {
  do {
    auto input = inbox_.pop_until(next_due_ns());
    for (int count = 0; input; input = ++count < inputs_per_turn_max ? inbox_.try_pop() : std::nullopt) handle(std::move(*input));
    if (stop.stop_requested() && !stop_at_ns_) {
      stop_at_ns_ = now() + setup_.timing.drain_ns;
      log_event(LogLevel::info, "bridge_stopping", {{"held_records", pipeline_.batcher().held_records()}});
    }
    link_->turn(now());
    start_requests();
    update_acceptance();
    publish_state();
    publish_acks();
    update_stats();
  } while (!stop_at_ns_ || (!drained() && now() < *stop_at_ns_));
}

// Everything that was accepted is acknowledged, or cannot be now.
bool Bridge::drained() const {
  const batch::Batcher& batcher = pipeline_.batcher();
  const bool hopeless = batcher.endpoint_failures() > 0 && batcher.requests_in_flight() == 0;
  if (batcher.held_records() > 0 && !hopeless) return false;
  if (!link_->connected()) return true;
  return pipeline_.acks().empty() && link_->in_flight() == 0;
}

void Bridge::say_goodbye() {
  if (link_->connected()) {
    state_token_ = link_->publish(make_state_message(make_state(false, "stopped")));
    const int64_t deadline_ns = now() + setup_.timing.disconnect_timeout_ms * ns_per_ms;
    while (state_token_ != 0 && now() < deadline_ns)
      if (auto input = inbox_.pop_until(deadline_ns)) handle(std::move(*input));
  }
  link_->close(setup_.timing.disconnect_timeout_ms);
  log_event(LogLevel::info, "bridge_stopped",
            {{"frames_stored", stats_.frames_stored}, {"frames_given_up", pipeline_.batcher().held_records()}});
}

void Bridge::handle(Input&& input) {
  if (auto* event = std::get_if<mqtt::BusEvent>(&input)) handle_bus(std::move(*event));
  if (auto* result = std::get_if<PutResult>(&input)) handle_put(std::move(*result));
}

void Bridge::handle_bus(mqtt::BusEvent&& event) {
  if (auto* received = std::get_if<mqtt::Received>(&event)) return handle_message(std::move(received->message));
  if (const auto* published = std::get_if<mqtt::Published>(&event)) return handle_published(*published);
  if (const auto* failed = std::get_if<mqtt::ConnectFailed>(&event)) {
    log_event(LogLevel::warning, "broker_unreachable", {{"uri", setup_.bus.uri}, {"reason", failed->reason}});
    return link_->on_connect_failed(now());
  }
  if (const auto* failed = std::get_if<mqtt::SubscribeFailed>(&event)) {
    if (log_pacer_.due("subscribe", now()))
      log_event(LogLevel::error, "subscription_refused", {{"filter", failed->filter}, {"reason", failed->reason}});
    return link_->on_subscribe_failed(*failed, now());
  }
  forget_published_state();
  if (const auto* lost = std::get_if<mqtt::Disconnected>(&event)) {
    log_event(LogLevel::warning, "broker_lost", {{"uri", setup_.bus.uri}, {"reason", lost->reason}});
    link_->on_disconnected(now());
  } else if (const auto* connected = std::get_if<mqtt::Connected>(&event)) {
    link_->on_connected(*connected, now());
    log_event(LogLevel::info, "broker_connected", {{"uri", setup_.bus.uri}, {"connection", link_->connections()}});
    if (!link_->defect().empty()) log_event(LogLevel::error, "subscription_refused", {{"reason", link_->defect()}});
  }
}

void Bridge::forget_published_state() {
  confirmed_ = false;
  state_token_ = 0;
  published_key_.clear();
  next_state_ns_ = 0;
  state_retry_ns_ = 0;
}

void Bridge::handle_message(mqtt::Message&& message) {
  if (stop_at_ns_) {
    ++counters_.refused_stopping;
    return;
  }
  const int64_t at_ns = now();
  const Intake intake = pipeline_.take(std::move(message), {at_ns, clock_.realtime_ns()});
  if (intake.kind == Intake::Kind::rejected) {
    if (const auto count = log_pacer_.due(intake.reason, at_ns))
      log_event(LogLevel::warning, "frame_rejected", {{"reason", intake.reason}, {"detail", intake.detail}, {"count", *count}});
  } else if (intake.kind == Intake::Kind::refused_full) {
    if (const auto count = log_pacer_.due("full", at_ns))
      log_event(LogLevel::warning, "frame_refused", {{"reason", "memory full"}, {"count", *count}});
  }
}

void Bridge::handle_put(PutResult&& result) {
  const bool failed = !result.outcomes.ok();
  pipeline_.finish(std::move(result.request), result.outcomes, now());
  if (!failed) return;
  const Error& error = result.outcomes.error();
  if (const auto count = log_pacer_.due("put", now()))
    log_event(error.code == Errc::unreachable ? LogLevel::warning : LogLevel::error, "request_failed",
              {{"error", error.message}, {"count", *count}});
}

void Bridge::handle_published(const mqtt::Published& published) {
  if (!link_->on_published(published)) return;
  const bool is_state = published.token == state_token_;
  if (is_state) {
    state_token_ = 0;
    confirmed_ = confirmed_ || published.result.ok();
  }
  if (published.result) return;
  if (is_state) next_state_ns_ = state_retry_ns_ = now() + refused_retry_ns;
  else ++counters_.acks_lost;
  if (const auto count = log_pacer_.due("publish", now()))
    log_event(LogLevel::error, "publish_refused",
              {{"what", is_state ? "state" : "ack"}, {"reason", published.result.error().message}, {"count", *count}});
}

void Bridge::start_requests() {
  while (pipeline_.batcher().requests_in_flight() < workers_->size()) {
    auto request = pipeline_.next_request(now());
    if (!request) return;
    workers_->start(std::move(*request));
  }
}

void Bridge::update_acceptance() {
  const batch::Batcher& batcher = pipeline_.batcher();
  const bool before = acceptance_.accepting();
  acceptance_.update({batcher.held_bytes(), setup_.pipeline.batch.held_bytes, batcher.endpoint_failures(), pipeline_.last_error(),
                      stop_at_ns_.has_value()});
  if (acceptance_.accepting() == before || stop_at_ns_) return;
  if (acceptance_.accepting()) log_event(LogLevel::info, "accepting_resumed");
  else log_event(LogLevel::warning, "accepting_paused", {{"reason", acceptance_.reason()}});
}

// Why agents must not send now; empty: they may.
std::string Bridge::refusal() const {
  if (!link_ || !link_->connected()) return "not connected";
  if (!link_->defect().empty()) return link_->defect();
  if (!acceptance_.accepting()) return acceptance_.reason();
  return confirmed_ ? "" : "starting";
}

std::string Bridge::instance() const { return instance_ + "-" + std::to_string(link_ ? link_->connections() : 0); }

wire::BridgeState Bridge::make_state(bool online, const std::string& reason) const {
  BridgeStats stats = this->stats();
  wire::BridgeState state;
  state.online = online;
  state.accepting = online && reason.empty();
  state.instance = instance();
  state.version = version();
  state.reason = reason;
  state.parts = ranges_of(setup_.pipeline.parts);
  state.held_bytes = stats.held_bytes;
  if (const auto oldest_ns = pipeline_.batcher().oldest_held_since_ns()) state.lag_ms = (now() - *oldest_ns) / ns_per_ms;
  state.frames_stored = stats.frames_stored;
  state.throttled = stats.records_throttled;
  state.rejected = std::move(stats.rejected);
  return state;
}

mqtt::Message Bridge::make_state_message(const wire::BridgeState& state) const {
  const std::string json = wire::write_bridge_state(state);
  const auto bytes = std::as_bytes(std::span(json));
  return {wire::bridge_state_topic(setup_.id), wire::Bytes(bytes.begin(), bytes.end()), true, {}};
}

void Bridge::publish_state() {
  const bool under_way = state_token_ != 0;
  if (under_way || !link_->can_publish() || now() < state_retry_ns_) return;
  const std::string reason = refusal();
  const std::string key = instance() + " " + reason;
  if (key == published_key_ && now() < next_state_ns_) return;
  state_token_ = link_->publish(make_state_message(make_state(true, reason)));
  if (state_token_ == 0) {
    next_state_ns_ = state_retry_ns_ = now() + publish_retry_ns;
    return;
  }
  published_key_ = key;
  next_state_ns_ = now() + setup_.timing.state_interval_ns;
}

void Bridge::publish_acks() {
  while (confirmed_ && link_->can_publish()) {
    const auto ack = pipeline_.acks().take();
    if (!ack) return;
    const uint64_t token = link_->publish({wire::ack_topic(ack->host), wire::write_ack(ack->entries), false, {}});
    ++(token != 0 ? counters_.acks_published : counters_.acks_lost);
  }
}

int64_t Bridge::next_due_ns() const {
  int64_t due_ns = std::min(link_->next_due_ns(), next_log_ns_);
  if (pipeline_.batcher().requests_in_flight() < workers_->size()) due_ns = std::min(due_ns, pipeline_.next_due_ns());
  if (link_->can_publish() && state_token_ == 0) due_ns = std::min(due_ns, next_state_ns_);
  if (stop_at_ns_) due_ns = std::min(due_ns, *stop_at_ns_);
  return due_ns;
}

void Bridge::update_stats() {
  BridgeStats stats;
  pipeline_.count(stats);
  stats.refused_full += refused_by_inbox_;
  stats.refused_stopping = counters_.refused_stopping;
  stats.acks_published = counters_.acks_published;
  stats.acks_lost += counters_.acks_lost;
  stats.inbox_bytes = inbox_.weight();
  stats.connections = link_ ? link_->connections() : stats_.connections;
  stats.connected = link_ && link_->connected();
  stats.reason = refusal();
  stats.accepting = stats.reason.empty();
  if (now() >= next_log_ns_) log_stats(stats);
  const std::lock_guard lock(stats_mutex_);
  stats_ = std::move(stats);
}

void Bridge::log_stats(const BridgeStats& stats) {
  next_log_ns_ = now() + setup_.timing.log_interval_ns;
  log_event(LogLevel::info, "bridge_counted",
            {{"received", stats.frames_received},
             {"stored", stats.frames_stored},
             {"bytes_stored", stats.bytes_stored},
             {"held_bytes", stats.held_bytes},
             {"duplicates", stats.duplicates_stored + stats.duplicates_in_flight},
             {"out_of_order", stats.out_of_order},
             {"refused_full", stats.refused_full},
             {"throttled", stats.records_throttled},
             {"requests", stats.requests},
             {"requests_failed", stats.requests_failed},
             {"acks", stats.acks_published}});
}

BridgeStats Bridge::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

}  // namespace joulespool::bridge
