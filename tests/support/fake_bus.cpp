#include "tests/support/fake_bus.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace joulespool::test {
namespace {

using mqtt::BusEvent;
using mqtt::Message;

enum class Phase { idle, connecting, connected };

// One bus object. `phase` and `connection` are read by its owner; the rest belongs to the broker's thread.
struct Session {
  mqtt::BusOptions options;
  mqtt::BusListener listener;
  std::atomic<Phase> phase = Phase::idle;
  std::atomic<uint64_t> connection = 0;
  bool closed = false;  // its owner is gone
  std::vector<std::string> filters;
  std::vector<uint64_t> held;  // tokens that wait for their acknowledgement

  void say(BusEvent event) const {
    if (!closed) listener(std::move(event));
  }
  [[nodiscard]] bool is_connected() const { return phase == Phase::connected; }
  [[nodiscard]] bool wants(const std::string& topic) const {
    for (const std::string& filter : filters)
      if (topic_matches(filter, topic)) return true;
    return false;
  }
};

}  // namespace

bool topic_matches(std::string_view filter, std::string_view topic) {
  for (;;) {
    if (filter == "#") return true;
    const size_t filter_end = std::min(filter.find('/'), filter.size());
    const size_t topic_end = std::min(topic.find('/'), topic.size());
    const std::string_view level = filter.substr(0, filter_end);
    if (level != "+" && level != topic.substr(0, topic_end)) return false;
    const bool filter_ends = filter_end == filter.size();
    const bool topic_ends = topic_end == topic.size();
    if (filter_ends) return topic_ends;
    if (topic_ends) return filter.substr(filter_end) == "/#";  // "a/#" matches "a"
    filter.remove_prefix(filter_end + 1);
    topic.remove_prefix(topic_end + 1);
  }
}

class FakeBroker::Core {
 public:
  Core() : thread_([this](const std::stop_token& stop) { work(stop); }) {}

  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_all();
  }
  void run(const std::function<void()>& task) {
    std::mutex mutex;
    std::condition_variable done_changed;
    bool done = false;
    post([&] {
      task();
      const std::lock_guard lock(mutex);
      done = true;
      done_changed.notify_one();
    });
    std::unique_lock lock(mutex);
    done_changed.wait(lock, [&] { return done; });
  }

  // From here on: on the broker's thread only.
  void connect(const std::shared_ptr<Session>& session, uint64_t connection) {
    if (session->connection != connection || session->phase != Phase::connecting) return;
    if (!running || !refusal.empty()) {
      session->phase = Phase::idle;
      session->say(mqtt::ConnectFailed{running ? "broker refused: " + refusal : "nobody listens"});
      return;
    }
    for (const auto& other : std::vector(sessions_))
      if (other->options.client_id == session->options.client_id) end(other, false, "session taken over");
    sessions_.push_back(session);
    session->phase = Phase::connected;
    session->say(mqtt::Connected{receive_maximum});
  }
  void subscribe(Session& session, uint64_t connection, const std::string& filter) {
    if (session.connection != connection || !session.is_connected()) return;
    if (filter == refused_filter) {
      session.say(mqtt::SubscribeFailed{filter, "broker refused: Not authorized (135)"});
      return;
    }
    session.filters.push_back(filter);
    for (const auto& [topic, message] : retained_)
      if (topic_matches(filter, topic)) session.say(mqtt::Received{message});
  }
  void publish(Session& session, uint64_t connection, uint64_t token, const Message& message) {
    if (session.connection != connection || !session.is_connected()) return;
    if (refuse && refuse(session.options.client_id, message)) {
      session.say(mqtt::Published{token, Error{Errc::unreachable, "broker refused: Not authorized (135)"}});
      return;
    }
    if (hold) session.held.push_back(token);
    else session.say(mqtt::Published{token, {}});
    if (!drop || !drop(session.options.client_id, message)) route(message);
  }
  void end(const std::shared_ptr<Session>& session, bool orderly, const std::string& reason) {
    const bool was_connected = session->is_connected();
    session->phase = Phase::idle;
    ++session->connection;
    session->filters.clear();
    session->held.clear();
    std::erase(sessions_, session);
    if (!was_connected || orderly) return;
    session->say(mqtt::Disconnected{reason});
    if (running && session->options.has_will) route(session->options.will);
  }
  void stop() {
    running = false;
    retained_.clear();
    for (const auto& session : std::vector(sessions_)) end(session, false, "connection lost");
  }
  void cut(const std::string& client_id) {
    for (const auto& session : std::vector(sessions_))
      if (session->options.client_id == client_id) end(session, false, "connection lost");
  }
  void release() {
    for (const auto& session : sessions_)
      for (const uint64_t token : std::exchange(session->held, {})) session->say(mqtt::Published{token, {}});
  }

  bool running = true;
  uint16_t receive_maximum = 20;
  std::string refusal, refused_filter;
  Choice drop, refuse;
  bool hold = false;

 private:
  void route(const Message& message) {
    if (message.retain && message.payload.empty()) retained_.erase(message.topic);
    else if (message.retain) retained_[message.topic] = message;
    Message live = message;
    live.retain = false;  // MQTT: the flag tells a stored message from a live one
    for (const auto& session : sessions_)
      if (session->wants(message.topic)) session->say(mqtt::Received{live});
  }
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (wake_.wait(lock, stop, [&] { return !tasks_.empty(); })) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::vector<std::shared_ptr<Session>> sessions_;
  std::map<std::string, Message> retained_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void()>> tasks_;
  std::jthread thread_;  // last: it uses all of the above
};

