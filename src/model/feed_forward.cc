// feed_forward.cc -- a block's second half, and how either half joins the residual stream.
#include "model/step.h"

namespace heed {
namespace {

Expected<Activations> hidden_of(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  MatmulJob job{.w = &w.up.w, .bias = data_of(w.up.bias), .out = s.hidden, .out_stride = b.ffn_dim};
  const bool is_gated = b.is_gated && w.gate.w.n() > 0;
  if (is_gated) {
    job.gate = &w.gate.w;
    job.gate_bias = data_of(w.gate.bias);
    job.gated = gated_row(b.activation, s.exec);
  }
  HEED_TRY(matmul(input, {&job, 1}, s.exec));
  if (is_gated) return quantize_activations(s.hidden, s.rows, b.ffn_dim, s.exec);
  return activate_quantized(s.hidden, b.ungated.value_or(b.activation), s.rows, b.ffn_dim, forms_for(w.down.w), s.exec);
}

}  // namespace

void join_branch(Step& s, const NormWeights& post_norm) {
  const std::int64_t dim = s.spec.dim;
  const bool is_sum = s.spec.norm_place == NormPlace::sum;
  if (!is_sum && !post_norm.weight.empty()) norm_rows(s.branch, dim, norm_of(s.spec, post_norm), s.rows, dim, s.exec);
  if (s.spec.residual_scale == 1.0f)
    add(s.x, s.branch, s.rows * dim, s.exec);
  else
    add_scaled(s.x, s.branch, s.spec.residual_scale, s.rows * dim, s.exec);
  if (is_sum) norm_rows(s.x, dim, norm_of(s.spec, post_norm), s.rows, dim, s.exec);
}

Expected<void> join(Step& s, const Activations& input, const Linear& w, const NormWeights& post_norm) {
  const bool is_plain = post_norm.weight.empty() && s.spec.residual_scale == 1.0f;
  const MatmulJob job{.w = &w.w,
                      .bias = data_of(w.bias),
                      .out = is_plain ? s.x : s.branch,
                      .out_stride = s.spec.dim,
                      .accumulate = is_plain};
  HEED_TRY(matmul(input, {&job, 1}, s.exec));
  if (!is_plain) join_branch(s, post_norm);
  return {};
}

Expected<void> feed_forward_half(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  if (b.experts.count > 0) {
    HEED_TRY(mix_experts(s, b, w, input));
    join_branch(s, w.ffn_post_norm);
    return {};
  }
  HEED_ASSIGN(const Activations hidden, hidden_of(s, b, w, input));
  return join(s, hidden, w.down, w.ffn_post_norm);
}

}  // namespace heed
