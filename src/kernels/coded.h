// coded.h -- GGUF's encodings whose bits are codes: of numbers in a table, points of a lattice, digits of base three.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace heed {

/// 32 values: value i = factor * scale[i / 16] * number[i], rounded once (the first product is exact).
struct CodedUnit {
  float factor;
  std::int8_t scale[2];
  std::int8_t number[32];
};

/// Decodes unit `unit` of a block: values 32 * unit .. 32 * unit + 31.
using DecodeUnit = void (*)(const std::byte* block, int unit, CodedUnit& out) noexcept;

/// nullptr for encodings of another kind.
DecodeUnit coded_decoder(DType type) noexcept;

}  // namespace heed
