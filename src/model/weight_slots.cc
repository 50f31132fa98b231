// weight_slots.cc -- the one visit over a spec's weights: canonical names, shapes, places.
#include <algorithm>

#include "model/weights.h"

namespace heed {
namespace {

using Visit = std::function<Expected<void>(const WeightSlot&)>;

Expected<void> visit_scores(const BlockSpec& b, const std::string& p, const std::string& first, BlockWeights& w,
                            const Visit& visit) {
  if (b.has_sink_logits) HEED_TRY(visit({p + "attn_sinks.weight", "", 0, b.attention.heads, &w.sink_logit}));
  if (!b.has_relative_bias) return {};
  return visit(
      {p + "attn_rel_b.weight", first + "attn_rel_b.weight", b.relative.buckets, b.attention.heads, &w.relative_bias});
}

Expected<void> visit_linear(const BlockSpec& b, const std::string& p, std::int64_t dim, BlockWeights& w,
                            const Visit& visit) {
  if (b.kind != AttentionKind::linear) return {};
  const std::int64_t kv_heads = b.attention.kv_heads;
  if (b.linear.kind == LinearKind::performer)
    return visit({p + "attn_features.weight", "", b.head_dim, b.linear.features, &w.features});
  if (!is_gated(b.linear.kind)) return {};
  HEED_TRY(visit({p + "ssm_alpha.weight", "", kv_heads, dim, &w.decay.w}));
  HEED_TRY(visit({p + "ssm_dt.bias", "", 0, kv_heads, &w.decay_bias}));
  HEED_TRY(visit({p + "ssm_a", "", 0, kv_heads, &w.decay_rate}));
  if (b.linear.kind != LinearKind::gated_delta) return {};
  return visit({p + "ssm_beta.weight", "", kv_heads, dim, &w.write.w});
}

Expected<void> visit_norm(const ModelSpec& spec, const std::string& name, NormWeights& n, const Visit& visit) {
  HEED_TRY(visit({name + ".weight", "", 0, spec.dim, &n.weight}));
  if (spec.norm == NormKind::rms) return {};
  return visit({name + ".bias", "", 0, spec.dim, &n.bias, 0, 0, true});
}

// Part of a tensor that holds more: rows [first, ...) of `of`.
struct Cut {
  std::string name;
  std::int64_t first = 0, of = 0;
};

// One block's slots.
struct BlockVisit {
  const ModelSpec& spec;
  const BlockSpec& b;
  const std::string& p;            // of its names
  const std::string& first_block;  // of the stack's first block's, which may hold what all share
  BlockWeights& w;
  const Visit& visit;

  Expected<void> vector(const char* name, std::int64_t n, Vector& v) const { return visit({p + name, "", 0, n, &v}); }

  Expected<void> linear(const std::string& name, std::int64_t rows, std::int64_t cols, Linear& l, const Cut& cut = {},
                        bool needs_bias = false) const {
    const auto of_cut = [&](const char* leaf) { return cut.name.empty() ? std::string() : p + cut.name + leaf; };
    HEED_TRY(visit({p + name + ".weight", of_cut(".weight"), rows, cols, &l.w, cut.first, cut.of}));
    return visit({p + name + ".bias", of_cut(".bias"), 0, rows, &l.bias, cut.first, cut.of, !needs_bias});
  }

  Expected<void> norm(const char* name, NormWeights& n, const std::string& otherwise = "",
                      bool optional = false) const {
    HEED_TRY(visit({p + name + ".weight", otherwise, 0, spec.dim, &n.weight, 0, 0, optional}));
    if (spec.norm == NormKind::rms) return {};
    return visit({p + name + ".bias", "", 0, spec.dim, &n.bias, 0, 0, true});
  }

  Expected<void> falcon_norms() const {
    HEED_TRY(visit({p + "attn_norm_2.weight", p + "attn_norm.weight", 0, spec.dim, &w.attn_norm.weight}));
    HEED_TRY(visit({p + "attn_norm_2.bias", p + "attn_norm.bias", 0, spec.dim, &w.attn_norm.bias, 0, 0, true}));
    return norm("attn_norm", w.ffn_norm);
  }

