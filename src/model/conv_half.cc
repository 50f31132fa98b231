// conv_half.cc -- a layer that looks back a few positions only (LFM 2): two gates about a short convolution.
#include "model/short_conv.h"
#include "model/step.h"

namespace heed {

Expected<void> conv_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                         const Activations& input) {
  const std::int64_t dim = s.spec.dim, width = 3 * dim;
  auto* projected = s.exec.arena.allocate_array<float>(static_cast<std::size_t>(s.rows * width));
  auto* out = s.exec.arena.allocate_array<float>(static_cast<std::size_t>(s.rows * dim));
  if (!projected || !out) return fail(Code::out_of_memory, kArenaFull);
  const MatmulJob in{.w = &w.ssm_in.w, .bias = data_of(w.ssm_in.bias), .out = projected, .out_stride = width};
  HEED_TRY(matmul(input, {&in, 1}, s.exec));
  const ShortConv conv{
      .by_tap = w.conv_by_tap.data(), .bias = data_of(w.conv_bias), .channels = dim, .taps = b.mamba.taps};
  for (std::int64_t r = 0; r < s.rows; ++r) {  // gate | gate of the output | values
    float* row = projected + r * width;
    for (std::int64_t i = 0; i < dim; ++i) row[2 * dim + i] *= row[i];
  }
  std::int64_t row = 0;
  for (const ForwardItem& item : s.items) {
    const auto n = static_cast<std::int64_t>(item.tokens.size());
    convolve(conv, projected + row * width + 2 * dim, width, out + row * dim, dim, n, item.cache->length(),
             item.cache->state(layer));
    row += n;
  }
  for (std::int64_t r = 0; r < s.rows; ++r)
    for (std::int64_t i = 0; i < dim; ++i) out[r * dim + i] *= projected[r * width + dim + i];
  HEED_ASSIGN(const Activations gated, quantize_activations(out, s.rows, dim, s.exec));
  return join(s, gated, w.ssm_out, w.attn_post_norm);
}

std::int64_t conv_bytes_per_row(const ModelSpec& spec, const BlockSpec& b) {
  return b.kind == AttentionKind::conv ? (4 * 4 + 9) * std::int64_t{spec.dim} : 0;
}

}  // namespace heed
