#include "tests/support/standin/frontend.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "tests/support/standin/log_lines.h"
#include "tests/support/standin/parameters.h"

namespace joulespool::standin {
namespace {

// The real library's timeouts go by the wall clock, too.
std::chrono::system_clock::time_point time_point(int64_t utc_ns) {
  return std::chrono::system_clock::time_point(std::chrono::nanoseconds(utc_ns));
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

}  // namespace

Frontend::Frontend(const World& world, Clock& clock, uint32_t version) : world_(world), clock_(clock) {
  topics_.retain("@/version", TopicValue::number(version));
  topics_.retain("@/list", TopicValue::text(""));
}

Frontend::~Frontend() {
  if (thread_.joinable()) stop(0);
}

void Frontend::start(CommandSink& commands) {
  commands_ = &commands;
  thread_ = std::thread([this] { run(); });
}

bool Frontend::stop(uint32_t timeout_ms) {
  constexpr uint32_t patience_ms = 20'000;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  const int64_t deadline = clock_.realtime_ns() + (timeout_ms == 0 ? patience_ms : timeout_ms) * ns_per_ms;
  const bool ended = changed_.wait_until(lock, time_point(deadline), [this] { return stopped_; });
  lock.unlock();
  if (ended) thread_.join();
  else thread_.detach();
  return ended;
}

void Frontend::push(Item item) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(item));
  changed_.notify_all();
}

int32_t Frontend::ask(Request request, uint32_t timeout_ms, TopicValue* answer) {
  if (timeout_ms == 0 || std::this_thread::get_id() == thread_.get_id()) {
    push(std::move(request));
    return abi::rc_ok;
  }
  const auto call = std::make_shared<Call>();
  request.call = call;
  request.deadline_utc_ns = clock_.realtime_ns() + timeout_ms * ns_per_ms;
  push(std::move(request));
  std::unique_lock lock(call->mutex);
  call->ended.wait(lock, [&] { return call->done; });
  if (answer != nullptr) *answer = std::move(call->answer);
  return call->rc;
}

int32_t Frontend::publish(const std::string& topic, const abi::Value& value, uint32_t timeout_ms) {
  Request request;
  request.subscription.topic = topic;
  request.value = TopicValue::copy_of(value);
  return ask(std::move(request), timeout_ms);
}

int32_t Frontend::query(const std::string& topic, abi::Value& value, uint32_t timeout_ms) {
  constexpr uint32_t usual_timeout_ms = 1000;
  if (std::this_thread::get_id() == thread_.get_id()) return rc_not_supported;
  Request request;
  request.kind = Request::Kind::query;
  request.subscription.topic = topic;
  TopicValue answer;
  const int32_t rc = ask(std::move(request), timeout_ms == 0 ? usual_timeout_ms : timeout_ms, &answer);
  if (rc != abi::rc_ok) return rc;
  if (!answer.body.empty()) {
    if (value.text == nullptr || value.size < answer.body.size()) return rc_too_small;
    std::memcpy(const_cast<char*>(value.text), answer.body.data(), answer.body.size());
    answer.head.text = value.text;
  }
  value = answer.head;
  return rc;
}

int32_t Frontend::subscribe(const Subscription& subscription, uint32_t timeout_ms) {
  Request request;
  request.kind = Request::Kind::subscribe;
  request.subscription = subscription;
  return ask(std::move(request), timeout_ms);
}

int32_t Frontend::unsubscribe(const Subscription& subscription, uint32_t timeout_ms) {
  Request request;
  request.kind = Request::Kind::unsubscribe;
  request.subscription = subscription;
  return ask(std::move(request), timeout_ms);
}

void Frontend::run() {
  while (const std::optional<Item> item = next_item()) std::visit([this](const auto& what) { handle(what); }, *item);
  for (const auto& [call, request] : std::exchange(waiting_, {})) finish(request, rc_aborted);
  std::unique_lock lock(mutex_);
  for (const Item& item : std::exchange(queue_, {}))
    if (const auto* request = std::get_if<Request>(&item)) finish(*request, rc_aborted);
  stopped_ = true;
  changed_.notify_all();
}

std::optional<Frontend::Item> Frontend::next_item() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_) return std::nullopt;
    if (!queue_.empty()) {
      Item item = std::move(queue_.front());
      queue_.pop_front();
      return item;
    }
    end_overdue_calls();
    if (const auto deadline = earliest_deadline_utc_ns()) changed_.wait_until(lock, time_point(*deadline));
    else changed_.wait(lock);
  }
}

