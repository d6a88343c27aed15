#include "agent/mqtt/paho_bus.h"

#include <mqtt/async_client.h>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

#include "agent/base/bounded_queue.h"
#include "agent/base/clock.h"
#include "agent/mqtt/link.h"

// Three kinds of threads meet here. The owner calls the members of PahoBus, which only note and enqueue. The pump (one
// thread per bus) makes every call into Paho, because some of them wait: ending a client takes 100 ms and more, looking up
// a name as long as the resolver likes. Paho's threads call back with Paho's process-wide mutex held; they enter Link,
// which passes events on, and never wait for the pump.
//
// Which Paho client a connection gets:
// - A fresh one as a rule: with Paho C 1.3.12, connect() after an orderly disconnect of the same client can stay without any
//   outcome for 10 s (its sender thread waits for itself to stop). Link counts connections, and what a callback of an old one
//   brings is dropped by its number.
// - The one before, if its connection broke with publishes that Paho had not begun to send (a slow line). Ending that client
//   would leak them, up to a whole window per loss (Paho C issue 1474), so it connects again. Then these leftovers go out
//   first, a second time perhaps, and nobody hears of them; they count in operations_max, which bounds them.
namespace joulespool::mqtt {
namespace {

namespace paho = ::mqtt;

constexpr int qos = 1;
// Never met: then nothing is ever refused by Paho with "no more messages can be buffered".
constexpr int paho_buffered_max = 4 * static_cast<int>(operations_max);
// disconnect() keeps this much of its time for ending the client.
constexpr int64_t closing_ns = 250 * ns_per_ms;
// How much longer than the connect timeout we wait for Paho to notice it; it looks only every 3 s.
constexpr int64_t connect_grace_ns = 4 * ns_per_s;

std::string reason_text(int code) {
  const char* text = ::MQTTReasonCode_toString(static_cast<MQTTReasonCodes>(code));
  return std::string(text != nullptr ? text : "unknown reason") + " (" + std::to_string(code) + ")";
}

bool is_refusal(const paho::token& token) { return static_cast<int>(token.get_reason_code()) >= 0x80; }

Error operation_error(const paho::token& token) {
  if (is_refusal(token)) return {Errc::unreachable, "broker refused: " + reason_text(static_cast<int>(token.get_reason_code()))};
  return {Errc::unreachable, "MQTT client: " + paho::exception::error_str(token.get_return_code())};
}

// The end of the connection ends its operations with one of these; Disconnected says it for all of them.
bool is_end_of_connection(int return_code) {
  return return_code == MQTTASYNC_OPERATION_INCOMPLETE || return_code == MQTTASYNC_DISCONNECTED;
}

paho::const_message_ptr to_paho(const Message& message) {
  paho::properties properties;
  for (const auto& [name, value] : message.user_properties)
    properties.add(paho::property(paho::property::USER_PROPERTY, name, value));
  return paho::message::create(message.topic, message.payload.data(), message.payload.size(), qos, message.retain, properties);
}

Message from_paho(const paho::message& from) {
  Message message{.topic = from.get_topic(), .payload = {}, .retain = from.is_retained(), .user_properties = {}};
  if (const auto& payload = from.get_payload_ref(); payload && !payload.empty()) {
    const auto* first = reinterpret_cast<const std::byte*>(payload.data());
    message.payload.assign(first, first + payload.size());
  }
  const paho::properties& properties = from.get_properties();
  for (size_t i = 0; i < properties.count(paho::property::USER_PROPERTY); ++i) {
    auto [name, value] = paho::get<paho::string_pair>(properties, paho::property::USER_PROPERTY, i);
    message.user_properties.emplace_back(std::move(name), std::move(value));
  }
  return message;
}

uint16_t receive_maximum_of(const paho::token& token) {
  try {
    const auto response = token.get_connect_response();
    const auto& properties = response.get_properties();
    if (!properties.contains(paho::property::RECEIVE_MAXIMUM)) return 65535;
    return paho::get<uint16_t>(properties, paho::property::RECEIVE_MAXIMUM);
  } catch (const std::exception&) {
    return 65535;  // what MQTT says for a broker that names none
  }
}

paho::connect_options to_paho(const BusOptions& from) {
  paho::connect_options options;
  options.set_mqtt_version(MQTTVERSION_5);
  options.set_clean_session(false);  // a word of MQTT 3; MQTT 5 says clean start
  options.set_clean_start(true);
  options.set_automatic_reconnect(false);
  options.set_keep_alive_interval(from.keep_alive_s);
  options.set_connect_timeout(from.connect_timeout_s);
  options.set_max_inflight(static_cast<int>(operations_max));
  if (!from.username.empty()) options.set_user_name(from.username);
  if (!from.password.empty()) options.set_password(from.password);
  if (from.has_will) options.set_will_message(to_paho(from.will));
  return options;
}

paho::create_options creation() {
  paho::create_options options(MQTTVERSION_5, paho_buffered_max);
  options.set_send_while_disconnected(false);
  options.set_restore_messages(false);
  options.set_persist_qos0(false);
  return options;
}

struct Open {
  uint64_t connection;
};
struct Publish {
  uint64_t connection;
  uint64_t operation;
  paho::const_message_ptr message;
};
struct Subscribe {
  uint64_t connection;
  uint64_t operation;
  std::string filter;
};
struct Close {
  uint64_t connection;
  int64_t deadline_ns;
};
struct ConnectEnded {
  uint64_t connection;
  int return_code;
};  // without success
struct Lost {
  uint64_t connection;
  std::string reason;
};
using Command = std::variant<Open, Publish, Subscribe, Close, ConnectEnded, Lost>;

// Every command has weight 0, so none is ever refused: their number is bounded by operations_max, and the others need a
// change of phase each.
class Commands {
 public:
  void post(Command command) { [[maybe_unused]] const bool taken = queue_.push(std::move(command), 0); }
  std::optional<Command> pop_until(int64_t deadline_ns) { return queue_.pop_until(deadline_ns); }
  void close() { queue_.close(); }
  [[nodiscard]] bool closed() const { return queue_.closed(); }

