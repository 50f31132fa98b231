// activation_mode.h -- how finely activations are quantized before they meet quantized weights.
#pragma once
#include <cstdint>

namespace heed {

enum class ActivationMode : std::uint8_t {
  exact,  // 16 bits in blocks of 32: the rounding vanishes beside the weights' own (docs/adr/0004)
  fast,   // 8 bits in blocks of 32: up to twice the speed on long prompts, a measurable divergence
};

}  // namespace heed
