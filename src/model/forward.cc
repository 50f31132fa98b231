// forward.cc -- embed, blocks, head. Reads like the paper; every branch is a field of the spec.
#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "model/job_mask.h"

namespace heed {
namespace {

constexpr const char* kArenaFull = "forward: the step's arena is full";

// One step's rows, shared by all blocks. Buffers live in the arena until the step ends.
struct Step {
  const ModelSpec& spec;
  std::span<ForwardItem> items;
  Exec& exec;
  std::int64_t rows = 0;
  float* x = nullptr;                 // [rows, dim], the residual stream
  std::int32_t* positions = nullptr;  // [rows]
  float* qkv = nullptr;               // [rows, max over blocks of (heads + 2 kv_heads) * head_dim]
  float* attended = nullptr;          // [rows, max heads * head_dim]
  float* hidden = nullptr;            // [rows, max ffn_dim], of the gated feed-forward
  float* branch = nullptr;            // [rows, dim], a half's output before its post-norm (sandwich)
  AttentionJob* jobs = nullptr;       // [items]
  float* decay = nullptr;             // [rows, max kv_heads], gates of linear attention
  float* write = nullptr;             // [rows, max kv_heads]
  LinearJob* linear_jobs = nullptr;   // [items]
  RopeAngles* angles = nullptr;       // [blocks]; blocks that turn alike share them
};

struct Widths {
  std::int64_t qkv = 0, heads = 0, ffn = 0, kv_heads = 0;
};

Widths widths(const ModelSpec& spec) {
  Widths w;
  for (const BlockSpec& b : spec.blocks) {
    const std::int64_t head = b.head_dim, heads = b.attention.heads, kv_heads = b.attention.kv_heads;
    w.qkv = std::max(w.qkv, head * (heads + 2 * kv_heads));
    w.heads = std::max(w.heads, head * heads);
    w.ffn = std::max<std::int64_t>(w.ffn, b.ffn_dim);
    w.kv_heads = std::max(w.kv_heads, kv_heads);
  }
  return w;
}

const float* data_of(const Vector& v) { return v.empty() ? nullptr : v.data(); }

// Which forms of an activation its readers need.
template <class... Matrix>
ActivationForms forms_for(const Matrix&... w) {
  return (w.is_float() || ...) ? ActivationForms::both : ActivationForms::integers;
}

Expected<void> begin(Step& s) {
  for (const ForwardItem& item : s.items) {
    s.rows += static_cast<std::int64_t>(item.tokens.size());
    for (const std::int32_t token : item.tokens)
      if (token < 0 || token >= s.spec.vocab)
        return fail(Code::invalid_argument, "forward: token " + std::to_string(token) +
                                                " is outside the vocabulary of " + std::to_string(s.spec.vocab));
  }
  const Widths w = widths(s.spec);
  const auto rows = static_cast<std::size_t>(s.rows);
  const auto floats = [&](std::int64_t per_row) {
    return s.exec.arena.allocate_array<float>(rows * static_cast<std::size_t>(per_row));
  };
  s.x = floats(s.spec.dim);
  s.qkv = floats(w.qkv);
  s.attended = floats(w.heads);
  s.hidden = floats(w.ffn);
  s.branch = floats(s.spec.dim);
  s.positions = s.exec.arena.allocate_array<std::int32_t>(rows);
  s.jobs = s.exec.arena.allocate_array<AttentionJob>(s.items.size());
  s.decay = floats(w.kv_heads);
  s.write = floats(w.kv_heads);
  s.linear_jobs = s.exec.arena.allocate_array<LinearJob>(s.items.size());
  if (!s.x || !s.qkv || !s.attended || !s.hidden || !s.branch || !s.positions || !s.jobs || !s.decay || !s.write ||
      !s.linear_jobs)
    return fail(Code::out_of_memory, kArenaFull);
  return {};
}

void embed(Step& s, const Tensor& table) {
  std::int64_t row = 0;
  for (const ForwardItem& item : s.items) {
    if (item.embedded.empty())
      embed_rows(table, item.tokens, s.spec.embed_scale, s.x + row * s.spec.dim, s.exec);
    else
      std::copy(item.embedded.begin(), item.embedded.end(), s.x + row * s.spec.dim);
    for (std::size_t i = 0; i < item.tokens.size(); ++i)
      s.positions[row + static_cast<std::int64_t>(i)] = item.cache->length() + static_cast<std::int32_t>(i);
    row += static_cast<std::int64_t>(item.tokens.size());
  }
}

// The first block that turns its heads by the same angles as block i.
std::size_t first_alike(const std::vector<BlockSpec>& blocks, std::size_t i) {
  std::size_t same = 0;
  while (same < i && !blocks[same].rope.same_angles(blocks[i].rope)) ++same;
  return same;
}

Expected<void> make_angles(Step& s) {
  const auto& blocks = s.spec.blocks;
  s.angles = s.exec.arena.allocate_array<RopeAngles>(blocks.size());
  if (!s.angles) return fail(Code::out_of_memory, kArenaFull);
  const std::span<const std::int32_t> positions(s.positions, static_cast<std::size_t>(s.rows));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t same = first_alike(blocks, i);
    if (same < i) {
      s.angles[i] = s.angles[same];
      continue;
    }
    HEED_ASSIGN(s.angles[i], rope_angles(blocks[i].rope, positions, s.exec));
  }
  return {};
}

// y += or = norm(branch): how a half's result joins the residual stream.
Expected<void> join(Step& s, const Activations& input, const Linear& w, const Vector& post_norm) {
  const std::int64_t dim = s.spec.dim;
  if (s.spec.norm_place == NormPlace::pre) {
    const MatmulJob job{.w = &w.w, .bias = data_of(w.bias), .out = s.x, .out_stride = dim, .accumulate = true};
    return matmul(input, {&job, 1}, s.exec);
  }
  const MatmulJob job{.w = &w.w, .bias = data_of(w.bias), .out = s.branch, .out_stride = dim};
  HEED_TRY(matmul(input, {&job, 1}, s.exec));
  rms_norm(s.branch, post_norm.data(), s.spec.norm_eps, s.rows, dim, s.branch, s.exec);
  add(s.x, s.branch, s.rows * dim, s.exec);
  return {};
}

Expected<void> attend(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer, const float* q,
                      const float* k, const float* v, std::int64_t stride) {
  const std::int64_t out_stride = static_cast<std::int64_t>(b.attention.heads) * b.head_dim;
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
    const float x = s.decay[i], softplus = x > 20.0f ? x : std::log1p(std::exp(x));
    s.decay[i] = w.decay_rate[static_cast<std::size_t>(i % heads)] * softplus;
    if (writes) s.write[i] = 1.0f / (1.0f + std::exp(-s.write[i]));
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

Expected<void> attention_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer) {
  const std::int64_t head = b.head_dim, q_dim = head * b.attention.heads, kv_dim = head * b.attention.kv_heads;
  const std::int64_t stride = q_dim + 2 * kv_dim;
  float* q = s.qkv;
  float* k = q + q_dim;
  float* v = k + kv_dim;
  HEED_ASSIGN(const Activations input,
              rms_norm_quantized(s.x, w.attn_norm.data(), s.spec.norm_eps, s.rows, s.spec.dim,
                                 forms_for(w.q.w, w.k.w, w.v.w, w.decay.w, w.write.w), s.exec));
  const MatmulJob jobs[] = {{.w = &w.q.w, .bias = data_of(w.q.bias), .out = q, .out_stride = stride},
                            {.w = &w.k.w, .bias = data_of(w.k.bias), .out = k, .out_stride = stride},
                            {.w = &w.v.w, .bias = data_of(w.v.bias), .out = v, .out_stride = stride}};
  HEED_TRY(matmul(input, jobs, s.exec));
  // q and k stand side by side and turn by the same angles.
  const HeadGroup groups[] = {{b.attention.heads, data_of(w.q_norm)}, {b.attention.kv_heads, data_of(w.k_norm)}};
  norm_and_rotate(
      b.rope, s.angles[layer],
      {.x = q, .rows = s.rows, .stride = stride, .head_dim = b.head_dim, .groups = groups, .norm_eps = s.spec.norm_eps},
      s.exec);
  if (b.kind == AttentionKind::linear) {
    HEED_TRY(gates(s, b, w, input));
    HEED_TRY(attend_linear(s, b, w, layer, q, stride));
  } else {
    HEED_TRY(attend(s, b, w, layer, q, k, v, stride));
  }
  HEED_ASSIGN(const Activations attended, quantize_activations(s.attended, s.rows, q_dim, s.exec));
  return join(s, attended, w.o, w.attn_post_norm);
}

Expected<void> ffn_half(Step& s, const BlockSpec& b, const BlockWeights& w) {
  const std::int64_t ffn = b.ffn_dim;
  HEED_ASSIGN(const Activations input, rms_norm_quantized(s.x, w.ffn_norm.data(), s.spec.norm_eps, s.rows, s.spec.dim,
                                                          forms_for(w.gate.w, w.up.w), s.exec));
  const MatmulJob job{.w = &w.up.w,
                      .bias = data_of(w.up.bias),
                      .out = s.hidden,
                      .out_stride = ffn,
                      .gate = &w.gate.w,
                      .gate_bias = data_of(w.gate.bias),
                      .gated = gated_row(b.activation, s.exec)};
  HEED_TRY(matmul(input, {&job, 1}, s.exec));
  HEED_ASSIGN(const Activations hidden, quantize_activations(s.hidden, s.rows, ffn, s.exec));
  return join(s, hidden, w.down, w.ffn_post_norm);
}

// Rows of one item whose logits are wanted: none, the last, or all.
std::int64_t logit_rows(const ForwardItem& item, std::int64_t vocab) {
  return static_cast<std::int64_t>(item.logits.size()) / vocab;
}

Activations slice(const Activations& a, std::int64_t first, std::int64_t rows) {
  return {
      .f32 = a.f32 ? a.f32 + first * a.k : nullptr, .quantized = a.quantized.from(first, a.k), .rows = rows, .k = a.k};
}

// The rows whose logits are wanted, gathered item by item. Returns how many.
std::int64_t gather(Step& s) {
  const std::int64_t dim = s.spec.dim;
  std::int64_t row = 0, total = 0;
  for (const ForwardItem& item : s.items) {
    const std::int64_t take = logit_rows(item, s.spec.vocab);
    row += static_cast<std::int64_t>(item.tokens.size());
    std::copy_n(s.x + (row - take) * dim, take * dim, s.branch + total * dim);
    total += take;
  }
  return total;
}

Expected<void> logits_of(Step& s, const ModelWeights& w, const Activations& rows, float* out) {
  const std::int64_t vocab = s.spec.vocab;
  const MatmulJob job{.w = &w.output, .out = out, .out_stride = vocab};
  HEED_TRY(matmul(rows, {&job, 1}, s.exec));
  if (const float cap = s.spec.logit_softcap; cap > 0)
    for (std::int64_t i = 0; i < rows.rows * vocab; ++i) out[i] = cap * std::tanh(out[i] / cap);
  return {};
}

// Items whose logits lie side by side in memory share one pass over the output matrix.
Expected<void> head(Step& s, const ModelWeights& w, const ForwardTrace& trace) {
  const std::int64_t dim = s.spec.dim, wanted = gather(s);
  if (wanted == 0) return {};
  HEED_ASSIGN(const Activations input, rms_norm_quantized(s.branch, w.output_norm.data(), s.spec.norm_eps, wanted, dim,
                                                          ActivationForms::both, s.exec));
  if (trace.on_layer)
    trace.on_layer(trace.context, static_cast<std::int32_t>(s.spec.blocks.size()), input.f32, wanted, dim);
  std::int64_t row = 0;
  for (std::size_t i = 0; i < s.items.size();) {
    float* const out = s.items[i].logits.data();
    std::int64_t floats = 0;
    while (i < s.items.size() && (s.items[i].logits.empty() || s.items[i].logits.data() == out + floats)) {
      floats += static_cast<std::int64_t>(s.items[i++].logits.size());
    }
    const std::int64_t rows = floats / s.spec.vocab;
    if (rows > 0) HEED_TRY(logits_of(s, w, slice(input, row, rows), out));
    row += rows;
  }
  return {};
}

}  // namespace

