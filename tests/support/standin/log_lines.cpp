#include "tests/support/standin/log_lines.h"

#include <algorithm>

namespace joulespool::standin {

LogLines& LogLines::instance() {
  static LogLines& lines = *new LogLines;  // for ever: its thread may outlive the program's statics
  return lines;
}

void LogLines::initialize() {
  const std::lock_guard lock(mutex_);
  if (users_++ > 0) return;
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void LogLines::finalize() {
  std::thread ended;
  {
    const std::lock_guard lock(mutex_);
    if (users_ == 0 || --users_ > 0) return;
    stopping_ = true;
    listeners_.clear();
    ended = std::move(thread_);
  }
  changed_.notify_all();
  ended.join();
}

int32_t LogLines::add(device::abi::OnLog function, void* user_data) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back({function, user_data});
  return device::abi::rc_ok;
}

int32_t LogLines::remove(device::abi::OnLog function, void* user_data) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const Listener& listener) { return listener.function == function && listener.user_data == user_data; };
  return std::erase_if(listeners_, same) == 0 ? device::abi::rc_not_found : device::abi::rc_ok;
}

void LogLines::set_level(int8_t level) {
  const std::lock_guard lock(mutex_);
  level_ = level;
}

void LogLines::write(int8_t level, const std::string& text) {
  std::unique_lock lock(mutex_);
  if (users_ == 0 || level > level_ || listeners_.empty()) return;
  lines_.push_back({level, text});
  const uint64_t mine = ++queued_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return told_ >= mine || stopping_; });
}

void LogLines::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !lines_.empty(); });
    if (lines_.empty()) return;
    const Line line = std::move(lines_.front());
    lines_.pop_front();
    const std::vector<Listener> listeners = listeners_;
    lock.unlock();
    tell(listeners, line);
    lock.lock();
    ++told_;
    changed_.notify_all();
  }
}

void LogLines::tell(const std::vector<Listener>& listeners, const Line& line) {
  device::abi::LogHeader header;
  header.version = 1;
  header.level = static_cast<uint8_t>(line.level);
  header.line = 1;
  for (const Listener& listener : listeners) {
    std::string shown = line.text;
    listener.function(listener.user_data, &header, "instrument.c", shown.c_str());
    std::fill(shown.begin(), shown.end(), '?');
  }
}

}  // namespace joulespool::standin