void Frontend::end_overdue_calls() {
  const int64_t now = clock_.realtime_ns();
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->second.deadline_utc_ns > now) {
      ++at;
      continue;
    }
    finish(at->second, abi::rc_timed_out);
    at = waiting_.erase(at);
  }
}

std::optional<int64_t> Frontend::earliest_deadline_utc_ns() const {
  std::optional<int64_t> earliest;
  for (const auto& [call, request] : waiting_)
    if (!earliest || request.deadline_utc_ns < *earliest) earliest = request.deadline_utc_ns;
  return earliest;
}

void Frontend::finish(const Request& request, int32_t rc, TopicValue answer) {
  if (request.kind == Request::Kind::publish)
    world_.record(request.subscription.topic, request.value.to_string(), request.value.head.flags, rc);
  if (!request.call) return;
  const std::lock_guard lock(request.call->mutex);
  request.call->rc = rc;
  request.call->answer = std::move(answer);
  request.call->done = true;
  request.call->ended.notify_all();
}

void Frontend::handle(const Request& request) {
  const Subscription& subscription = request.subscription;
  if (request.kind == Request::Kind::publish) return handle_publish(request);
  if (request.kind == Request::Kind::query) {
    TopicValue answer;
    const int32_t rc = answer_query(subscription.topic, answer);
    return finish(request, rc, std::move(answer));
  }
  if (request.kind == Request::Kind::subscribe) {
    world_.record(subscription.topic, "subscribe", subscription.flags, abi::rc_ok);
    topics_.subscribe(subscription, present_);
    return finish(request, abi::rc_ok);
  }
  const int32_t rc = topics_.unsubscribe(subscription) ? abi::rc_ok : abi::rc_not_found;
  world_.record(subscription.topic, "unsubscribe", subscription.flags, rc);
  finish(request, rc);
}

void Frontend::handle_publish(const Request& request) {
  const DeviceTopic to = split_device_topic(request.subscription.topic);
  TopicValue value = request.value;
  if (const Parameter* parameter = find_parameter(to.model, to.rest)) {
    const auto number = number_of(*parameter, value);
    if (!number) return finish(request, abi::rc_parameter_invalid);
    const uint8_t flags = value.head.flags;
    value = TopicValue::number(*number);
    value.head.flags = flags;
  }
  // The trap: what is retained already never reaches the instrument, and the caller is told that all is well.
  if ((value.head.flags & flag_retain) != 0 && !topics_.retain(request.subscription.topic, value))
    return finish(request, abi::rc_ok);
  topics_.publish(request.subscription.topic, value);
  forward(request, to, std::move(value));
}

void Frontend::forward(const Request& request, const DeviceTopic& to, TopicValue value) {
  uint64_t call = 0;
  if (request.call) {
    call = ++last_call_;
    waiting_.emplace(call, request);
  } else {
    finish(request, abi::rc_ok);
  }
  if (!to.prefix.empty() && is_routable(request.subscription.topic))
    commands_->take({to.prefix, to.rest, std::move(value), call});
}

int32_t Frontend::answer_query(const std::string& topic, TopicValue& answer) const {
  if (const TopicValue* value = topics_.retained(topic)) return answer = *value, abi::rc_ok;
  const DeviceTopic of = split_device_topic(topic);
  const bool known =
      std::find(seen_.begin(), seen_.end(), of.prefix) != seen_.end() && find_parameter(of.model, of.rest) != nullptr;
  return known ? abi::rc_ok : abi::rc_not_found;
}

void Frontend::handle(const Publication& publication) {
  for (const std::string& line : publication.log_lines) LogLines::instance().write(abi::log_level_warning, line);
  if (publication.retained) topics_.retain(publication.topic, publication.value);
  topics_.publish(publication.topic, publication.value);
}

void Frontend::handle(const Presence& presence) {
  std::erase(present_, presence.prefix);
  if (presence.present) present_.push_back(presence.prefix);
  if (std::find(seen_.begin(), seen_.end(), presence.prefix) == seen_.end()) seen_.push_back(presence.prefix);
  topics_.publish(presence.present ? "@/!add" : "@/!remove", TopicValue::text(presence.prefix));
  const TopicValue list = TopicValue::text(joined(present_));
  topics_.retain("@/list", list);
  topics_.publish("@/list", list);
}

void Frontend::handle(const Reply& reply) {
  const auto found = waiting_.find(reply.call);
  if (found == waiting_.end()) return;
  finish(found->second, reply.rc);
  waiting_.erase(found);
}

}  // namespace joulespool::standin
