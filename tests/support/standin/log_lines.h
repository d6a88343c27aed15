// The library's log: lines reach the callbacks on a thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/device/joulescope_abi.h"

namespace joulespool::standin {

constexpr int8_t log_level_off = -1;
constexpr int8_t log_level_info = 6;

// One a process, as in the real library. Any thread.
class LogLines {
 public:
  static LogLines& instance();

  void initialize();
  void finalize();  // what is queued is still delivered
  int32_t add(device::abi::OnLog function, void* user_data);
  int32_t remove(device::abi::OnLog function, void* user_data);
  void set_level(int8_t level);

  // Returns when the callbacks have had the line, or at once if nobody would get it. Not on the log's own thread.
  void write(int8_t level, const std::string& text);

 private:
  struct Line {
    int8_t level;
    std::string text;
  };
  struct Listener {
    device::abi::OnLog function;
    void* user_data;
  };
  LogLines() = default;
  void run();
  void tell(const std::vector<Listener>& listeners, const Line& line);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Listener> listeners_;
  std::deque<Line> lines_;
  uint64_t queued_ = 0;
  uint64_t told_ = 0;
  int users_ = 0;
  int8_t level_ = log_level_off;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace joulespool::standin
