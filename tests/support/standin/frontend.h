// What a context of the library is: one thread on which every callback runs, also for all instruments, behind one queue without
// limit; the values of topics; and the calls that wait for an answer. A call whose answer does not come is ended by the same
// thread, when its queue is empty: while callbacks are behind, calls outlive their timeouts.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "tests/support/standin/topic_store.h"
#include "tests/support/standin/world.h"

namespace joulespool::standin {

enum DriverCode : int32_t { rc_not_supported = 3, rc_too_small = 14, rc_aborted = 24 };

// Something an instrument publishes. Its log lines are written before the callbacks see it.
struct Publication {
  std::string topic;
  TopicValue value;
  bool retained = false;
  std::vector<std::string> log_lines;
};
struct Presence {
  std::string prefix;
  bool present = false;
};
// A publish to an instrument; call 0 wants no answer.
struct Command {
  std::string prefix;
  std::string topic;  // below the prefix
  TopicValue value;
  uint64_t call = 0;
};

// Where commands go. Frontend's thread.
class CommandSink {
 public:
  virtual ~CommandSink() = default;
  virtual void take(Command command) = 0;
};

class Frontend {
 public:
  Frontend(const World& world, Clock& clock, uint32_t version);
  ~Frontend();
  Frontend(const Frontend&) = delete;
  Frontend& operator=(const Frontend&) = delete;

  void start(CommandSink& commands);
  // No callback after it. False: one did not return within the timeout; the thread is left to itself.
  bool stop(uint32_t timeout_ms);

  // For the program; any thread. From a callback they return 0 at once and are done later.
  int32_t publish(const std::string& topic, const abi::Value& value, uint32_t timeout_ms);
  int32_t query(const std::string& topic, abi::Value& value, uint32_t timeout_ms);
  int32_t subscribe(const Subscription& subscription, uint32_t timeout_ms);
  int32_t unsubscribe(const Subscription& subscription, uint32_t timeout_ms);

  // For the instruments; any thread.
  void post(Publication publication) { push(std::move(publication)); }
  void post(Presence presence) { push(std::move(presence)); }
  void reply(uint64_t call, int32_t rc) { push(Reply{call, rc}); }

 private:
  // A call of the program that waits.
  struct Call {
    std::mutex mutex;
    std::condition_variable ended;
    bool done = false;
    int32_t rc = 0;
    TopicValue answer;
  };
  struct Request {
    enum class Kind { publish, query, subscribe, unsubscribe } kind = Kind::publish;
    Subscription subscription;  // of publish and query: the topic
    TopicValue value;
    std::shared_ptr<Call> call;  // null: nobody waits
    int64_t deadline_utc_ns = 0;
  };
  struct Reply {
    uint64_t call;
    int32_t rc;
  };
  using Item = std::variant<Request, Publication, Presence, Reply>;

  void push(Item item);
  int32_t ask(Request request, uint32_t timeout_ms, TopicValue* answer = nullptr);
  void run();
  std::optional<Item> next_item();
  void end_overdue_calls();
  [[nodiscard]] std::optional<int64_t> earliest_deadline_utc_ns() const;

  void handle(const Request& request);
  void handle(const Publication& publication);
  void handle(const Presence& presence);
  void handle(const Reply& reply);
  void handle_publish(const Request& request);
  [[nodiscard]] int32_t answer_query(const std::string& topic, TopicValue& answer) const;
  void forward(const Request& request, const DeviceTopic& to, TopicValue value);
  void finish(const Request& request, int32_t rc, TopicValue answer = {});

  const World& world_;
  Clock& clock_;
  CommandSink* commands_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool stopping_ = false;
  bool stopped_ = false;

  // The thread's own.
  TopicStore topics_;
  std::vector<std::string> present_;
  std::vector<std::string> seen_;  // prefixes, present or not
  std::map<uint64_t, Request> waiting_;
  uint64_t last_call_ = 0;
  std::thread thread_;
};

}  // namespace joulespool::standin
