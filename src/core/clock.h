// clock.h -- time as a seam: tests move it by hand.
#pragma once
#include <atomic>
#include <cstdint>

namespace heed {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() const noexcept = 0;        // monotonic
  virtual std::int64_t unix_seconds() const noexcept = 0;  // wall clock
};

/// The machine's clock. Lives as long as the program.
const Clock& system_clock() noexcept;

class FakeClock final : public Clock {
 public:
  std::int64_t now_ns() const noexcept override { return now_.load(); }
  std::int64_t unix_seconds() const noexcept override { return 1'700'000'000 + now_.load() / 1'000'000'000; }
  void advance_ns(std::int64_t ns) noexcept { now_ += ns; }

 private:
  std::atomic<std::int64_t> now_{0};
};

}  // namespace heed
