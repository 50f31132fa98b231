// layers.h -- the small operations between matrices: norms, activations, embedding rows.
#pragma once
#include <cstdint>
#include <span>

#include "core/expected.h"
#include "core/tensor.h"
#include "kernels/exec.h"
#include "kernels/matmul.h"

namespace heed {

/// y = x * rsqrt(mean(x^2) + eps) * weight, per row of `dim`. x and y may be the same.
void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows, std::int64_t dim, float* y,
              Exec& exec);

/// What the readers of activations need: integers always, floats too where a matrix is one of floats.
enum class ActivationForms : std::uint8_t { integers, both };

/// The norm fused with the quantization of its output; the result lives in the arena.
Expected<Activations> rms_norm_quantized(const float* x, const float* weight, float eps, std::int64_t rows,
                                         std::int64_t dim, ActivationForms forms, Exec& exec);

enum class Activation : std::uint8_t { silu, gelu, gelu_tanh };

/// act(gate) * up over values side by side, as matmul() ends with it.
GatedRow gated_row(Activation act, const Exec& exec) noexcept;

/// out[i, :] = float(table[token[i], :]) * scale. table [vocab, dim] of any DType that formats knows how to decode.
void embed_rows(const Tensor& table, std::span<const std::int32_t> tokens, float scale, float* out, Exec& exec);

/// x += y, elementwise over n floats.
void add(float* x, const float* y, std::int64_t n, Exec& exec);

}  // namespace heed