namespace {

class FakeBus final : public mqtt::MessageBus {
 public:
  FakeBus(std::shared_ptr<FakeBroker::Core> core, const mqtt::BusOptions& options, mqtt::BusListener listener)
      : core_(std::move(core)), session_(std::make_shared<Session>()) {
    session_->options = options;
    session_->listener = std::move(listener);
  }
  ~FakeBus() override {
    core_->run([&] {
      session_->closed = true;
      core_->end(session_, true, "");
    });
  }
  FakeBus(const FakeBus&) = delete;
  FakeBus& operator=(const FakeBus&) = delete;

  Status connect() override {
    Phase idle = Phase::idle;
    if (!session_->phase.compare_exchange_strong(idle, Phase::connecting))
      return Error{Errc::usage, "already connecting or connected"};
    core_->post(
        [core = core_.get(), session = session_, connection = ++session_->connection] { core->connect(session, connection); });
    return {};
  }
  Status subscribe(const std::string& filter) override {
    const uint64_t connection = session_->connection;
    if (!session_->is_connected()) return Error{Errc::unreachable, "not connected"};
    core_->post([=, core = core_.get(), session = session_] { core->subscribe(*session, connection, filter); });
    return {};
  }
  Status publish(uint64_t token, const Message& message) override {
    const uint64_t connection = session_->connection;
    if (!session_->is_connected()) return Error{Errc::unreachable, "not connected"};
    core_->post([=, core = core_.get(), session = session_] { core->publish(*session, connection, token, message); });
    return {};
  }
  void disconnect(int) override {
    core_->run([&] { core_->end(session_, true, ""); });
  }

 private:
  const std::shared_ptr<FakeBroker::Core> core_;
  const std::shared_ptr<Session> session_;
};

}  // namespace

FakeBroker::FakeBroker() : core_(std::make_shared<Core>()) {}
FakeBroker::~FakeBroker() { stop(); }

std::unique_ptr<mqtt::MessageBus> FakeBroker::make_bus(const mqtt::BusOptions& options, mqtt::BusListener listener) {
  return std::make_unique<FakeBus>(core_, options, std::move(listener));
}

void FakeBroker::stop() {
  core_->run([&] { core_->stop(); });
}
void FakeBroker::start() {
  core_->run([&] { core_->running = true; });
}
void FakeBroker::cut(const std::string& client_id) {
  core_->run([&] { core_->cut(client_id); });
}
void FakeBroker::set_receive_maximum(uint16_t value) {
  core_->run([&] { core_->receive_maximum = value; });
}
void FakeBroker::refuse_connects(const std::string& reason) {
  core_->run([&] { core_->refusal = reason; });
}
void FakeBroker::drop_if(Choice choice) {
  core_->run([&] { core_->drop = std::move(choice); });
}
void FakeBroker::refuse_if(Choice choice) {
  core_->run([&] { core_->refuse = std::move(choice); });
}
void FakeBroker::refuse_subscription(const std::string& filter) {
  core_->run([&] { core_->refused_filter = filter; });
}
void FakeBroker::hold_acknowledgements(bool on) {
  core_->run([&] {
    core_->hold = on;
    if (!on) core_->release();
  });
}

}  // namespace joulespool::test
