// dense.inl -- small float products, written once. Included behind math.inl.

template <int kRows>
void dot_rows(const float* a, std::int64_t a_stride, std::int64_t dim, const float* b, float* out,
              std::int64_t out_stride) {
  Floats acc[kRows];
  for (int r = 0; r < kRows; ++r) acc[r] = zero_floats();
  for (std::int64_t i = 0; i < dim; i += 16) {
    const Floats line = load_floats(b + i);
    for (int r = 0; r < kRows; ++r) acc[r] = fma(load_floats(a + r * a_stride + i), line, acc[r]);
  }
  for (int r = 0; r < kRows; ++r) out[r * out_stride] = sum_lanes(acc[r]);
}

void dense_dots(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t dim, const float* b, float* out,
                std::int64_t out_stride) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) dot_rows<4>(a + r * a_stride, a_stride, dim, b, out + r * out_stride, out_stride);
  const auto rest = rows - r == 3 ? dot_rows<3> : rows - r == 2 ? dot_rows<2> : dot_rows<1>;
  if (r < rows) rest(a + r * a_stride, a_stride, dim, b, out + r * out_stride, out_stride);
}

template <int kRows, int kWide>
void product_tile(const float* a, std::int64_t a_stride, std::int64_t k, const float* b, std::int64_t b_stride,
                  float* c, std::int64_t c_stride) {
  Floats acc[kRows][kWide];
  for (int r = 0; r < kRows; ++r)
    for (int w = 0; w < kWide; ++w) acc[r][w] = load_floats(c + r * c_stride + 16 * w);
  for (std::int64_t i = 0; i < k; ++i, b += b_stride) {
    Floats line[kWide];
    for (int w = 0; w < kWide; ++w) line[w] = load_floats(b + 16 * w);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(a[r * a_stride + i]);
      for (int w = 0; w < kWide; ++w) acc[r][w] = fma(x, line[w], acc[r][w]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int w = 0; w < kWide; ++w) store_floats(c + r * c_stride + 16 * w, acc[r][w]);
}

template <int kRows, int kWide>
void product_rows(const float* a, std::int64_t a_stride, std::int64_t k, const float* b, std::int64_t b_stride,
                  std::int64_t n, float* c, std::int64_t c_stride) {
  std::int64_t column = 0;
  for (; column + 16 * kWide <= n; column += 16 * kWide)
    product_tile<kRows, kWide>(a, a_stride, k, b + column, b_stride, c + column, c_stride);
  for (; column < n; column += 16) product_tile<kRows, 1>(a, a_stride, k, b + column, b_stride, c + column, c_stride);
}

void dense_product(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k, const float* b,
                   std::int64_t b_stride, std::int64_t n, float* c, std::int64_t c_stride) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    product_rows<4, 1>(a + r * a_stride, a_stride, k, b, b_stride, n, c + r * c_stride, c_stride);
  for (; r < rows; ++r) product_rows<1, 4>(a + r * a_stride, a_stride, k, b, b_stride, n, c + r * c_stride, c_stride);
}

void dense_exponentials(float* x, float shift, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) store_floats(x + i, exp_floats(sub(load_floats(x + i), broadcast(shift))));
}

void dense_elu_plus_one(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const Floats v = load_floats(x + i);
    store_floats(x + i, add(max(v, zero_floats()), exp_floats(min(v, zero_floats()))));
  }
}

constexpr DenseTable kDense = {dense_dots, dense_product, dense_exponentials, dense_elu_plus_one};
