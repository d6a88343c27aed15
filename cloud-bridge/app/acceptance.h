// Whether agents shall send, and if not, why.
#pragma once

#include <cstddef>
#include <string>

namespace joulespool::bridge {

// Rounds of failed requests after which agents are told to wait. Less would stop them for every hiccup.
constexpr unsigned endpoint_failures_max = 3;

// What the answer depends on.
struct Load {
  size_t held_bytes = 0;
  size_t held_bytes_max = 0;
  unsigned endpoint_failures = 0;  // rounds of whole-request errors since the last success
  std::string last_error;          // of the last one
  bool stopping = false;
};

// Pure. It cannot get stuck: endpoint_failures > 0 only while frames are held, and held frames are tried again until one
// request succeeds, which sets it to 0; held bytes fall whenever frames are stored. So agents need not send anything for the
// bridge to find out that Kinesis is back.
class Acceptance {
 public:
  void update(const Load& load);
  [[nodiscard]] bool accepting() const { return kind_ == Kind::accepting; }
  // Empty while accepting. Does not follow every new error text, so that it changes only when the kind of trouble does.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  enum class Kind { accepting, stopping, kinesis, memory };
  Kind judge(const Load& load);

  Kind kind_ = Kind::accepting;
  bool memory_full_ = false;
  std::string reason_;
};

}  // namespace joulespool::bridge
