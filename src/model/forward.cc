// forward.cc -- embed, blocks, head. Reads like the paper; every branch is a field of the spec.
#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "model/step.h"

namespace heed {
namespace {

struct Widths {
  std::int64_t qkv = 0, heads = 0, ffn = 0, kv_heads = 0;
};

Widths widths(const ModelSpec& spec) {
  Widths w;
  const auto widen = [&w](const BlockSpec& b) {
    const std::int64_t head = b.head_dim, heads = b.attention.heads, kv_heads = b.attention.kv_heads;
    w.qkv = std::max(w.qkv, head * (heads + kv_heads) + kv_heads * b.value_dim());
    w.heads = std::max(w.heads, heads * b.value_dim());
    w.ffn = std::max(
        {w.ffn, std::int64_t{b.ffn_dim}, std::int64_t{b.experts.ffn_dim}, std::int64_t{b.experts.shared_ffn_dim}});
    w.kv_heads = std::max(w.kv_heads, kv_heads);
  };
  std::for_each(spec.blocks.begin(), spec.blocks.end(), widen);
  std::for_each(spec.encoder.begin(), spec.encoder.end(), widen);
  return w;
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

Expected<void> add_positions(Step& s, const ModelWeights& w) {
  if (!s.spec.has_position_table) return {};
  const std::span<const std::int32_t> positions(s.positions, static_cast<std::size_t>(s.rows));
  if (*std::max_element(positions.begin(), positions.end()) >= s.spec.context)
    return fail(Code::invalid_argument,
                "forward: the model has learned no more than " + std::to_string(s.spec.context) + " positions");
  embed_rows(w.positions, positions, 1.0f, s.branch, s.exec);
  add(s.x, s.branch, s.rows * s.spec.dim, s.exec);
  return {};
}

Expected<void> embed(Step& s, const ModelWeights& w) {
  const std::int64_t dim = s.spec.dim;
  std::int64_t row = 0;
  for (const ForwardItem& item : s.items) {
    if (item.embedded.empty())
      embed_rows(w.tokens, item.tokens, s.spec.embed_scale, s.x + row * dim, s.exec);
    else
      std::copy(item.embedded.begin(), item.embedded.end(), s.x + row * dim);
    for (std::size_t i = 0; i < item.tokens.size(); ++i)
      s.positions[row + static_cast<std::int64_t>(i)] = item.cache->length() + static_cast<std::int32_t>(i);
    row += static_cast<std::int64_t>(item.tokens.size());
  }
  HEED_TRY(add_positions(s, w));
  if (s.spec.token_types > 0)
    for (row = 0; row < s.rows; ++row) add(s.x + row * dim, w.types.data(), dim, s.exec);
  if (s.spec.has_embed_norm) norm_rows(s.x, dim, norm_of(s.spec, w.embed_norm), s.rows, dim, s.exec);
  return {};
}

// The first block that turns its heads by the same angles as block i.
std::size_t first_alike(const std::vector<BlockSpec>& blocks, std::size_t i) {
  std::size_t same = 0;
  while (same < i &&
         !(blocks[same].rope.same_angles(blocks[i].rope) && blocks[same].is_rope_scaled == blocks[i].is_rope_scaled))
    ++same;
  return same;
}

Expected<void> make_angles(Step& s, const std::vector<BlockSpec>& blocks, const ModelWeights& w) {
  s.angles = s.exec.arena.allocate_array<RopeAngles>(blocks.size());
  if (!s.angles) return fail(Code::out_of_memory, kArenaFull);
  const std::span<const std::int32_t> positions(s.positions, static_cast<std::size_t>(s.rows));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t same = first_alike(blocks, i);
    if (same < i) {
      s.angles[i] = s.angles[same];
      continue;
    }
    HEED_ASSIGN(s.angles[i], rope_angles(rope_of(blocks[i], w), positions, s.exec));
  }
  return {};
}

Expected<Activations> input_of(Step& s, const NormWeights& norm, ActivationForms forms) {
  if (norm.weight.empty()) return quantize_activations(s.x, s.rows, s.spec.dim, s.exec);
  return norm_quantized(s.x, norm_of(s.spec, norm), s.rows, s.spec.dim, forms, s.exec);
}

ActivationForms ffn_forms(const BlockSpec& b, const BlockWeights& w) {
  return b.experts.count > 0 ? ActivationForms::both : forms_for(w.gate.w, w.up.w);
}

Expected<void> block(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer) {
  Arena& arena = s.exec.arena;
  const std::size_t mark = arena.mark();
  if (!b.has_first_half) {
    HEED_ASSIGN(const Activations only, input_of(s, w.ffn_norm, ffn_forms(b, w)));
    HEED_TRY(feed_forward_half(s, b, w, only));
    arena.rewind(mark);
    return {};
  }
  const bool shares = b.is_parallel && w.ffn_norm.weight.empty();
  const bool wants_floats =
      forms_for(w.q.w, w.k.w, w.v.w, w.decay.w, w.write.w, w.ssm_in.w, w.q_a.w, w.kv_a.w) == ActivationForms::both ||
      (shares && ffn_forms(b, w) == ActivationForms::both);
  HEED_ASSIGN(const Activations input,
              input_of(s, w.attn_norm, wants_floats ? ActivationForms::both : ActivationForms::integers));
  Activations ffn_input = input;
  if (b.is_parallel && !shares) {
    HEED_ASSIGN(ffn_input, input_of(s, w.ffn_norm, ffn_forms(b, w)));
  }
  const auto half = b.kind == AttentionKind::mamba  ? mamba_half
                    : b.kind == AttentionKind::conv ? conv_half
                                                    : attention_half;
  HEED_TRY(half(s, b, w, layer, input));
  if (b.has_cross) {
    arena.rewind(mark);
    HEED_ASSIGN(const Activations query, input_of(s, w.cross_norm, forms_for(w.cross_q.w)));
    HEED_TRY(cross_half(s, b, w, layer, query));
  }
  if (!b.has_second_half) {
    arena.rewind(mark);
    return {};
  }
  if (!b.is_parallel) {
    arena.rewind(mark);
    HEED_ASSIGN(ffn_input, input_of(s, w.ffn_norm, ffn_forms(b, w)));
  }
  HEED_TRY(feed_forward_half(s, b, w, ffn_input));
  arena.rewind(mark);
  return {};
}

struct Stack {
  const std::vector<BlockSpec>& specs;
  const std::vector<BlockWeights>& weights;
  bool is_whole = false;  // items are whole texts: the blocks take turns in one layer of keys and values
};

Expected<void> run(Step& s, const Stack& stack, const ModelWeights& w, const ForwardTrace& trace) {
  HEED_TRY(make_angles(s, stack.specs, w));
  for (std::size_t i = 0; i < stack.specs.size(); ++i) {
    const auto number = static_cast<std::int32_t>(i);
    s.turn = s.angles[i];
    HEED_TRY(block(s, stack.specs[i], stack.weights[i], stack.is_whole ? 0 : number));
    if (trace.on_layer) trace.on_layer(trace.context, number, s.x, s.rows, s.spec.dim);
  }
  return {};
}

Activations slice(const Activations& a, std::int64_t first, std::int64_t rows) {
  return {
      .f32 = a.f32 ? a.f32 + first * a.k : nullptr, .quantized = a.quantized.from(first, a.k), .rows = rows, .k = a.k};
}

// Rows of one item whose logits are wanted: none, the last, or all.
std::int64_t logit_rows(const ForwardItem& item, std::int64_t vocab) {
  return static_cast<std::int64_t>(item.logits.size()) / vocab;
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
  const MatmulJob job{.w = &w.output.w, .bias = data_of(w.output.bias), .out = out, .out_stride = vocab};
  HEED_TRY(matmul(rows, {&job, 1}, s.exec));
  if (const float scale = s.spec.logit_scale * (w.is_tied ? s.spec.tied_logit_scale : 1.0f); scale != 1.0f)
    for (std::int64_t i = 0; i < rows.rows * vocab; ++i) out[i] *= scale;
  if (const float cap = s.spec.logit_softcap; cap > 0)
    for (std::int64_t i = 0; i < rows.rows * vocab; ++i) out[i] = cap * std::tanh(out[i] / cap);
  return {};
}

// Items whose logits lie side by side in memory share one pass over the output matrix.
Expected<void> head(Step& s, const ModelWeights& w, const ForwardTrace& trace) {
  const std::int64_t dim = s.spec.dim, wanted = gather(s);
  if (wanted == 0) return {};
  if (!s.spec.has_output) return fail(Code::unsupported, "forward: this model gives vectors, no logits");
  HEED_ASSIGN(const Activations input,
              norm_quantized(s.branch, norm_of(s.spec, w.output_norm), wanted, dim, ActivationForms::both, s.exec));
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

// The rows [n, vector.size()] of one text as one.
void pool_rows(Pooling pooling, const float* rows, std::int64_t n, std::span<float> vector) {
  const auto dim = static_cast<std::int64_t>(vector.size());
  if (n == 0 || pooling == Pooling::none) return;
  if (pooling != Pooling::mean) {
    std::copy_n(rows + (pooling == Pooling::last ? n - 1 : 0) * dim, dim, vector.data());
    return;
  }
  for (std::int64_t i = 0; i < dim; ++i) {
    double sum = 0;
    for (std::int64_t r = 0; r < n; ++r) sum += static_cast<double>(rows[r * dim + i]);
    vector[static_cast<std::size_t>(i)] = static_cast<float>(sum / static_cast<double>(n));
  }
}

// One decoder block's keys and values of the encoder's output.
Expected<void> keep_source(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                           const Activations& encoded, KvCache& source) {
  const std::int64_t width = std::int64_t{b.head_dim} * b.attention.kv_heads, stride = 2 * width;
  const MatmulJob jobs[] = {
      {.w = &w.cross_k.w, .bias = data_of(w.cross_k.bias), .out = s.qkv, .out_stride = stride},
      {.w = &w.cross_v.w, .bias = data_of(w.cross_v.bias), .out = s.qkv + width, .out_stride = stride}};
  HEED_TRY(matmul(encoded, jobs, s.exec));
  const auto rows = static_cast<std::int32_t>(s.rows);
  append_kv(source.pool().view(layer, source.pages(), rows), 0, rows, s.qkv, stride, s.qkv + width, stride, s.exec);
  return {};
}

}  // namespace

std::vector<KvLayerSpec> kv_layers(const ModelSpec& spec) {
  std::vector<KvLayerSpec> layers;
  layers.reserve(spec.blocks.size());
  for (const BlockSpec& b : spec.blocks) {
    if (!b.has_first_half)
      layers.push_back({.kv_heads = 0});
    else if (b.kind == AttentionKind::linear)
      layers.push_back({.state_floats = linear_state_floats(b.linear)});
    else if (b.kind == AttentionKind::conv)
      layers.push_back({.state_floats = ShortConv{.channels = spec.dim, .taps = b.mamba.taps}.history_floats()});
    else if (b.kind == AttentionKind::mamba)
      layers.push_back({.state_floats = linear_state_floats(b.linear) + b.mamba.history_floats(b.linear)});
    else
      layers.push_back({b.attention.kv_heads, b.head_dim, static_cast<std::int32_t>(b.value_dim())});
  }
  return layers;
}

std::vector<KvLayerSpec> source_layers(const ModelSpec& spec) { return kv_layers(spec); }

std::vector<KvLayerSpec> scratch_layers(const ModelSpec& spec) {
  const BlockSpec& b = spec.encoder.empty() ? spec.blocks.front() : spec.encoder.front();
  return {{b.attention.kv_heads, b.head_dim, static_cast<std::int32_t>(b.value_dim())}};
}

std::size_t step_bytes(const ModelSpec& spec, std::int64_t rows, std::int64_t logit_rows) {
  const Widths w = widths(spec);
  std::int64_t angles = 0;  // floats a row
  std::int64_t extra = 0;   // bytes a row, of experts or a state space layer
  std::int64_t one = 0;     // of the experts of a single row
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    if (first_alike(spec.blocks, i) == i) angles += spec.blocks[i].rope.dims;
    one = std::max(one, expert_bytes_of_one(spec.blocks[i]));
    extra = std::max({extra, expert_bytes_per_row(spec, spec.blocks[i]), mamba_bytes_per_row(spec.blocks[i]),
                      conv_bytes_per_row(spec, spec.blocks[i]), latent_bytes_per_row(spec.blocks[i])});
  }
  // Activations come thrice (float, two int8 with scales, these laid out in tiles): 10 bytes a value are enough;
  // attention's scratch is bounded by its own spans and counted with the fixed part.
  const std::int64_t per_row = 4 * (2 * spec.dim + w.qkv + w.heads + w.ffn + 2 * w.kv_heads + angles) + 13 * spec.dim +
                               10 * (3 * spec.dim + w.heads + w.ffn) + extra + 64;
  constexpr std::int64_t kFixed = std::int64_t{64} << 20;
  return static_cast<std::size_t>(rows * per_row + logit_rows * 10 * spec.dim + kFixed + one);
}

Expected<void> forward(const ModelSpec& spec, const ModelWeights& weights, std::span<ForwardItem> items, Exec& exec,
                       const ForwardTrace& trace) {
  exec.arena.reset();
  Step s{.spec = spec, .items = items, .exec = exec};
  HEED_TRY(begin(s));
  if (s.rows == 0) return {};
  HEED_TRY(embed(s, weights));
  if (trace.on_layer) trace.on_layer(trace.context, -1, s.x, s.rows, spec.dim);
  HEED_TRY(run(s, {spec.blocks, weights.blocks}, weights, trace));
  HEED_TRY(head(s, weights, trace));
  for (const ForwardItem& item : items) item.cache->advance(static_cast<std::int32_t>(item.tokens.size()));
  ++exec.counters.steps;
  exec.counters.tokens += s.rows;
  return {};
}

Expected<void> encode(const ModelSpec& spec, const ModelWeights& weights, std::span<const std::int32_t> tokens,
                      KvCache& scratch, KvCache& source, Exec& exec, const ForwardTrace& trace) {
  exec.arena.reset();
  ForwardItem item{.cache = &scratch, .tokens = tokens};
  Step s{.spec = spec, .items = {&item, 1}, .exec = exec};
  HEED_TRY(begin(s));
  if (s.rows == 0) return fail(Code::invalid_argument, "encode: the source text is empty");
  HEED_TRY(embed(s, weights));
  HEED_TRY(run(s, {spec.encoder, weights.encoder, true}, weights, trace));
  HEED_ASSIGN(const Activations out,
              norm_quantized(s.x, norm_of(spec, weights.encoder_norm), s.rows, spec.dim, ActivationForms::both, exec));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i)
    HEED_TRY(keep_source(s, spec.blocks[i], weights.blocks[i], static_cast<std::int32_t>(i), out, source));
  source.advance(static_cast<std::int32_t>(s.rows));
  return {};
}

Expected<void> read_texts(const ModelSpec& spec, const ModelWeights& weights, std::span<ForwardItem> items, Exec& exec,
                          const ForwardTrace& trace) {
  exec.arena.reset();
  Step s{.spec = spec, .items = items, .exec = exec};
  HEED_TRY(begin(s));
  if (s.rows == 0) return {};
  HEED_TRY(embed(s, weights));
  if (trace.on_layer) trace.on_layer(trace.context, -1, s.x, s.rows, spec.dim);
  HEED_TRY(run(s, {spec.blocks, weights.blocks, true}, weights, trace));
  if (spec.has_output_norm) {
    norm_rows(s.x, spec.dim, norm_of(spec, weights.output_norm), s.rows, spec.dim, exec);
    if (trace.on_layer)
      trace.on_layer(trace.context, static_cast<std::int32_t>(spec.blocks.size()), s.x, s.rows, spec.dim);
  }
  const float* rows = s.x;
  for (const ForwardItem& item : items) {
    pool_rows(spec.pooling, rows, static_cast<std::int64_t>(item.tokens.size()), item.vector);
    rows += static_cast<std::int64_t>(item.tokens.size()) * spec.dim;
  }
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
