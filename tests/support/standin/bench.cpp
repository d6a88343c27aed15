#include "tests/support/standin/bench.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace joulespool::standin {

Bench::Bench(const World& world, Frontend& frontend, Clock& clock)
    : world_(world), frontend_(frontend), clock_(clock), watch_(world), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  for (const std::string& file : world_.device_files()) plug(file);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Bench::~Bench() {
  thread_.request_stop();
  ::eventfd_write(wake_, 1);
  thread_.join();
  instruments_.clear();
  ::close(wake_);
}

void Bench::take(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  ::eventfd_write(wake_, 1);
}

void Bench::run(const std::stop_token& stop) {
  bool up_to_date = true;
  while (!stop.stop_requested()) {
    wait(up_to_date);
    follow_world();
    obey();
    up_to_date = advance();
  }
}

void Bench::wait(bool up_to_date) {
  constexpr int tick_ms = 5;
  const bool running =
      std::any_of(instruments_.begin(), instruments_.end(), [](const auto& entry) { return entry.second->is_running(); });
  std::array<pollfd, 2> files = {{{wake_, POLLIN, 0}, {watch_.file(), POLLIN, 0}}};
  ::poll(files.data(), files.size(), !up_to_date ? 0 : running ? tick_ms : -1);
  eventfd_t count = 0;
  if (files[0].revents != 0) ::eventfd_read(wake_, &count);
}

void Bench::follow_world() {
  for (const DeviceChange& change : watch_.take()) {
    if (change.removed) unplug(change.file);
    else plug(change.file);
  }
}

void Bench::plug(const std::string& file) {
  auto plan = world_.device(file);
  if (!plan) return;
  if (const auto found = instruments_.find(file); found != instruments_.end()) return found->second->change(std::move(*plan));
  gone_.erase(plan->prefix());
  instruments_[file] = std::make_unique<Instrument>(std::move(*plan), world_, frontend_, clock_);
}

void Bench::unplug(const std::string& file) {
  const auto found = instruments_.find(file);
  if (found == instruments_.end()) return;
  gone_.insert(found->second->prefix());
  instruments_.erase(found);
}

void Bench::obey() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) obey(command);
}

void Bench::obey(const Command& command) {
  const auto found = std::find_if(instruments_.begin(), instruments_.end(),
                                  [&](const auto& entry) { return entry.second->prefix() == command.prefix; });
  std::optional<int32_t> rc;
  if (found != instruments_.end()) rc = found->second->apply(command.topic, command.value);
  else if (gone_.contains(command.prefix)) rc = command.topic == "@/!close" ? abi::rc_ok : abi::rc_not_found;
  if (rc && command.call != 0) frontend_.reply(command.call, *rc);
}

bool Bench::advance() {
  bool up_to_date = true;
  for (const auto& [file, instrument] : instruments_) up_to_date = instrument->advance() && up_to_date;
  return up_to_date;
}

}  // namespace joulespool::standin
