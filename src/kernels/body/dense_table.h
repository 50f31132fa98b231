// dense_table.h -- small products of float matrices: page summaries against queries, linear attention.
#pragma once
#include <cstdint>

namespace heed {

struct DenseTable {
  /// out[r * out_stride] = a[r] . b for `rows` rows of a, a_stride floats apart; dim is a multiple of 16.
  void (*dots)(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t dim, const float* b, float* out,
               std::int64_t out_stride);
  /// c [rows, n] += a [rows, k] x b [k, n], row strides in floats; n is a multiple of 16. A row's bits depend on that
  /// row of `a` alone: its sums run over k in order.
  void (*product)(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k, const float* b,
                  std::int64_t b_stride, std::int64_t n, float* c, std::int64_t c_stride);
  /// x = exp(x - shift) over n (a multiple of 16) floats.
  void (*exponentials)(float* x, float shift, std::int64_t n);
  /// x = x > 0 ? x + 1 : exp(x) over n (a multiple of 16) floats.
  void (*elu_plus_one)(float* x, std::int64_t n);
};

}  // namespace heed