 private:
  BoundedQueue<Command> queue_{1};
};

void* as_context(uint64_t operation) { return reinterpret_cast<void*>(static_cast<uintptr_t>(operation)); }
uint64_t from_context(const void* context) { return reinterpret_cast<uintptr_t>(context); }

// A Paho client and what it calls back. Used by the pump; the callbacks come on Paho's threads, the last of them before the
// destructor returns.
class Connection {
 public:
  Connection(const BusOptions& options, Link& link, Commands& commands)
      : link_(link), commands_(commands), client_(options.uri, options.client_id, creation(), nullptr) {
    client_.set_message_callback(
        [this](const paho::const_message_ptr& message) { link_.received(number_, from_paho(*message)); });
    client_.set_connection_lost_handler([this](const std::string& cause) { lost(cause.empty() ? "connection lost" : cause); });
    client_.set_disconnected_handler([this](const paho::properties&, paho::ReasonCode reason) {
      lost("broker ended the connection: " + reason_text(static_cast<int>(reason)));
    });
  }

  [[nodiscard]] uint64_t number() const { return number_; }
  void connect(uint64_t number, const paho::connect_options& options) {
    number_ = number;
    if (attempts_.size() == attempts_kept_max) attempts_.pop_front();
    Attempt& attempt = *attempts_.emplace_back(std::make_unique<Attempt>(*this, number));
    attempt.token = client_.connect(options, nullptr, attempt);
  }
  void publish(const paho::const_message_ptr& message, uint64_t operation) {
    client_.publish(message, as_context(operation), outcome_);
  }
  void subscribe(const std::string& filter, uint64_t operation) {
    client_.subscribe(filter, qos, as_context(operation), outcome_);
  }

  // What Paho knows about a failed connect; call after ConnectEnded.
  std::string failure(int return_code) {
    if (return_code > 0) return "broker refused: " + reason_text(return_code);
    std::string text;
    try {
      const paho::token_ptr token = attempts_.back()->token;
      if (token) token->wait();  // it is complete: throws what happened, at once
    } catch (const std::exception& exception) {
      text = exception.what();
    }
    const bool says_something = text.find(": ") != std::string::npos;
    return says_something ? text : "name not found or address not usable (" + text + ")";
  }

