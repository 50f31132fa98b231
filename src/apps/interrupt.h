// interrupt.h -- Ctrl-C asks long work to stop, so that it ends tidily.
#pragma once
#include <csignal>

namespace heed {

/// SIGINT and SIGTERM set a flag while this lives.
class InterruptFlag {
 public:
  InterruptFlag();
  ~InterruptFlag();
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;
  static bool is_set() noexcept;

 private:
  struct sigaction before_interrupt_{}, before_terminate_{};
};

}  // namespace heed
