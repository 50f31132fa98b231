// tensor.h -- a view of numbers: never owns, never resizes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace heed {

/// Row-major; shape[0] is outermost, the last dimension is contiguous and holds whole blocks.
struct Tensor {
  const std::byte* data = nullptr;
  DType dtype = DType::f32;
  std::int32_t rank = 0;                   // 0..4
  std::array<std::int64_t, 4> shape = {};  // [rank]

  explicit operator bool() const noexcept { return data != nullptr; }
  std::int64_t cols() const noexcept { return rank == 0 ? 0 : shape[static_cast<std::size_t>(rank - 1)]; }
  std::int64_t rows() const noexcept {
    std::int64_t n = rank == 0 ? 0 : 1;
    for (std::int32_t i = 0; i + 1 < rank; ++i) n *= shape[static_cast<std::size_t>(i)];
    return n;
  }
  std::int64_t bytes() const noexcept { return rows() * row_bytes(dtype, cols()); }
  const std::byte* row(std::int64_t r) const noexcept { return data + r * row_bytes(dtype, cols()); }
  /// Rows [first, first + n) of a matrix.
  Tensor row_range(std::int64_t first, std::int64_t n) const noexcept {
    return {.data = row(first), .dtype = dtype, .rank = 2, .shape = {n, cols()}};
  }
};

}  // namespace heed
