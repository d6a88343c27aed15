#include "agent/device/joulescope_driver.h"

#include <array>
#include <map>
#include <utility>

namespace joulespool::device {
namespace {

constexpr uint32_t initialize_timeout_ms = 5000;
constexpr uint32_t finalize_timeout_ms = 5000;
constexpr uint32_t call_timeout_ms = 1000;
constexpr uint32_t version_min = 0x02000003;  // the structures of samples changed their layout there
constexpr uint32_t version_major = 2;

// The driver gets numbers instead of pointers, so that a call that it makes too late finds nothing instead of a dead object.
template <class Call>
class Calls {
 public:
  uint64_t add(Call call) {
    const std::lock_guard lock(mutex_);
    calls_.emplace(++last_, std::make_shared<const Call>(std::move(call)));
    return last_;
  }
  void remove(uint64_t number) {
    const std::lock_guard lock(mutex_);
    calls_.erase(number);
  }
  std::shared_ptr<const Call> find(const void* user_data) {
    const std::lock_guard lock(mutex_);
    const auto at = calls_.find(reinterpret_cast<uintptr_t>(user_data));
    return at == calls_.end() ? nullptr : at->second;
  }

 private:
  std::mutex mutex_;
  uint64_t last_ = 0;
  std::map<uint64_t, std::shared_ptr<const Call>> calls_;
};

Calls<Driver::OnValue>& value_calls() {
  static Calls<Driver::OnValue> calls;
  return calls;
}
Calls<Driver::OnLog>& log_calls() {
  static Calls<Driver::OnLog> calls;
  return calls;
}

void* as_user_data(uint64_t number) { return reinterpret_cast<void*>(static_cast<uintptr_t>(number)); }

void on_value(void* user_data, const char* topic, const abi::Value* value) {
  if (topic == nullptr || value == nullptr) return;
  if (const auto call = value_calls().find(user_data)) (*call)(topic, *value);
}

void on_log(void* user_data, const abi::LogHeader* header, const char*, const char* message) {
  if (header == nullptr || message == nullptr || header->level > abi::log_level_warning) return;
  if (const auto call = log_calls().find(user_data)) (*call)(header->level, message);
}

std::string version_text(uint32_t version) {
  return std::to_string(version >> 24) + "." + std::to_string((version >> 16) & 0xFF) + "." + std::to_string(version & 0xFFFF);
}

abi::Value to_value(const Driver::PublishValue& value) {
  abi::Value made;
  if (const auto* text = std::get_if<std::string>(&value)) {
    made.type = abi::ValueType::text;
    made.size = static_cast<uint32_t>(text->size() + 1);
    made.text = text->c_str();
  } else if (const auto* number = std::get_if<uint32_t>(&value)) {
    made.type = abi::ValueType::u32;
    made.u32 = *number;
  } else {
    made.type = abi::ValueType::i32;
    made.i32 = std::get<int32_t>(value);
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<Driver>> Driver::start(const std::string& library, OnLog on_log) {
  const auto loaded = load_driver_library(library);
  if (!loaded) return loaded.error();
  std::unique_ptr<Driver> driver(new Driver(*loaded));
  if (const Status status = driver->initialize(std::move(on_log)); !status) return status.error();
  if (const Status status = driver->check_version(); !status) return status.error();
  return driver;
}

Status Driver::initialize(OnLog on_log_line) {
  if (has_log()) {
    log_call_ = log_calls().add(std::move(on_log_line));
    library_.log_initialize();
    library_.log_register(on_log, as_user_data(log_call_));
    library_.log_level_set(abi::log_level_warning);
  }
  const int32_t code = library_.initialize(&context_, nullptr, initialize_timeout_ms);
  if (code == abi::rc_ok && context_ != nullptr) return {};
  context_ = nullptr;
  return Error{Errc::unreachable, "the Joulescope driver does not start: " + explain(code)};
}

Status Driver::check_version() {
  uint32_t version = 0;
  if (!query_u32("@/version", version))
    return Error{Errc::unreachable, "the Joulescope driver does not tell its version: " + std::string(install_advice)};
  version_ = version_text(version);
  if (version >> 24 == version_major && version >= version_min) return {};
  return Error{Errc::unreachable, "the Joulescope driver has version " + version_ +
                                      ", whose samples this program cannot read: " + std::string(install_advice)};
}

Driver::~Driver() {
  unsubscribe_all();
  if (context_ != nullptr) library_.finalize(context_, finalize_timeout_ms);
  if (log_call_ == 0) return;
  log_calls().remove(log_call_);
  library_.log_finalize();
}

int32_t Driver::publish(const std::string& topic, const PublishValue& value, uint32_t timeout_ms) {
  const abi::Value given = to_value(value);
  return library_.publish(context_, topic.c_str(), &given, timeout_ms);
}

std::string Driver::query_text(const std::string& topic) {
  std::array<char, 4096> buffer{};
  abi::Value value;
  value.type = abi::ValueType::text;
  value.size = buffer.size();
  value.text = buffer.data();
  if (library_.query(context_, topic.c_str(), &value, call_timeout_ms) != abi::rc_ok || value.type != abi::ValueType::text)
    return "";
  buffer.back() = 0;
  return buffer.data();
}

bool Driver::query_u32(const std::string& topic, uint32_t& number) {
  abi::Value value;
  if (library_.query(context_, topic.c_str(), &value, call_timeout_ms) != abi::rc_ok) return false;
  if (value.type != abi::ValueType::u32) return false;
  number = value.u32;
  return true;
}

int32_t Driver::subscribe(const std::string& topic, uint8_t flags, OnValue call) {
  const uint64_t number = value_calls().add(std::move(call));
  const int32_t code = library_.subscribe(context_, topic.c_str(), flags, on_value, as_user_data(number), call_timeout_ms);
  if (code != abi::rc_ok) {
    value_calls().remove(number);
    return code;
  }
  const std::lock_guard lock(mutex_);
  subscriptions_.push_back({topic, number});
  return code;
}

void Driver::unsubscribe_all() {
  const std::lock_guard lock(mutex_);
  for (const Subscription& subscription : subscriptions_) {
    library_.unsubscribe(context_, subscription.topic.c_str(), on_value, as_user_data(subscription.call), call_timeout_ms);
    value_calls().remove(subscription.call);
  }
  subscriptions_.clear();
}

std::string Driver::explain(int32_t code) const {
  const char* text = library_.error_description(code);
  const std::string known = code < 0 || text == nullptr ? "" : text;
  const std::string number = "driver code " + std::to_string(code);
  return known.empty() ? number : known + " (" + number + ")";
}

}  // namespace joulespool::device
