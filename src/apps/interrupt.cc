// interrupt.cc -- the flag.
#include "apps/interrupt.h"

namespace heed {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

}  // namespace

InterruptFlag::InterruptFlag() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, &before_interrupt_);
  ::sigaction(SIGTERM, &action, &before_terminate_);
}

InterruptFlag::~InterruptFlag() {
  ::sigaction(SIGINT, &before_interrupt_, nullptr);
  ::sigaction(SIGTERM, &before_terminate_, nullptr);
}

bool InterruptFlag::is_set() noexcept { return interrupted != 0; }

}  // namespace heed