std::vector<KvLayerSpec> kv_layers(const ModelSpec& spec) {
  std::vector<KvLayerSpec> layers;
  layers.reserve(spec.blocks.size());
  for (const BlockSpec& b : spec.blocks) {
    if (b.kind == AttentionKind::linear)
      layers.push_back({.state_floats = linear_state_floats(b.linear)});
    else
      layers.push_back({b.attention.kv_heads, b.head_dim, b.head_dim});
  }
  return layers;
}

std::size_t step_bytes(const ModelSpec& spec, std::int64_t rows, std::int64_t logit_rows) {
  const Widths w = widths(spec);
  std::int64_t angles = 0;  // floats a row
  for (std::size_t i = 0; i < spec.blocks.size(); ++i)
    if (first_alike(spec.blocks, i) == i) angles += spec.blocks[i].rope.dims;
  // Activations come thrice (float, two int8 with scales, these laid out in tiles): 9 bytes a value are enough;
  // attention's scratch is bounded by its own spans and counted with the fixed part.
  const std::int64_t per_row = 4 * (2 * spec.dim + w.qkv + w.heads + w.ffn + 2 * w.kv_heads + angles) +
                               9 * (3 * spec.dim + w.heads + w.ffn) + 64;
  constexpr std::int64_t kFixed = std::int64_t{64} << 20;
  return static_cast<std::size_t>(rows * per_row + logit_rows * 9 * spec.dim + kFixed);
}

