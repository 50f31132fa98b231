// matmul.h -- activations times packed weights: out[r, n] = sum_k x[r, k] * w[n, k] (+ bias, + what was there).
//
// Weights are packed once at load ("W32": units of 16 output columns x 32 k that keep the file's bits). Activations
// are quantized once per norm output to blocks of 32 and shared by every matrix that reads them. Integer dots are
// exact; float sums run in k order, so a row's result depends on nothing but that row: not on the batch, the tile or
// the threads.
#pragma once
#include <cstdint>
#include <span>

#include "core/expected.h"
#include "kernels/body/tile_height.h"
#include "kernels/exec.h"
#include "kernels/packed_matrix.h"

namespace heed {

/// Activations: value = scale * (256 * q + low) in exact mode, with one scale a row; scale * q in fast mode, with one
/// for every 32. Many exact rows are 16-bit words instead where the processor multiplies those faster: value = scale *
/// word.
struct QuantizedRows {
  const std::int8_t* q = nullptr;       // [rows, k], |q| <= 127
  const std::int8_t* low = nullptr;     // [rows, k], exact mode; none in fast mode
  const std::int16_t* words = nullptr;  // [rows, k], instead of q and low; of each 32 the even ones, then the odd ones
  const std::int8_t* tiles = nullptr;   // the same once more where a processor loads sixteen rows at once (TileUnit)
  const float* scale = nullptr;         // exact: [rows]; fast: [rows, k/32]
  const std::int32_t* sum = nullptr;    // [rows, k/16], sum of the integers over 16 values

  bool is_exact() const noexcept { return low || words; }
  TileUnit unit() const noexcept { return {low != nullptr}; }
  /// The integer of value i of [rows, k], whatever the form.
  int integer(std::size_t i) const noexcept {
    const std::size_t in_block = i % 32;
    if (words) return words[i - in_block + in_block / 2 + in_block % 2 * 16];
    return low ? 256 * q[i] + low[i] : q[i];
  }
  /// The same from row `first` on; k as above. Tiles have no part that begins between them.
  QuantizedRows from(std::int64_t first, std::int64_t k) const noexcept {
    return {q ? q + first * k : nullptr,
            low ? low + first * k : nullptr,
            words ? words + first * k : nullptr,
            tiles && first % kTileHeight == 0 ? tiles + first / kTileHeight * (k / 32) * unit().bytes() : nullptr,
            scale + first * (is_exact() ? 1 : k / 32),
            sum + first * (k / 16)};
  }
};

/// One matrix' left operand, in the forms that the matrices need.
struct Activations {
  const float* f32 = nullptr;  // [rows, k] or none
  QuantizedRows quantized;
  std::int64_t rows = 0, k = 0;
};

/// Quantizes x [rows, k] into the arena as exec.activations says: scale = max|x| / 32512 over the row (exact) or / 127
/// over 32 values (fast), rounded to nearest even. k is a multiple of 32.
Expected<Activations> quantize_activations(const float* x, std::int64_t rows, std::int64_t k, Exec& exec);

/// Room in the arena for quantized rows, filled row by row: what every operation that ends in activations uses.
struct QuantizedBuffer {
  std::int8_t* q = nullptr;
  std::int8_t* low = nullptr;
  std::int16_t* words = nullptr;
  std::int8_t* tiles = nullptr;
  float* scale = nullptr;
  std::int32_t* sum = nullptr;
  std::int64_t k = 0;

  static Expected<QuantizedBuffer> make(std::int64_t rows, std::int64_t k, Exec& exec);
  void fill(std::int64_t row, const float* x, const Exec& exec) const;
  QuantizedRows rows() const noexcept { return {q, low, words, tiles, scale, sum}; }
};

/// out = f(gate, up) over n values, n a multiple of 16; out may be either of them.
using GatedRow = void (*)(const float* gate, const float* up, std::int64_t n, float* out);

struct MatmulJob {
  const PackedMatrix* w = nullptr;
  const float* bias = nullptr;  // [n] or none
  float* out = nullptr;         // [rows, n] with stride
  std::int64_t out_stride = 0;  // floats between rows of out
  bool accumulate = false;      // out += result (residual) instead of out =
  // A gated layer's other half, [n, k] like w: out = gated(x gate^T + gate_bias, x w^T + bias). Not with accumulate.
  const PackedMatrix* gate = nullptr;
  const float* gate_bias = nullptr;  // [n] or none
  GatedRow gated = nullptr;
};

/// All jobs share the left operand and run in one parallel region.
Expected<void> matmul(const Activations& x, std::span<const MatmulJob> jobs, Exec& exec);

}  // namespace heed
