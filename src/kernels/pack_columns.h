// pack_columns.h -- which pack an encoding has, and how its blocks are read.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "kernels/body/matmul_table.h"

namespace heed {

/// One column's share of one unit: what is stored for 32 values, and what scales them.
struct Column {
  std::uint8_t q[32];
  std::uint16_t scale = 0, min = 0;           // halfs (or bf16) of a unit, or the factors of a super form
  std::uint8_t small[2] = {}, small_min = 0;  // super forms; odd16 has both in the first
  float wide_scale = 0;                       // float256
};

struct PackSource {
  DType type;
  PackKind kind;
  void (*read)(const std::byte* block, int unit, Column& c);  // unit of the block; none for floats
};

/// nullptr when there is no pack.
const PackSource* pack_source(DType type) noexcept;

}  // namespace heed