Expected<void> forward(const ModelSpec& spec, const ModelWeights& weights, std::span<ForwardItem> items, Exec& exec,
                       const ForwardTrace& trace) {
  exec.arena.reset();
  Step s{.spec = spec, .items = items, .exec = exec};
  HEED_TRY(begin(s));
  if (s.rows == 0) return {};
  embed(s, weights.tokens);
  HEED_TRY(make_angles(s));
  if (trace.on_layer) trace.on_layer(trace.context, -1, s.x, s.rows, spec.dim);
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    const std::size_t mark = exec.arena.mark();
    HEED_TRY(attention_half(s, spec.blocks[i], weights.blocks[i], static_cast<std::int32_t>(i)));
    exec.arena.rewind(mark);
    HEED_TRY(ffn_half(s, spec.blocks[i], weights.blocks[i]));
    exec.arena.rewind(mark);
    if (trace.on_layer) trace.on_layer(trace.context, static_cast<std::int32_t>(i), s.x, s.rows, spec.dim);
  }
  HEED_TRY(head(s, weights, trace));
  for (const ForwardItem& item : items) item.cache->advance(static_cast<std::int32_t>(item.tokens.size()));
  ++exec.counters.steps;
  exec.counters.tokens += s.rows;
  return {};
}

Expected<KvCache> remember(const ModelSpec& spec, const ModelWeights& weights, PagePool& pool, Exec& exec) {
  KvCache cache(pool);
  if (spec.memory_tokens == 0) return cache;
  const std::vector<std::int32_t> places(static_cast<std::size_t>(spec.memory_tokens), 0);
  HEED_TRY(cache.reserve(spec.memory_tokens));
  ForwardItem item{.cache = &cache, .tokens = places, .embedded = weights.memory};
  HEED_TRY(forward(spec, weights, {&item, 1}, exec));
  return cache;
}

}  // namespace heed
