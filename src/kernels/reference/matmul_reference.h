// matmul_reference.h -- the oracle of the matrix product: double precision, one pair at a time, from the file's bytes.
#pragma once
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "kernels/matmul.h"

namespace heed {

struct MatmulReference {
  std::vector<double> value;      // [rows, n]
  std::vector<double> magnitude;  // [rows, n]: sum of |x * w|, what rounding errors are measured against
};

/// x [rows, k] times w [n, k].
MatmulReference matmul_reference(const Tensor& w, const float* x, std::int64_t rows);
/// The same over what the blocks stand for.
MatmulReference matmul_reference(const Tensor& w, const QuantizedRows& x, std::int64_t rows);

}  // namespace heed
