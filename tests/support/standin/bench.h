// The instruments that are plugged in, and the one thread that runs them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

#include "tests/support/standin/frontend.h"
#include "tests/support/standin/instrument.h"
#include "tests/support/standin/world.h"

namespace joulespool::standin {

class Bench final : public CommandSink {
 public:
  // What is plugged in already is there when it returns. `frontend` must outlive this.
  Bench(const World& world, Frontend& frontend, Clock& clock);
  ~Bench() override;
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void take(Command command) override;  // any thread

 private:
  void run(const std::stop_token& stop);
  void wait(bool up_to_date);
  void follow_world();
  void plug(const std::string& file);
  void unplug(const std::string& file);
  void obey();
  void obey(const Command& command);
  bool advance();  // false: not up to date

  const World& world_;
  Frontend& frontend_;
  Clock& clock_;
  WorldWatch watch_;
  int wake_ = -1;
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::map<std::string, std::unique_ptr<Instrument>> instruments_;  // by file
  std::set<std::string> gone_;                                      // prefixes that were there once
  std::jthread thread_;
};

}  // namespace joulespool::standin