  Expected<void> qk_norms() const {
    const std::int64_t head = b.head_dim, heads = b.attention.heads, kv_heads = b.attention.kv_heads;
    const bool is_optional = b.may_lack_qk_norm, is_each = b.qk_norm == QkNorm::each;
    const auto width = [&](std::int64_t n) { return b.qk_norm == QkNorm::whole ? n * head : head; };
    HEED_TRY(visit({p + "attn_q_norm.weight", "", is_each ? heads : 0, width(heads), &w.q_norm, 0, 0, is_optional}));
    return visit({p + "attn_k_norm.weight", "", is_each ? kv_heads : 0, width(kv_heads), &w.k_norm, 0, 0, is_optional});
  }

  Expected<void> norms() const {
    if (b.is_attn_norm_second) return falcon_norms();
    if (!b.has_first_half) return norm("attn_norm", w.ffn_norm);
    if (!b.has_second_half) return norm("attn_norm", w.attn_norm);
    if (spec.norm_place == NormPlace::sum) {
      HEED_TRY(norm("attn_output_norm", w.attn_post_norm));
      return norm("layer_output_norm", w.ffn_post_norm);
    }
    if (spec.norm_place != NormPlace::post) {
      const bool is_pre = spec.norm_place == NormPlace::pre;
      HEED_TRY(norm("attn_norm", w.attn_norm, "", spec.has_embed_norm && p == first_block));
      HEED_TRY(norm("ffn_norm", w.ffn_norm, is_pre ? p + "post_attention_norm.weight" : "", b.is_parallel));
    }
    if (spec.norm_place == NormPlace::pre) return {};
    HEED_TRY(norm("post_attention_norm", w.attn_post_norm));
    return norm("post_ffw_norm", w.ffn_post_norm);
  }

  Expected<void> attention() const {
    const std::int64_t head = b.head_dim, q = head * b.attention.heads, kv = head * b.attention.kv_heads;
    const std::int64_t dim = spec.dim, all = q + 2 * kv;
    HEED_TRY(linear("attn_q", q, dim, w.q, {"attn_qkv", 0, all}, b.has_qkv_bias));
    HEED_TRY(linear("attn_k", kv, dim, w.k, {"attn_qkv", q, all}, b.has_qkv_bias));
    HEED_TRY(linear("attn_v", kv, dim, w.v, {"attn_qkv", q + kv, all}, b.has_qkv_bias));
    if (b.qk_norm != QkNorm::none) HEED_TRY(qk_norms());
    HEED_TRY(visit_scores(b, p, first_block, w, visit));
    HEED_TRY(visit_linear(b, p, dim, w, visit));
    return linear("attn_output", dim, q, w.o);
  }

  Expected<void> latent_attention() const {
    const std::int64_t dim = spec.dim, heads = b.attention.heads, q = heads * b.head_dim, turned = b.rope.dims;
    if (const std::int64_t rank = b.latent.q_rank; rank > 0) {
      HEED_TRY(linear("attn_q_a", rank, dim, w.q_a));
      HEED_TRY(vector("attn_q_a_norm.weight", rank, w.q_a_norm));
      HEED_TRY(linear("attn_q_b", q, rank, w.q));
    } else {
      HEED_TRY(linear("attn_q", q, dim, w.q));
    }
    HEED_TRY(linear("attn_kv_a_mqa", b.latent.kv_rank + turned, dim, w.kv_a));
    HEED_TRY(vector("attn_kv_a_norm.weight", b.latent.kv_rank, w.kv_a_norm));
    const std::int64_t keys = heads * (b.head_dim - turned), values = heads * b.value_dim(), rank = b.latent.kv_rank;
    if (b.latent.is_split) {
      const auto count = static_cast<std::int32_t>(heads);
      HEED_TRY(visit({p + "attn_k_b.weight", "", keys, rank, &w.k_b.w, 0, 0, false, count}));
      HEED_TRY(visit({p + "attn_v_b.weight", "", values, rank, &w.v_b.w, 0, values}));
    } else {
      HEED_TRY(linear("attn_kv_b", keys + values, rank, w.kv_b));
    }
    return linear("attn_output", dim, heads * b.value_dim(), w.o);
  }

