// dequantize.h -- rows of any encoding as floats, bit-equal to the Python `gguf` package.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace heed {

/// Decodes n values (a multiple of the type's block) into dst. Scalar, exact; used for packing, embedding rows, export.
/// Integer types other than the quantized ones are converted. GGUF specification; ggml-quants layouts.
void dequantize_row(DType type, const std::byte* src, std::int64_t n, float* dst) noexcept;

float half_to_float(std::uint16_t h) noexcept;
std::uint16_t float_to_half(float f) noexcept;  // nearest even
std::uint16_t float_to_bf16(float f) noexcept;  // nearest even; NaN stays NaN
inline float bf16_to_float(std::uint16_t h) noexcept {
  const std::uint32_t bits = static_cast<std::uint32_t>(h) << 16;
  float f;
  __builtin_memcpy(&f, &bits, sizeof f);
  return f;
}

}  // namespace heed
