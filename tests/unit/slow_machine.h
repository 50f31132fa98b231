// slow_machine.h -- how long a test may wait: longer where HEED_SLOW_MACHINE says that the machine is emulated or the
// program under sanitizers.
#pragma once
#include <chrono>
#include <cstdlib>

namespace heed {

/// What a common machine, busy with other work, keeps by far; twenty times as much on a slow one.
inline std::chrono::seconds time_limit(std::chrono::seconds common) {
  return std::getenv("HEED_SLOW_MACHINE") != nullptr ? 20 * common : common;
}

}  // namespace heed