  Expected<void> mamba() const {
    const LinearSpec& l = b.linear;
    const std::int64_t inner = b.mamba.inner(l), channels = b.mamba.channels(l);
    HEED_TRY(linear("ssm_in", inner + channels + l.heads, spec.dim, w.ssm_in));
    HEED_TRY(visit({p + "ssm_conv1d.weight", "", channels, b.mamba.taps, &w.conv}));
    HEED_TRY(visit({p + "ssm_conv1d.bias", "", 0, channels, &w.conv_bias, 0, 0, true}));
    HEED_TRY(vector("ssm_dt.bias", l.heads, w.decay_bias));
    HEED_TRY(visit({p + "ssm_a", "", l.heads, 1, &w.decay_rate}));
    HEED_TRY(visit({p + "ssm_d", "", l.heads, 1, &w.skip}));
    HEED_TRY(visit({p + "ssm_norm.weight", "", b.mamba.groups, inner / b.mamba.groups, &w.ssm_norm}));
    return linear("ssm_out", spec.dim, inner, w.ssm_out);
  }

  Expected<void> short_conv() const {
    HEED_TRY(linear("shortconv.in_proj", 3 * std::int64_t{spec.dim}, spec.dim, w.ssm_in));
    HEED_TRY(visit({p + "shortconv.conv.weight", "", spec.dim, b.mamba.taps, &w.conv}));
    HEED_TRY(visit({p + "shortconv.conv.bias", "", 0, spec.dim, &w.conv_bias, 0, 0, true}));
    return linear("shortconv.out_proj", spec.dim, spec.dim, w.ssm_out);
  }

  Expected<void> cross_attention() const {
    const std::int64_t head = b.head_dim, q = head * b.attention.heads, kv = head * b.attention.kv_heads;
    HEED_TRY(norm("cross_attn_norm", w.cross_norm));
    HEED_TRY(linear("cross_attn_q", q, spec.dim, w.cross_q));
    HEED_TRY(linear("cross_attn_k", kv, spec.dim, w.cross_k));
    HEED_TRY(linear("cross_attn_v", kv, spec.dim, w.cross_v));
    return linear("cross_attn_o", spec.dim, q, w.cross_o);
  }

  Expected<void> feed_forward() const {
    const std::int64_t dim = spec.dim, ffn = b.ffn_dim;
    if (b.is_gate_in_up) {
      HEED_TRY(visit({p + "ffn_up.weight", "", ffn, dim, &w.gate.w, 0, 2 * ffn}));
      HEED_TRY(visit({p + "ffn_up.weight", "", ffn, dim, &w.up.w, ffn, 2 * ffn}));
    } else {
      if (b.is_gated && b.ungated)
        HEED_TRY(visit({p + "ffn_gate.weight", "", ffn, dim, &w.gate.w, 0, 0, true}));
      else if (b.is_gated)
        HEED_TRY(linear("ffn_gate", ffn, dim, w.gate));
      HEED_TRY(linear("ffn_up", ffn, dim, w.up));
    }
    return linear("ffn_down", dim, ffn, w.down);
  }

  Expected<void> expert_part(const std::string& name, std::int64_t i, std::int64_t rows, std::int64_t cols,
                             Linear& l) const {
    const std::int64_t first = i * rows, of = b.experts.count * rows;
    HEED_TRY(visit({p + name + ".weight", "", rows, cols, &l.w, first, of}));
    return visit({p + name + ".bias", "", 0, rows, &l.bias, first, of, true});
  }

  Expected<void> experts() const {
    const ExpertSpec& e = b.experts;
    const std::int64_t dim = spec.dim, shared = e.shared_ffn_dim;
    HEED_TRY(linear("ffn_gate_inp", e.count, dim, w.router));
    HEED_TRY(visit({p + "exp_probs_b.bias", "", 0, e.count, &w.choice_bias, 0, 0, true}));
    w.experts.resize(static_cast<std::size_t>(e.count));
    for (std::int64_t i = 0; i < e.count; ++i) {
      Expert& x = w.experts[static_cast<std::size_t>(i)];
      HEED_TRY(expert_part("ffn_gate_exps", i, e.ffn_dim, dim, x.gate));
      HEED_TRY(expert_part("ffn_up_exps", i, e.ffn_dim, dim, x.up));
      HEED_TRY(expert_part("ffn_down_exps", i, dim, e.ffn_dim, x.down));
    }
    if (shared == 0) return {};
    if (e.is_shared_gated) HEED_TRY(vector("ffn_gate_inp_shexp.weight", dim, w.shared_gate));
    HEED_TRY(linear("ffn_gate_shexp", shared, dim, w.shared.gate));
    HEED_TRY(linear("ffn_up_shexp", shared, dim, w.shared.up));
    return linear("ffn_down_shexp", dim, shared, w.shared.down);
  }

