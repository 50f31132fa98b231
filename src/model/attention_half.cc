// attention_half.cc -- projections, RoPE, and softmax or linear attention over a step's ragged rows.
#include "model/job_mask.h"
#include "model/step.h"

namespace heed {
namespace {

Expected<void> attend(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer, const float* q,
                      const float* k, const float* v, std::int64_t stride) {
  const std::int64_t out_stride = b.attention.heads * b.value_dim();
  std::int64_t row = 0;
  for (std::size_t i = 0; i < s.items.size(); ++i) {
    const ForwardItem& item = s.items[i];
    const auto n = static_cast<std::int32_t>(item.tokens.size());
    const std::int32_t first = item.cache->length();
    KvView view = item.cache->pool().view(layer, item.cache->pages(), first + n);
    if (!w.k_center.empty()) view.k_center = w.k_center.data();
    append_kv(view, first, n, k + row * stride, stride, v + row * stride, stride, s.exec);
    s.jobs[i] = AttentionJob{.q = q + row * stride,
                             .q_stride = stride,
                             .out = s.attended + row * out_stride,
                             .out_stride = out_stride,
                             .q_len = n,
                             .first_pos = first,
                             .kv = view};
    HEED_ASSIGN(s.jobs[i].mask, job_mask(b, item.plan, layer, *item.cache, s.jobs[i], s.exec));
    row += n;
  }
  AttentionSpec spec = b.attention;
  spec.score.alibi_slope = w.alibi_slope;
  spec.score.by_distance = w.by_distance;
  spec.score.reach = b.relative.reach();
  spec.score.sink_logit = w.sink_logit;
  return attention(spec, {s.jobs, s.items.size()}, s.exec);
}

// Gates from the block's input: log decay = rate * softplus(decay x + bias), write = sigmoid(write x).
Expected<void> gates(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  if (!is_gated(b.linear.kind)) return {};
  const std::int64_t heads = b.attention.kv_heads;
  const bool writes = b.linear.kind == LinearKind::gated_delta;
  const MatmulJob jobs[] = {{.w = &w.decay.w, .bias = w.decay_bias.data(), .out = s.decay, .out_stride = heads},
                            {.w = &w.write.w, .out = s.write, .out_stride = heads}};
  HEED_TRY(matmul(input, std::span(jobs).first(writes ? 2 : 1), s.exec));
  for (std::int64_t i = 0; i < s.rows * heads; ++i) {
    s.decay[i] = w.decay_rate[static_cast<std::size_t>(i % heads)] * softplus(s.decay[i]);
    if (writes) s.write[i] = sigmoid(s.write[i]);
  }
  return {};
}

Expected<void> attend_linear(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer, const float* q,
                             std::int64_t stride) {
  LinearSpec spec = b.linear;
  spec.projection = w.features;
  const std::int64_t q_dim = std::int64_t{b.attention.heads} * b.head_dim, kv_heads = b.attention.kv_heads;
  std::int64_t row = 0;
  for (std::size_t i = 0; i < s.items.size(); ++i) {
    const ForwardItem& item = s.items[i];
    const auto n = static_cast<std::int32_t>(item.tokens.size());
    const float* keys = q + row * stride + q_dim;
    s.linear_jobs[i] = LinearJob{.q = q + row * stride,
                                 .k = keys,
                                 .v = keys + kv_heads * b.head_dim,
                                 .stride = stride,
                                 .out = s.attended + row * q_dim,
                                 .out_stride = q_dim,
                                 .log_decay = s.decay + row * kv_heads,
                                 .write = s.write + row * kv_heads,
                                 .q_len = n,
                                 .first_pos = item.cache->length(),
                                 .state = item.cache->state(layer)};
    row += n;
  }
  return linear_attention(spec, {s.linear_jobs, s.items.size()}, s.exec);
}

constexpr std::int64_t kRowsPerTask = 8;

// Each head by mean and variance, weights [heads, head_dim].
void norm_each(Step& s, const BlockSpec& b, const BlockWeights& w, float* q, std::int64_t stride) {
  const std::int64_t head = b.head_dim, heads = b.attention.heads, all = heads + b.attention.kv_heads;
  s.exec.pool.parallel_for(s.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t h = 0; h < all; ++h) {
        const float* weight = h < heads ? w.q_norm.data() + h * head : w.k_norm.data() + (h - heads) * head;
        float* x = q + r * stride + h * head;
        norm_row(x, {.kind = NormKind::layer, .eps = s.spec.norm_eps, .weight = weight}, head, x, s.exec);
      }
  });
}

void clip(Step& s, float most, float* qkv, std::int64_t stride) {
  s.exec.pool.parallel_for(s.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (float* x = qkv + begin * stride; x < qkv + end * stride; ++x) *x = std::clamp(*x, -most, most);
  });
}

