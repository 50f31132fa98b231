// layers.h -- the small operations between matrices: norms, activations, embedding rows.
#pragma once
#include <cstdint>
#include <span>

#include "core/expected.h"
#include "core/tensor.h"
#include "kernels/exec.h"
#include "kernels/matmul.h"

namespace heed {

/// By the root mean square (Zhang & Sennrich 2019), or by mean and variance (Ba et al. 2016).
enum class NormKind : std::uint8_t { rms, layer };

/// rms: y = x * rsqrt(mean(x^2) + eps) * weight; layer: y = (x - mean) * rsqrt(variance + eps) * weight + bias.
struct Norm {
  NormKind kind = NormKind::rms;
  float eps = 1e-5f;
  const float* weight = nullptr;  // [dim]
  const float* bias = nullptr;    // [dim] or none; of kind layer
};

/// One row of `dim` floats; x and y may be the same.
void norm_row(const float* x, const Norm& norm, std::int64_t dim, float* y, const Exec& exec) noexcept;

/// Norms rows of `dim` floats, `stride` apart, in place.
void norm_rows(float* x, std::int64_t stride, const Norm& norm, std::int64_t rows, std::int64_t dim, Exec& exec);

/// What the readers of activations need: integers always, floats too where a matrix is one of floats.
enum class ActivationForms : std::uint8_t { integers, both };

/// The norm fused with the quantization of its output; the result lives in the arena.
Expected<Activations> norm_quantized(const float* x, const Norm& norm, std::int64_t rows, std::int64_t dim,
                                     ActivationForms forms, Exec& exec);

/// clamped_silu: gate * sigmoid(1.702 gate) * (up + 1), gate at most 7, up in -7..7 (gpt-oss model card, 2025).
enum class Activation : std::uint8_t { silu, gelu, gelu_tanh, relu, relu_squared, clamped_silu };

/// act(gate) * up over values side by side, as matmul() ends with it.
GatedRow gated_row(Activation act, const Exec& exec) noexcept;

/// y = act(x) over n values, n a multiple of 16; serial. y may be x.
void activate(const float* x, Activation act, std::int64_t n, float* y, const Exec& exec) noexcept;

/// act(x) [rows, n] without a gate, quantized; n is a multiple of 32.
Expected<Activations> activate_quantized(const float* x, Activation act, std::int64_t rows, std::int64_t n,
                                         ActivationForms forms, Exec& exec);

/// out[i, :] = float(table[token[i], :]) * scale. table [vocab, dim] of any DType that formats knows how to decode.
void embed_rows(const Tensor& table, std::span<const std::int32_t> tokens, float scale, float* out, Exec& exec);

/// x += y, elementwise over n floats.
void add(float* x, const float* y, std::int64_t n, Exec& exec);

/// x += scale * y, elementwise over n floats.
void add_scaled(float* x, const float* y, float scale, std::int64_t n, Exec& exec);

}  // namespace heed
