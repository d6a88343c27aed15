// The driver's C interface. Everything behind it is the stand-in's own.
#include <cstdlib>
#include <memory>

#include "tests/support/standin/bench.h"
#include "tests/support/standin/frontend.h"
#include "tests/support/standin/log_lines.h"

namespace joulespool::standin {
namespace {

constexpr const char* world_variable = "JSDRV_STANDIN_WORLD";

std::string world_directory() {
  const char* const directory = std::getenv(world_variable);
  return directory == nullptr ? "" : directory;
}

// What jsdrv_initialize() makes.
struct Library {
  SystemClock clock;
  World world{world_directory()};
  Frontend frontend{world, clock, world.driver().version};
  Bench bench{world, frontend, clock};
};

struct CodeText {
  const char* name;
  const char* description;
};
constexpr CodeText code_texts[] = {{"SUCCESS", "Success (no error)"},
                                   {"UNSPECIFIED", "Unspecified error"},
                                   {"NOT_ENOUGH_MEMORY", "Insufficient memory to complete the operation"},
                                   {"NOT_SUPPORTED", "Operation is not supported"},
                                   {"IO", "Input/output error"},
                                   {"PARAMETER_INVALID", "The parameter value is invalid"},
                                   {"INVALID_RETURN_CONDITION", "The function return condition is invalid"},
                                   {"INVALID_CONTEXT", "The context is invalid"},
                                   {"INVALID_MESSAGE_LENGTH", "The message length in invalid"},
                                   {"MESSAGE_INTEGRITY", "The message integrity check failed"},
                                   {"SYNTAX_ERROR", "A syntax error was detected"},
                                   {"TIMED_OUT", "The operation did not complete in time"},
                                   {"FULL", "The target of the operation is full"},
                                   {"EMPTY", "The target of the operation is empty"},
                                   {"TOO_SMALL", "The target of the operation is too small"},
                                   {"TOO_BIG", "The target of the operation is too big"},
                                   {"NOT_FOUND", "The requested resource was not found"},
                                   {"ALREADY_EXISTS", "The requested resource already exists"},
                                   {"PERMISSIONS", "Insufficient permissions to perform the operation"},
                                   {"BUSY", "The requested resource is currently busy"},
                                   {"UNAVAILABLE", "The requested resource is currently unavailable"},
                                   {"IN_USE", "The requested resource is currently in use"},
                                   {"CLOSED", "The requested resource is currently closed"},
                                   {"SEQUENCE", "The requested operation was out of sequence"},
                                   {"ABORTED", "The requested operation was previously aborted"},
                                   {"SYNCHRONIZATION", "The target is not synchronized with the originator"}};

const CodeText& text_of(int32_t code) {
  static constexpr CodeText unknown = {"UNKNOWN", "Unknown error"};
  return code >= 0 && code < static_cast<int32_t>(std::size(code_texts)) ? code_texts[code] : unknown;
}

}  // namespace
}  // namespace joulespool::standin

using joulespool::standin::Library;
using joulespool::standin::LogLines;
using joulespool::standin::TopicValue;
namespace abi = joulespool::device::abi;

#define STANDIN_EXPORT extern "C" __attribute__((visibility("default")))

STANDIN_EXPORT int32_t jsdrv_initialize(Library** context, const void*, uint32_t) {
  const int32_t rc = joulespool::standin::World(joulespool::standin::world_directory()).driver().initialize_rc;
  if (rc != abi::rc_ok) return rc;
  auto library = std::make_unique<Library>();
  library->frontend.start(library->bench);
  *context = library.release();
  return abi::rc_ok;
}

STANDIN_EXPORT void jsdrv_finalize(Library* context, uint32_t timeout_ms) {
  if (context != nullptr && context->frontend.stop(timeout_ms)) delete context;  // else a callback still runs in it
}

STANDIN_EXPORT int32_t jsdrv_publish(Library* context, const char* topic, const abi::Value* value, uint32_t timeout_ms) {
  return context->frontend.publish(topic, *value, timeout_ms);
}

STANDIN_EXPORT int32_t jsdrv_query(Library* context, const char* topic, abi::Value* value, uint32_t timeout_ms) {
  return context->frontend.query(topic, *value, timeout_ms);
}

STANDIN_EXPORT int32_t jsdrv_subscribe(Library* context, const char* topic, uint8_t flags, abi::OnValue function, void* user_data,
                                       uint32_t timeout_ms) {
  constexpr uint8_t otherwise = abi::subscribe_retained | abi::subscribe_published;
  return context->frontend.subscribe({topic, flags == 0 ? otherwise : flags, function, user_data}, timeout_ms);
}

STANDIN_EXPORT int32_t jsdrv_unsubscribe(Library* context, const char* topic, abi::OnValue function, void* user_data,
                                         uint32_t timeout_ms) {
  return context->frontend.unsubscribe({topic, 0, function, user_data}, timeout_ms);
}

STANDIN_EXPORT const char* jsdrv_error_code_name(int32_t code) { return joulespool::standin::text_of(code).name; }
STANDIN_EXPORT const char* jsdrv_error_code_description(int32_t code) { return joulespool::standin::text_of(code).description; }

STANDIN_EXPORT void jsdrv_log_initialize() { LogLines::instance().initialize(); }
STANDIN_EXPORT void jsdrv_log_finalize() { LogLines::instance().finalize(); }
STANDIN_EXPORT int32_t jsdrv_log_register(abi::OnLog function, void* user_data) {
  return LogLines::instance().add(function, user_data);
}
STANDIN_EXPORT int32_t jsdrv_log_unregister(abi::OnLog function, void* user_data) {
  return LogLines::instance().remove(function, user_data);
}
STANDIN_EXPORT void jsdrv_log_level_set(int8_t level) { LogLines::instance().set_level(level); }
