// expected.cc -- stable names of error codes.
#include "core/expected.h"

#include <array>

namespace heed {

const char* code_name(Code code) noexcept {
  static constexpr std::array<const char*, 11> kNames = {
      "invalid_argument", "not_found", "malformed", "unsupported",  "out_of_memory", "io",
      "too_long",         "cancelled", "busy",      "unauthorized", "internal"};
  return kNames[static_cast<std::size_t>(code)];
}

}  // namespace heed
