// matmul_reference.cc -- shares nothing with the kernels but the decoder of a row, which has goldens of its own.
#include "kernels/reference/matmul_reference.h"

#include <cmath>

#include "kernels/dequantize.h"

namespace heed {
namespace {

MatmulReference multiply(const Tensor& w, const std::vector<double>& x, std::int64_t rows) {
  const std::int64_t n = w.rows(), k = w.cols();
  const auto size = static_cast<std::size_t>(rows * n);
  MatmulReference out{std::vector<double>(size), std::vector<double>(size)};
  std::vector<float> column(static_cast<std::size_t>(k));
  for (std::int64_t c = 0; c < n; ++c) {
    dequantize_row(w.dtype, w.row(c), k, column.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      double value = 0, magnitude = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        const double product = x[static_cast<std::size_t>(r * k + i)] * column[static_cast<std::size_t>(i)];
        value += product;
        magnitude += std::fabs(product);
      }
      out.value[static_cast<std::size_t>(r * n + c)] = value;
      out.magnitude[static_cast<std::size_t>(r * n + c)] = magnitude;
    }
  }
  return out;
}

}  // namespace

MatmulReference matmul_reference(const Tensor& w, const float* x, std::int64_t rows) {
  return multiply(w, std::vector<double>(x, x + rows * w.cols()), rows);
}

MatmulReference matmul_reference(const Tensor& w, const QuantizedRows& x, std::int64_t rows) {
  std::vector<double> values(static_cast<std::size_t>(rows * w.cols()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t block = x.is_exact() ? i / static_cast<std::size_t>(w.cols()) : i / 32;
    values[i] = double{x.scale[block]} * x.integer(i);
  }
  return multiply(w, values, rows);
}

}  // namespace heed
