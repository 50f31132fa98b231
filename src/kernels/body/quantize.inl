// quantize.inl -- float rows become activations. Included by matmul.inl.

// Below it 127 / top overflows; such a block counts as zeros.
constexpr float kSmallestTop = 1e-36f;

inline Floats to_levels(float top, float levels) { return broadcast(top > kSmallestTop ? levels / top : 0.0f); }

void quantize_fast(const float* x, std::int64_t k, std::int8_t* q, float* scale, std::int32_t* sum) {
  constexpr float kLevels = 127.0f;
  for (std::int64_t u = 0; u < k / kUnitDepth; ++u, x += kUnitDepth, q += kUnitDepth) {
    const Floats a = load_floats(x), b = load_floats(x + 16);
    const float top = max_abs(a, b);
    scale[u] = top / kLevels;
    const Floats inverse = to_levels(top, kLevels);
    sum[2 * u] = round_to_bytes(mul(a, inverse), q);
    sum[2 * u + 1] = round_to_bytes(mul(b, inverse), q + 16);
  }
}

// 32512 = 127 * 256: the high half stays within +-127, the low one within a byte.
constexpr float kExactLevels = 32512.0f;

// Scales a row so that its largest is kExactLevels, and hands 32 values at a time to write(unit, first, second).
template <class Write>
inline void quantize_row(const float* x, std::int64_t k, float* scale, Write write) {
  float top = 0;
  for (std::int64_t i = 0; i < k; i += kUnitDepth) {
    const float t = max_abs(load_floats(x + i), load_floats(x + i + 16));
    top = t > top ? t : top;
  }
  *scale = top / kExactLevels;
  const Floats inverse = to_levels(top, kExactLevels);
  for (std::int64_t u = 0; u < k / kUnitDepth; ++u, x += kUnitDepth)
    write(u, mul(load_floats(x), inverse), mul(load_floats(x + 16), inverse));
}

void quantize_exact(const float* x, std::int64_t k, std::int8_t* q, std::int8_t* low, float* scale, std::int32_t* sum) {
  quantize_row(x, k, scale, [q, low, sum](std::int64_t u, const Floats& a, const Floats& b) {
    const std::int64_t at = u * kUnitDepth;
    sum[2 * u] = round_to_halves(a, q + at, low + at);
    sum[2 * u + 1] = round_to_halves(b, q + at + 16, low + at + 16);
  });
}

template <class Form>
void quantize_words(const float* x, std::int64_t k, std::int16_t* words, float* scale, std::int32_t* sum) {
  quantize_row(x, k, scale, [words, sum](std::int64_t u, const Floats& a, const Floats& b) {
    Form::round_to_words(a, b, words + u * kUnitDepth, sum + 2 * u);
  });
}

template <class Form>
constexpr auto words_quantizer() {
  if constexpr (kWordRows > 0)
    return quantize_words<Form>;
  else
    return nullptr;
}