// Norms and rotates; q and k stand side by side and turn by the same angles.
void prepare_heads(Step& s, const BlockSpec& b, const BlockWeights& w, float* q, std::int64_t stride) {
  const std::int64_t q_dim = std::int64_t{b.attention.heads} * b.head_dim;
  const std::int64_t kv_dim = std::int64_t{b.attention.kv_heads} * b.head_dim;
  const bool by_head = b.qk_norm == QkNorm::heads;
  if (b.qk_norm == QkNorm::whole) {
    norm_rows(q, stride, {.eps = s.spec.norm_eps, .weight = w.q_norm.data()}, s.rows, q_dim, s.exec);
    norm_rows(q + q_dim, stride, {.eps = s.spec.norm_eps, .weight = w.k_norm.data()}, s.rows, kv_dim, s.exec);
  }
  if (b.qk_norm == QkNorm::each && !w.q_norm.empty()) norm_each(s, b, w, q, stride);
  const HeadGroup normed[] = {{b.attention.heads, by_head ? data_of(w.q_norm) : nullptr},
                              {b.attention.kv_heads, by_head ? data_of(w.k_norm) : nullptr}};
  const HeadGroup plain[] = {{b.attention.heads}, {b.attention.kv_heads}};
  HeadRows heads{
      .x = q, .rows = s.rows, .stride = stride, .head_dim = b.head_dim, .groups = normed, .norm_eps = s.spec.norm_eps};
  if (b.is_rotated_before_norm) heads.groups = plain;
  norm_and_rotate(b.rope, s.turn, heads, s.exec);
  if (!b.is_rotated_before_norm) return;
  heads.groups = normed;
  norm_and_rotate({}, {}, heads, s.exec);
}

}  // namespace

Expected<void> attention_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                              const Activations& input) {
  const std::int64_t q_dim = std::int64_t{b.head_dim} * b.attention.heads;
  const std::int64_t k_dim = std::int64_t{b.head_dim} * b.attention.kv_heads,
                     v_dim = b.attention.kv_heads * b.value_dim();
  const std::int64_t stride = q_dim + k_dim + v_dim, out_dim = b.attention.heads * b.value_dim();
  float* q = s.qkv;
  float* k = q + q_dim;
  float* v = k + k_dim;
  if (b.latent.kv_rank > 0) {
    HEED_TRY(project_latent(s, b, w, input));
  } else {
    const MatmulJob jobs[] = {{.w = &w.q.w, .bias = data_of(w.q.bias), .out = q, .out_stride = stride},
                              {.w = &w.k.w, .bias = data_of(w.k.bias), .out = k, .out_stride = stride},
                              {.w = &w.v.w, .bias = data_of(w.v.bias), .out = v, .out_stride = stride}};
    HEED_TRY(matmul(input, jobs, s.exec));
    if (b.qkv_clip > 0) clip(s, b.qkv_clip, q, stride);
  }
  prepare_heads(s, b, w, q, stride);
  if (b.kind == AttentionKind::linear) {
    HEED_TRY(gates(s, b, w, input));
    HEED_TRY(attend_linear(s, b, w, layer, q, stride));
  } else {
    HEED_TRY(attend(s, b, w, layer, q, k, v, stride));
  }
  HEED_ASSIGN(const Activations attended, quantize_activations(s.attended, s.rows, out_dim, s.exec));
  return join(s, attended, w.o, w.attn_post_norm);
}

Expected<void> cross_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                          const Activations& input) {
  const std::int64_t stride = std::int64_t{b.head_dim} * b.attention.heads;
  const MatmulJob q{.w = &w.cross_q.w, .bias = data_of(w.cross_q.bias), .out = s.qkv, .out_stride = stride};
  HEED_TRY(matmul(input, {&q, 1}, s.exec));
  std::int64_t row = 0;
  for (std::size_t i = 0; i < s.items.size(); ++i) {
    const ForwardItem& item = s.items[i];
    if (!item.source) return fail(Code::invalid_argument, "forward: an encoder-decoder needs an encoded source");
    const auto n = static_cast<std::int32_t>(item.tokens.size()), length = item.source->length();
    s.jobs[i] = AttentionJob{.q = s.qkv + row * stride,
                             .q_stride = stride,
                             .out = s.attended + row * stride,
                             .out_stride = stride,
                             .q_len = n,
                             .first_pos = 0,
                             .kv = item.source->pool().view(layer, item.source->pages(), length)};
    row += n;
  }
  const AttentionSpec spec{.heads = b.attention.heads,
                           .kv_heads = b.attention.kv_heads,
                           .mask = {.causal = false},
                           .score = {.scale = b.attention.score.scale}};
  HEED_TRY(attention(spec, {s.jobs, s.items.size()}, s.exec));
  HEED_ASSIGN(const Activations attended, quantize_activations(s.attended, s.rows, stride, s.exec));
  return join(s, attended, w.cross_o, {});
}

}  // namespace heed
