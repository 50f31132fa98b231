// expected.h -- a value or a named error. The only way a function below apps/ reports failure.
#pragma once
#include <cassert>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace heed {

enum class Code : unsigned char {
  invalid_argument,  // the caller's value is impossible: names the field in `where`
  not_found,         // no such file, model, tensor, key
  malformed,         // bytes that break their format
  unsupported,       // well formed, but heed has no code for it
  out_of_memory,
  io,        // the operating system said no
  too_long,  // over a stated limit
  cancelled,
  busy,  // try again later
  unauthorized,
  internal,
};

/// The stable name of a code, for logs and JSON ("invalid_argument", ...).
const char* code_name(Code code) noexcept;

struct Error {
  Code code = Code::internal;
  std::string text;   // operation: what was expected, what came
  std::string where;  // field, file or tensor name; may be empty
};

template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  bool has_value() const noexcept { return state_.index() == 0; }
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)) {}
  explicit operator bool() const noexcept { return !error_; }
  bool has_value() const noexcept { return !error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

inline Error fail(Code code, std::string text, std::string where = {}) {
  return Error{code, std::move(text), std::move(where)};
}

}  // namespace heed

// HEED_TRY(expr): returns the error of `expr` from the calling function.
#define HEED_TRY(expr)                                                            \
  do {                                                                            \
    if (auto heed_try_ = (expr); !heed_try_) return std::move(heed_try_).error(); \
  } while (false)

#define HEED_JOIN_(a, b) a##b
#define HEED_JOIN(a, b) HEED_JOIN_(a, b)
// HEED_ASSIGN(auto x, expr): declares or assigns the value of `expr`, or returns its error.
#define HEED_ASSIGN(target, expr) HEED_ASSIGN_(HEED_JOIN(heed_value_, __LINE__), target, expr)
#define HEED_ASSIGN_(tmp, target, expr)    \
  auto tmp = (expr);                       \
  if (!tmp) return std::move(tmp).error(); \
  target = std::move(*tmp)
