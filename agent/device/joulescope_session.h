// One instrument's control: opens, sets, streams, and keeps watch.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <thread>

#include "agent/base/bounded_queue.h"
#include "agent/base/clock.h"
#include "agent/device/joulescope_driver.h"
#include "agent/device/joulescope_stream.h"

namespace joulespool::device {

// Why an instrument could not be opened, and what to do, from the driver's return code.
std::string open_problem(const Driver& driver, int32_t code);
// "1.3.0" of an opened instrument; empty: it does not tell.
std::string firmware_of(Driver& driver, const std::string& prefix);

// Runs a thread of its own, because the driver's calls wait for the instrument. Lives as long as its driver.
class InstrumentSession {
 public:
  // All references must outlive this. `prefix`: of its topics ("u/js220/001122"). `on_stuck`: opening it again does not help;
  // called on the session's thread, again and again.
  InstrumentSession(Clock& clock, Driver& driver, InstrumentStream& stream, const InstrumentModel& model,
                    const InstrumentSelection& selection, const InstrumentLimits& limits, std::string prefix,
                    std::function<void()> on_stuck);
  ~InstrumentSession();
  InstrumentSession(const InstrumentSession&) = delete;
  InstrumentSession& operator=(const InstrumentSession&) = delete;

  // It was plugged in, or pulled out.
  void attached() { tell(Command::attach); }
  void detached() { tell(Command::detach); }
  // Begins to end; the destructor waits for it.
  void stop() { tell(Command::stop); }

 private:
  enum class Command { attach, detach, stop };
  void tell(Command command);
  void run();
  bool wait_until(int64_t deadline_ns);  // true: something happened
  void pause();
  Status begin();
  Status open();
  Status set_up();
  Status enable();
  void watch();
  void on_silence(int64_t silent_ns);
  void trouble(const std::string& text);
  void close();
  int32_t publish(const std::string& topic, const Driver::PublishValue& value);

  Clock& clock_;
  Driver& driver_;
  InstrumentStream& stream_;
  const InstrumentModel& model_;
  const InstrumentSelection& selection_;
  const InstrumentLimits limits_;
  const std::string prefix_;
  const std::vector<StreamTopic> streams_;
  const std::function<void()> on_stuck_;
  BoundedQueue<Command> commands_;
  bool attached_ = true;
  bool stopping_ = false;
  bool opened_ = false;
  bool subscribed_ = false;
  unsigned failures_ = 0;  // to open it, in a row
  unsigned silences_ = 0;  // in a row
  std::string trouble_;    // said last
  std::string firmware_;
  std::mt19937_64 random_;
  std::jthread thread_;
};

}  // namespace joulespool::device
