// layers.h -- the small operations between matrices: norms, RoPE, activations, embedding rows.
#pragma once
#include <cstdint>
#include <span>

#include "core/expected.h"
#include "core/tensor.h"
#include "kernels/exec.h"
#include "kernels/matmul.h"

namespace heed {

/// y = x * rsqrt(mean(x^2) + eps) * weight, per row of `dim`. x and y may be the same. Rows strides in floats.
void rms_norm(const float* x, std::int64_t x_stride, const float* weight, float eps, std::int64_t rows,
              std::int64_t dim, float* y, std::int64_t y_stride, Exec& exec);

/// The norm fused with the quantization of its output; both forms of the result live in the arena.
Expected<Activations> rms_norm_quantized(const float* x, const float* weight, float eps, std::int64_t rows,
                                         std::int64_t dim, Exec& exec);

/// Rotary position embedding (Su et al. 2021). Pairs are (i, i + dims/2) when split ("neox"), (2i, 2i+1) when
/// interleaved.
struct RopeSpec {
  std::int32_t dims = 0;  // rotated dims of a head; 0: none
  float base = 10000.0f;
  float scale = 1.0f;  // positions are multiplied by it (linear scaling: 1/factor)
  bool interleaved = false;
  std::span<const float> factors;  // [dims/2] divides each frequency (Llama 3, long-rope); empty: ones
};

/// Radians a position of pair i.
double rope_frequency(const RopeSpec& spec, std::int64_t i) noexcept;

/// Rotates x [rows, heads, head_dim] in place; positions [rows]. cos/sin are computed in double.
Expected<void> rope(const RopeSpec& spec, float* x, std::int64_t row_stride, std::int64_t rows, std::int32_t heads,
                    std::int32_t head_dim, const std::int32_t* positions, Exec& exec);

enum class Activation : std::uint8_t { silu, gelu, gelu_tanh };

/// act(gate) * up, quantized into the arena. gate and up [rows, dim] with the same stride.
Expected<Activations> gated_activation(Activation act, const float* gate, const float* up, std::int64_t stride,
                                       std::int64_t rows, std::int64_t dim, Exec& exec);

/// out[i, :] = float(table[token[i], :]) * scale. table [vocab, dim] of any DType that formats knows how to decode.
void embed_rows(const Tensor& table, std::span<const std::int32_t> tokens, float scale, float* out, Exec& exec);

/// x += y, elementwise over n floats.
void add(float* x, const float* y, std::int64_t n, Exec& exec);

}  // namespace heed