  Expected<void> first_half() const {
    if (b.kind == AttentionKind::mamba) return mamba();
    if (b.kind == AttentionKind::conv) return short_conv();
    return b.latent.kv_rank > 0 ? latent_attention() : attention();
  }

  Expected<void> all() const {
    HEED_TRY(norms());
    if (b.has_first_half) HEED_TRY(first_half());
    if (b.has_cross) HEED_TRY(cross_attention());
    if (!b.has_second_half) return {};
    return b.experts.count > 0 ? experts() : feed_forward();
  }
};

Expected<void> visit_rope_factors(const ModelSpec& spec, ModelWeights& w, const Visit& visit) {
  const auto scaled =
      std::find_if(spec.blocks.begin(), spec.blocks.end(), [](const auto& b) { return b.is_rope_scaled; });
  if (scaled == spec.blocks.end() || !spec.rope_factors.empty()) return {};
  const std::int64_t n = scaled->rope.dims / 2;
  HEED_TRY(visit({"rope_freqs.weight", "rope_factors_long.weight", 0, n, &w.rope_factors, 0, 0, true}));
  return visit({"rope_factors_short.weight", "", 0, n, &w.short_rope_factors, 0, 0, true});
}

Expected<void> visit_stack(const ModelSpec& spec, const std::vector<BlockSpec>& blocks, const std::string& prefix,
                           std::vector<BlockWeights>& weights, const Visit& visit) {
  const std::string first = prefix + "blk.0.";
  weights.resize(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string p = prefix + "blk." + std::to_string(i) + ".";
    HEED_TRY((BlockVisit{spec, blocks[i], p, first, weights[i], visit}.all()));
  }
  return {};
}

}  // namespace

Expected<void> visit_weights(const ModelSpec& spec, ModelWeights& weights, const Visit& visit) {
  HEED_TRY(visit({"token_embd.weight", "", spec.vocab, spec.dim, &weights.tokens}));
  if (spec.has_position_table)
    HEED_TRY(visit({"position_embd.weight", "", spec.context, spec.dim, &weights.positions}));
  if (spec.token_types > 0) HEED_TRY(visit({"token_types.weight", "", spec.token_types, spec.dim, &weights.types}));
  if (spec.has_embed_norm) HEED_TRY(visit_norm(spec, "token_embd_norm", weights.embed_norm, visit));
  HEED_TRY(visit_rope_factors(spec, weights, visit));
  const bool is_pair = !spec.encoder.empty();
  if (is_pair) {
    HEED_TRY(visit_stack(spec, spec.encoder, "enc.", weights.encoder, visit));
    HEED_TRY(visit({"enc.output_norm.weight", "", 0, spec.dim, &weights.encoder_norm.weight}));
  }
  const std::string p = is_pair ? "dec." : "";
  HEED_TRY(visit_stack(spec, spec.blocks, p, weights.blocks, visit));
  if (spec.memory_tokens > 0)
    HEED_TRY(visit({"memory_embd.weight", "", spec.memory_tokens, spec.dim, &weights.memory}));
  const std::string norm = spec.is_output_norm_of_embeddings ? "token_embd_norm" : "output_norm";
  if (spec.has_output_norm) HEED_TRY(visit_norm(spec, p + norm, weights.output_norm, visit));
  if (!spec.has_output) return {};
  HEED_TRY(visit({"output.weight", "token_embd.weight", spec.vocab, spec.dim, &weights.output.w}));
  return visit({"output.bias", "", 0, spec.vocab, &weights.output.bias, 0, 0, true});
}

}  // namespace heed
