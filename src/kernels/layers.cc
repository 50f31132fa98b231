// layers.cc -- norms, activations over rows: serial for one row (a region costs microseconds), parallel for many.
#include "kernels/layers.h"

#include <cmath>

#include "kernels/body/layer_table.h"
#include "kernels/dequantize.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr std::int64_t kRowsPerTask = 8;

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

// gelu(x) = x/2 (1 + erf(x / sqrt 2)): no model of today's families needs it fast.
void gated_gelu_row(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = 0.5f * gate[i] * (1.0f + std::erf(gate[i] * 0.70710678f)) * up[i];
}

}  // namespace

void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows, std::int64_t dim, float* y,
              Exec& exec) {
  const auto run = exec.kernels.layers->rms_norm;
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) run(x + r * dim, weight, eps, dim, y + r * dim);
  });
}

Expected<Activations> rms_norm_quantized(const float* x, const float* weight, float eps, std::int64_t rows,
                                         std::int64_t dim, ActivationForms forms, Exec& exec) {
  const auto run = exec.kernels.layers->rms_norm;
  return make_rows(rows, dim, forms, exec, [&](std::int64_t r, float* y) { run(x + r * dim, weight, eps, dim, y); });
}

GatedRow gated_row(Activation act, const Exec& exec) noexcept {
  const LayerTable& table = *exec.kernels.layers;
  return act == Activation::silu        ? table.gated_silu
         : act == Activation::gelu_tanh ? table.gated_gelu_tanh
                                        : gated_gelu_row;
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
  constexpr std::int64_t kFloatsPerTask = 16384;
  exec.pool.parallel_for(n, kFloatsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    exec.kernels.layers->add(x + begin, y + begin, end - begin);
  });
}

}  // namespace heed