 private:
  // One connect(). Paho may call back a second time for an earlier one, and its token has to be there then.
  struct Attempt final : paho::iaction_listener {
    Attempt(Connection& c, uint64_t n) : connection(c), number(n) {}
    void on_success(const paho::token& succeeded) override { connection.link_.connected(number, receive_maximum_of(succeeded)); }
    void on_failure(const paho::token& failed) override {
      connection.commands_.post(ConnectEnded{number, failed.get_return_code()});
    }
    Connection& connection;
    const uint64_t number;
    paho::token_ptr token;
  };
  static constexpr size_t attempts_kept_max = 16;
  struct Outcome final : paho::iaction_listener {
    explicit Outcome(Link& l) : link(l) {}
    void on_success(const paho::token& token) override { link.completed(from_context(token.get_user_context()), {}); }
    void on_failure(const paho::token& token) override {
      const uint64_t operation = from_context(token.get_user_context());
      if (!is_refusal(token) && is_end_of_connection(token.get_return_code())) link.dropped(operation);
      else link.completed(operation, operation_error(token));
    }
    Link& link;
  };

  // Paho says it in one way or in both; the second may come when the client is connecting again.
  void lost(const std::string& reason) { commands_.post(Lost{number_, reason}); }

  std::atomic<uint64_t> number_ = 0;  // of the connection it makes or made last
  Link& link_;
  Commands& commands_;
  Outcome outcome_{link_};
  std::deque<std::unique_ptr<Attempt>> attempts_;
  paho::async_client client_;  // last, so that it goes first, and its callbacks with it
};

class PahoBus final : public MessageBus {
 public:
  PahoBus(BusOptions options, BusListener listener)
      : options_(std::move(options)), link_(std::move(listener)), pump_([this] { pump(); }) {}
  ~PahoBus() override {
    if (const auto number = link_.present()) link_.silence(*number);
    commands_.close();
  }
  PahoBus(const PahoBus&) = delete;
  PahoBus& operator=(const PahoBus&) = delete;

  Status connect() override {
    const auto number = link_.open();
    if (!number) return Error{Errc::usage, "already connecting or connected"};
    commands_.post(Open{*number});
    return {};
  }

  Status subscribe(const std::string& filter) override {
    const auto begun = link_.begin({0, filter});
    if (!begun) return begun.error();
    commands_.post(Subscribe{begun->connection, begun->operation, filter});
    return {};
  }

  Status publish(uint64_t token, const Message& message) override {
    auto converted = to_paho(message);
    const auto begun = link_.begin({token, {}});
    if (!begun) return begun.error();
    commands_.post(Publish{begun->connection, begun->operation, std::move(converted)});
    return {};
  }

  void disconnect(int timeout_ms) override {
    const auto number = link_.present();
    if (!number) return;
    const int64_t deadline_ns = clock_.monotonic_ns() + timeout_ms * ns_per_ms;
    commands_.post(Close{*number, deadline_ns});
    link_.wait_until_closed(*number, deadline_ns);
    link_.silence(*number);
  }

 private:
  void pump() {
    for (;;) {
      auto command = commands_.pop_until(connect_deadline_ns_);
      if (command) std::visit([this](auto& what) { perform(what); }, *command);
      else if (commands_.closed()) break;
      else connect_timed_out();
    }
    connection_.reset();
  }

  [[nodiscard]] bool is_present(uint64_t number) const { return connection_ && connection_->number() == number; }
  void end_client() {
    connection_.reset();
    link_.forget_leftovers();
    connect_deadline_ns_ = never_ns;
  }
  void end_client_without_leftovers() {
    connect_deadline_ns_ = never_ns;
    if (!link_.has_leftovers()) end_client();
  }
  [[nodiscard]] std::string at_broker(const std::string& what) const { return options_.uri + ": " + what; }

