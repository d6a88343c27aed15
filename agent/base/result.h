// Errors are values: every operation that can fail returns Result<T>.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace joulespool {

// What kind of failure it was. The CLI maps these to exit codes (see exit_code.h).
enum class Errc {
  usage,        // wrong option, configuration or argument: the caller must change something
  unreachable,  // a needed part (broker, Kinesis, spool directory, driver) cannot be reached or used
  busy,         // another process holds what is needed
  full,         // no space left, or a limit is reached
  damaged,      // stored or received bytes are not what they must be
  not_found,    // the named thing does not exist
  cancelled,    // stopped on request before it was done
  internal,     // a bug of ours, or a library's unexpected answer
};

struct Error {
  Errc code = Errc::internal;
  std::string message;

  // The same error with "where: " put before its message.
  [[nodiscard]] Error in(std::string_view where) const { return {code, std::string(where) + ": " + message}; }
};

// A value of type T or an Error. Access to the wrong one is a bug (assert).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return assert(ok()), std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return assert(ok()), std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return assert(ok()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const { return assert(!ok()), std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const { return assert(!ok_), error_; }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

// Returns the error of `expression` (a Result) from the enclosing function, with `where` put before it.
#define JOULESPOOL_TRY(expression, where)                                                 \
  do {                                                                                    \
    if (auto try_result = (expression); !try_result) return try_result.error().in(where); \
  } while (false)

}  // namespace joulespool
