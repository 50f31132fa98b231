// layers.cc -- norms, activations over rows: serial for one row (a region costs microseconds), parallel for many.
#include "kernels/layers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/body/layer_table.h"
#include "kernels/dequantize.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr std::int64_t kRowsPerTask = 8;
constexpr std::int64_t kFloatsPerTask = 16384;

// Makes each row by `make` and quantizes it while it is warm. Floats nobody reads stay in a row of scratch a worker.
template <class F>
Expected<Activations> make_rows(std::int64_t rows, std::int64_t dim, ActivationForms forms, Exec& exec, F make) {
  HEED_ASSIGN(const QuantizedBuffer out, QuantizedBuffer::make(rows, dim, exec));
  const bool keeps_floats = forms == ActivationForms::both;
  const std::int64_t kept = keeps_floats ? rows : exec.pool.threads();
  auto* f32 = exec.arena.allocate_array<float>(static_cast<std::size_t>(kept * dim));
  if (!f32) return fail(Code::out_of_memory, "layers: the step's arena is full");
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = f32 + (keeps_floats ? r : worker) * dim;
      make(r, row);
      out.fill(r, row, exec);
    }
  });
  return Activations{.f32 = keeps_floats ? f32 : nullptr, .quantized = out.rows(), .rows = rows, .k = dim};
}

// Sums of kLanes columns, joined in one order: the compiler may keep them in vectors of any width.
template <class F>
float sum_of(std::int64_t n, F value) {
  constexpr std::int64_t kLanes = 16;
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < n; i += kLanes)
    for (std::int64_t j = 0; j < kLanes && i + j < n; ++j) lanes[j] += value(i + j);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

void layer_norm_row(const float* x, const Norm& norm, std::int64_t dim, float* y) {
  const auto n = static_cast<float>(dim);
  const float mean = sum_of(dim, [&](std::int64_t i) { return x[i]; }) / n;
  const float variance = sum_of(dim, [&](std::int64_t i) { return (x[i] - mean) * (x[i] - mean); }) / n;
  const float scale = 1.0f / std::sqrt(variance + norm.eps);
  for (std::int64_t i = 0; i < dim; ++i)
    y[i] = (x[i] - mean) * scale * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.0f);
}

// Activations that few models have are written once, for the compiler to vectorize.
template <float (*Act)(float)>
void gated(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = Act(gate[i]) * up[i];
}

float gelu(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); }
float relu(float x) { return x > 0.0f ? x : 0.0f; }
float relu_squared(float x) { return x > 0.0f ? x * x : 0.0f; }

void gated_clamped_silu(const float* gate, const float* up, std::int64_t n, float* out) {
  constexpr float kLimit = 7.0f, kSlope = 1.702f;
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = std::min(gate[i], kLimit), u = std::clamp(up[i], -kLimit, kLimit);
    out[i] = g / (1.0f + std::exp(-kSlope * g)) * (u + 1.0f);
  }
}

}  // namespace

void norm_row(const float* x, const Norm& norm, std::int64_t dim, float* y, const Exec& exec) noexcept {
  if (norm.kind == NormKind::layer) return layer_norm_row(x, norm, dim, y);
  exec.kernels.layers->rms_norm(x, norm.weight, norm.eps, dim, y);
}

void norm_rows(float* x, std::int64_t stride, const Norm& norm, std::int64_t rows, std::int64_t dim, Exec& exec) {
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) norm_row(x + r * stride, norm, dim, x + r * stride, exec);
  });
}

Expected<Activations> norm_quantized(const float* x, const Norm& norm, std::int64_t rows, std::int64_t dim,
                                     ActivationForms forms, Exec& exec) {
  return make_rows(rows, dim, forms, exec,
                   [&](std::int64_t r, float* y) { norm_row(x + r * dim, norm, dim, y, exec); });
}

GatedRow gated_row(Activation act, const Exec& exec) noexcept {
  const LayerTable& table = *exec.kernels.layers;
  switch (act) {
    case Activation::silu:
      return table.gated_silu;
    case Activation::gelu_tanh:
      return table.gated_gelu_tanh;
    case Activation::gelu:
      return gated<gelu>;
    case Activation::relu:
      return gated<relu>;
    case Activation::relu_squared:
      return gated<relu_squared>;
    case Activation::clamped_silu:
      break;
  }
  return gated_clamped_silu;
}

void activate(const float* x, Activation act, std::int64_t n, float* y, const Exec& exec) noexcept {
  constexpr std::int64_t kStep = 256;
  static constexpr auto kOnes = [] {
    std::array<float, kStep> ones{};
    ones.fill(1.0f);
    return ones;
  }();
  const GatedRow run = gated_row(act, exec);
  for (std::int64_t i = 0; i < n; i += kStep) run(x + i, kOnes.data(), std::min(kStep, n - i), y + i);
}

Expected<Activations> activate_quantized(const float* x, Activation act, std::int64_t rows, std::int64_t n,
                                         ActivationForms forms, Exec& exec) {
  return make_rows(rows, n, forms, exec, [&](std::int64_t r, float* y) { activate(x + r * n, act, n, y, exec); });
}

void embed_rows(const Tensor& table, std::span<const std::int32_t> tokens, float scale, float* out, Exec& exec) {
  const std::int64_t dim = table.cols();
  exec.pool.parallel_for(static_cast<std::int64_t>(tokens.size()), 16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      float* row = out + i * dim;
      dequantize_row(table.dtype, table.row(tokens[static_cast<std::size_t>(i)]), dim, row);
      if (scale != 1.0f)
        for (std::int64_t c = 0; c < dim; ++c) row[c] *= scale;
    }
  });
}

void add(float* x, const float* y, std::int64_t n, Exec& exec) {
  exec.pool.parallel_for(n, kFloatsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    exec.kernels.layers->add(x + begin, y + begin, end - begin);
  });
}

void add_scaled(float* x, const float* y, float scale, std::int64_t n, Exec& exec) {
  exec.pool.parallel_for(n, kFloatsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) x[i] += scale * y[i];
  });
}

}  // namespace heed
