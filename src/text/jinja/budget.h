// budget.h -- what one rendering may use: steps (time) and live bytes (memory). Exhaustion is an error, never a hang.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "core/expected.h"

namespace heed::jinja {

class Budget {
 public:
  Budget(std::int64_t steps, std::int64_t bytes) : steps_left_(steps), bytes_left_(bytes) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// Counts `count` steps; fails once the steps or the bytes are used up.
  Expected<void> step(std::int64_t count = 1) {
    spend(count);
    return check();
  }
  /// Counts without failing: the next check() reports it. Saturates, so that a hostile sum cannot wrap around.
  void spend(std::int64_t count) noexcept {
    if (steps_left_ >= 0) steps_left_ -= count < steps_left_ ? count : steps_left_ + 1;
  }
  void hold(std::size_t bytes) noexcept { bytes_left_ -= static_cast<std::int64_t>(bytes); }
  void release(std::size_t bytes) noexcept { bytes_left_ += static_cast<std::int64_t>(bytes); }
  bool exhausted() const noexcept { return steps_left_ < 0 || bytes_left_ < 0; }
  /// Would `bytes` more fit? Asked before an allocation whose size the template chose.
  bool fits(std::size_t bytes) const noexcept {
    return bytes_left_ >= 0 && bytes <= static_cast<std::size_t>(bytes_left_);
  }
  Expected<void> check() const {
    if (steps_left_ < 0) return fail(Code::too_long, "chat template: more steps than the limit allows");
    if (bytes_left_ < 0) return over_memory();
    return {};
  }
  static Error over_memory() {
    return fail(Code::too_long, "chat template: output and intermediate values exceed the byte limit");
  }

 private:
  std::int64_t steps_left_;
  std::int64_t bytes_left_;
};

/// A heap value. Its bytes are given back to the budget when it dies; constants of the program have no budget.
struct Object {
  Object(Budget* owner, std::size_t held_bytes) : budget(owner), bytes_held(held_bytes) {
    if (budget != nullptr) budget->hold(bytes_held);
  }
  virtual ~Object() {
    if (budget != nullptr) budget->release(bytes_held);
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  Budget* budget;
  std::size_t bytes_held;
  std::int32_t depth = 1;  // 1 + the deepest value inside; bounds every recursion over values
};

}  // namespace heed::jinja
