// attention_dot.inl -- lines of bf16 pairs met by a dot-product instruction. Included after attention.inl.

void pack_queries(float* q, std::int64_t rows, std::int64_t dim) {
  for (std::int64_t r = 0; r < rows; ++r) pack_pairs(q + r * dim, dim);
}

struct DotLines {
  static constexpr std::int64_t kColumnBytes = 4;
  static constexpr std::int32_t kValues = 2;
  static constexpr std::int32_t kFloats = 1;  // one packed pair
  using Sum = Floats;
  static constexpr auto kPackQueries = pack_queries;
  template <int kRows, int kWide>
  static void step(const float* a, std::int64_t a_stride, const std::uint8_t* b, Floats (*acc)[kWide]) {
    auto first = load_dot_line(b);
    decltype(first) line[kWide];
    line[0] = first;
    for (int w = 1; w < kWide; ++w) line[w] = load_dot_line(b + 64 * w);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto x = broadcast_pair(a + r * a_stride);
      for (int w = 0; w < kWide; ++w) acc[r][w] = dot_pairs(acc[r][w], x, line[w]);
    }
  }
  static void pack(float* p, std::int64_t n, const std::uint8_t*) { pack_pairs(p, n); }
};
