// layers.inl -- norms, RoPE, activations: written once. Included like matmul.inl.
#include "kernels/body/math.inl"

#include "kernels/body/dense.inl"

void rms_norm_row(const float* x, const float* weight, float eps, std::int64_t dim, float* y) {
  Floats squares = zero_floats();
  for (std::int64_t i = 0; i < dim; i += 16) {
    const Floats v = load_floats(x + i);
    squares = fma(v, v, squares);
  }
  const Floats factor = broadcast(1.0f / __builtin_sqrtf(sum_lanes(squares) / static_cast<float>(dim) + eps));
  for (std::int64_t i = 0; i < dim; i += 16)
    store_floats(y + i, mul(mul(load_floats(x + i), factor), load_floats(weight + i)));
}

void rotate_split_row(float* x, const float* cos, const float* sin, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const Floats a = load_floats(x + i), b = load_floats(x + half + i), c = load_floats(cos + i),
                 s = load_floats(sin + i);
    store_floats(x + i, fma(a, c, negate(mul(b, s))));
    store_floats(x + half + i, fma(b, c, mul(a, s)));
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    x[i] = __builtin_fmaf(a, cos[i], -(b * sin[i]));
    x[half + i] = __builtin_fmaf(b, cos[i], a * sin[i]);
  }
}

void gated_silu_row(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const Floats g = load_floats(gate + i);
    store_floats(out + i, mul(mul(g, sigmoid(g)), load_floats(up + i)));
  }
}

// gelu_tanh(x) = x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)   (Hendrycks and Gimpel, 2016)
void gated_gelu_tanh_row(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const Floats g = load_floats(gate + i);
    const Floats u = mul(mul(g, broadcast(1.5957691216f)), fma(mul(g, g), broadcast(0.044715f), broadcast(1.0f)));
    store_floats(out + i, mul(mul(g, sigmoid(u)), load_floats(up + i)));
  }
}

void add_row(float* x, const float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_floats(x + i, add(load_floats(x + i), load_floats(y + i)));
  for (; i < n; ++i) x[i] += y[i];
}

constexpr LayerTable kTable = {rms_norm_row, rotate_split_row, gated_silu_row, gated_gelu_tanh_row, add_row, kDense};
