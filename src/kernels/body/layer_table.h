// layer_table.h -- the small operations' inner loops, one row at a time.
#pragma once
#include <cstdint>

#include "kernels/body/dense_table.h"

namespace heed {

struct LayerTable {
  /// y = x * rsqrt(mean(x^2) + eps) * weight over dim (a multiple of 16) floats; x and y may be the same.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t dim, float* y);
  /// Rotates pairs (x[i], x[i + half]) by (cos[i], sin[i]).
  void (*rotate_split)(float* x, const float* cos, const float* sin, std::int64_t half);
  /// out = act(gate) * up over n (a multiple of 16) floats, for silu and the tanh form of gelu.
  void (*gated_silu)(const float* gate, const float* up, std::int64_t n, float* out);
  void (*gated_gelu_tanh)(const float* gate, const float* up, std::int64_t n, float* out);
  /// x += y over n floats.
  void (*add)(float* x, const float* y, std::int64_t n);
  DenseTable dense;
};

}  // namespace heed