  void perform(const Open& open) {
    try {
      if (!connection_) connection_ = std::make_unique<Connection>(options_, link_, commands_);
      connect_deadline_ns_ = clock_.monotonic_ns() + options_.connect_timeout_s * ns_per_s + connect_grace_ns;
      connection_->connect(open.connection, to_paho(options_));
    } catch (const std::exception& exception) {
      end_client();
      link_.over(open.connection, at_broker(exception.what()));
    }
  }
  void perform(const Publish& publish) {
    give(publish.connection, publish.operation, [&] { connection_->publish(publish.message, publish.operation); });
  }
  void perform(const Subscribe& subscribe) {
    give(subscribe.connection, subscribe.operation, [&] { connection_->subscribe(subscribe.filter, subscribe.operation); });
  }
  template <class Give>
  void give(uint64_t connection, uint64_t operation, Give give_to_paho) {
    if (!is_present(connection) || !link_.is_connected(connection)) {
      link_.dropped(operation);
      return;
    }
    try {
      give_to_paho();
    } catch (const paho::exception& exception) {
      refuse(connection, operation, exception);
    }
  }
  void refuse(uint64_t connection, uint64_t operation, const paho::exception& exception) {
    if (!is_end_of_connection(exception.get_return_code())) {
      link_.completed(operation, Error{Errc::internal, std::string("MQTT client: ") + exception.what()});
      return;
    }
    link_.dropped(operation);
    link_.over(connection, at_broker("connection lost"));
  }
  // Ending a client sends DISCONNECT, but only behind nothing: so first everything under way is given time. (Paho's own
  // disconnect with a timeout looks at its clock only every 3 s.)
  void perform(const Close& close) {
    link_.wait_until_idle(close.connection, close.deadline_ns - closing_ns);
    link_.silence(close.connection);
    end_client();
    link_.close_done(close.connection);
  }
  void perform(const ConnectEnded& ended) {
    if (!is_present(ended.connection)) return;
    const std::string reason = connection_->failure(ended.return_code);
    end_client_without_leftovers();
    link_.over(ended.connection, at_broker(reason));
  }
  // How a connect() ended, its own outcome says.
  void perform(const Lost& lost) {
    if (!is_present(lost.connection) || !link_.is_connected(lost.connection)) return;
    link_.over(lost.connection, lost.reason);
    end_client_without_leftovers();
  }
  // Also comes by when a connect succeeded: then the deadline has only to go.
  void connect_timed_out() {
    connect_deadline_ns_ = never_ns;
    if (!connection_ || link_.is_connected(connection_->number())) return;
    const uint64_t number = connection_->number();
    end_client();
    link_.over(number, at_broker("no answer within " + std::to_string(options_.connect_timeout_s) + " s"));
  }

  static constexpr int64_t never_ns = INT64_MAX / 2;

  const BusOptions options_;
  SystemClock clock_;
  Link link_;
  Commands commands_;
  std::unique_ptr<Connection> connection_;  // the pump's
  int64_t connect_deadline_ns_ = never_ns;  // the pump's
  std::jthread pump_;                       // last: it uses all of the above
};

bool is_number_between(const std::string& text, int min, int max) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != std::string::npos) return false;
  const int value = std::stoi(text);
  return min <= value && value <= max;
}

Status check_uri(const std::string& uri) {
  const Error error{Errc::usage, "broker \"" + uri + "\": must be tcp://HOST:PORT"};
  const size_t host_at = uri.starts_with("tcp://") ? 6 : uri.starts_with("mqtt://") ? 7 : std::string::npos;
  const size_t colon = uri.rfind(':');
  if (host_at == std::string::npos || colon == std::string::npos || colon <= host_at) return error;
  if (!is_number_between(uri.substr(colon + 1), 1, 65535)) return error;
  const std::string host = uri.substr(host_at, colon - host_at);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (!is_bracketed && host.find_first_of(":[]/ ") != std::string::npos) return error;
  return {};
}

}  // namespace

Result<std::unique_ptr<MessageBus>> make_paho_bus(const BusOptions& options, BusListener listener) {
  if (auto usable = check_uri(options.uri); !usable) return usable.error();
  if (options.client_id.empty()) return Error{Errc::usage, "the MQTT client id is empty"};
  return std::unique_ptr<MessageBus>(std::make_unique<PahoBus>(options, std::move(listener)));
}

}  // namespace joulespool::mqtt
