// float_products.inl -- products with float weights: panels [k, 16] of f32, f16 or bf16. Included by matmul.inl.

template <PackKind kKind>
Floats float_weights(const std::uint8_t* panel, std::int64_t k) {
  if constexpr (kKind == PackKind::f32) return load_floats(reinterpret_cast<const float*>(panel) + k * kPanelColumns);
  if constexpr (kKind == PackKind::f16) return load_halfs(panel + k * 2 * kPanelColumns);
  return load_bf16(panel + k * 2 * kPanelColumns);
}

template <PackKind kKind, int kRows>
void float_tile(const std::uint8_t* panel, const float* x, std::int64_t depth, float* out, std::int64_t stride) {
  Floats acc[kRows];
  for (int r = 0; r < kRows; ++r) acc[r] = zero_floats();
  for (std::int64_t k = 0; k < depth; ++k) {
    const Floats w = float_weights<kKind>(panel, k);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r] = fma(w, broadcast(x[r * depth + k]), acc[r]);
  }
  for (int r = 0; r < kRows; ++r) store_floats(out + r * stride, acc[r]);
}

template <PackKind kKind, int kRows>
void remaining_float_rows(std::int64_t rows, const std::uint8_t* panel, const float* x, std::int64_t depth, float* out,
                          std::int64_t stride) {
  if constexpr (kRows > 1) {
    if (rows == kRows - 1) return float_tile<kKind, kRows - 1>(panel, x, depth, out, stride);
    remaining_float_rows<kKind, kRows - 1>(rows, panel, x, depth, out, stride);
  }
}

template <PackKind kKind>
void multiply_floats(const FloatPanelTask& t) {
  constexpr int kRows = 6;
  const std::int64_t stride = t.out_stride;
  for (std::int64_t p = 0; p < t.panels; ++p) {
    const std::uint8_t* panel = t.panel + p * t.panel_bytes;
    float* out = t.out + p * kPanelColumns;
    std::int64_t row = 0;
    for (; row + kRows <= t.rows; row += kRows)
      float_tile<kKind, kRows>(panel, t.x + row * t.k, t.k, out + row * stride, stride);
    remaining_float_rows<kKind, kRows>(t.rows - row, panel, t.x + row * t.k, t.k, out + row * stride, stride);
  }
}
