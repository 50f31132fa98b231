// mamba_half.cc -- a state space layer (Mamba 2): project, convolve, gated linear attention, gated norm, project back.
//
// In its words: x are the values times their time step, B the keys, C the queries; the state decays by exp(step * a).
#include "model/short_conv.h"
#include "model/step.h"

namespace heed {
namespace {

// Rows of one block's step.
struct MambaRows {
  const BlockSpec& b;
  const BlockWeights& w;
  std::int64_t inner, channels, width;  // width: of the projection, gate | channels | time steps
  float* projected = nullptr;           // [rows, width]
  float* convolved = nullptr;           // [rows, channels]: values, keys of the groups, queries of the groups
  float* qkv = nullptr;                 // [rows, heads * (2 k_dim + v_dim)]
  float* decay = nullptr;               // [rows, heads], logarithms
  float* out = nullptr;                 // [rows, inner]

  std::int64_t qkv_width() const { return b.linear.heads * (2 * std::int64_t{b.linear.k_dim} + b.linear.v_dim); }
};

Expected<MambaRows> make_rows(Step& s, const BlockSpec& b, const BlockWeights& w) {
  MambaRows m{.b = b, .w = w, .inner = b.mamba.inner(b.linear), .channels = b.mamba.channels(b.linear)};
  m.width = m.inner + m.channels + b.linear.heads;
  const auto floats = [&](std::int64_t a_row) {
    return s.exec.arena.allocate_array<float>(static_cast<std::size_t>(s.rows * a_row));
  };
  m.projected = floats(m.width);
  m.convolved = floats(m.channels);
  m.qkv = floats(m.qkv_width());
  m.decay = floats(b.linear.heads);
  m.out = floats(m.inner);
  if (!m.projected || !m.convolved || !m.qkv || !m.decay || !m.out) return fail(Code::out_of_memory, kArenaFull);
  return m;
}

// Queries, keys and values of every head, and how far the state decays ahead of the row.
void spread_heads(const MambaRows& m, std::int64_t row) {
  const LinearSpec& l = m.b.linear;
  const std::int64_t heads = l.heads, k_dim = l.k_dim, v_dim = l.v_dim, a_group = heads / m.b.mamba.groups;
  const float *value = m.convolved + row * m.channels, *keys = value + m.inner,
              *queries = keys + m.b.mamba.groups * k_dim;
  const float* steps = m.projected + row * m.width + m.inner + m.channels;
  float *q = m.qkv + row * m.qkv_width(), *k = q + heads * k_dim, *v = k + heads * k_dim;
  for (std::int64_t h = 0; h < heads; ++h) {
    std::copy_n(queries + h / a_group * k_dim, k_dim, q + h * k_dim);
    std::copy_n(keys + h / a_group * k_dim, k_dim, k + h * k_dim);
    const float step = softplus(steps[h] + m.w.decay_bias[static_cast<std::size_t>(h)]);
    m.decay[row * heads + h] = step * m.w.decay_rate[static_cast<std::size_t>(h)];
    for (std::int64_t i = 0; i < v_dim; ++i) v[h * v_dim + i] = step * value[h * v_dim + i];
  }
}

// What passes beside the state, the gate, and the norm of each group.
void finish_row(const MambaRows& m, std::int64_t row, float eps, Exec& exec) {
  const std::int64_t v_dim = m.b.linear.v_dim, a_group = m.inner / m.b.mamba.groups;
  const float* value = m.convolved + row * m.channels;
  float* out = m.out + row * m.inner;
  for (std::int64_t i = 0; i < m.inner; ++i) out[i] += m.w.skip[static_cast<std::size_t>(i / v_dim)] * value[i];
  gated_row(Activation::silu, exec)(m.projected + row * m.width, out, m.inner, out);
  for (std::int64_t g = 0; g < m.inner; g += a_group)
    norm_row(out + g, {.eps = eps, .weight = m.w.ssm_norm.data() + g}, a_group, out + g, exec);
}

Expected<void> attend(Step& s, const MambaRows& m, std::int32_t layer) {
  const LinearSpec& l = m.b.linear;
  const std::int64_t stride = m.qkv_width();
  std::int64_t row = 0;
  for (std::size_t i = 0; i < s.items.size(); ++i) {
    const ForwardItem& item = s.items[i];
    const float* q = m.qkv + row * stride;
    const float* k = q + std::int64_t{l.heads} * l.k_dim;
    s.linear_jobs[i] = LinearJob{.q = q,
                                 .k = k,
                                 .v = k + std::int64_t{l.heads} * l.k_dim,
                                 .stride = stride,
                                 .out = m.out + row * m.inner,
                                 .out_stride = m.inner,
                                 .log_decay = m.decay + row * l.heads,
                                 .q_len = static_cast<std::int32_t>(item.tokens.size()),
                                 .first_pos = item.cache->length(),
                                 .state = item.cache->state(layer)};
    row += static_cast<std::int64_t>(item.tokens.size());
  }
  return linear_attention(l, {s.linear_jobs, s.items.size()}, s.exec);
}

}  // namespace

Expected<void> mamba_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                          const Activations& input) {
  HEED_ASSIGN(const MambaRows m, make_rows(s, b, w));
  const MatmulJob in{.w = &w.ssm_in.w, .bias = data_of(w.ssm_in.bias), .out = m.projected, .out_stride = m.width};
  HEED_TRY(matmul(input, {&in, 1}, s.exec));
  const ShortConv conv{
      .by_tap = w.conv_by_tap.data(), .bias = data_of(w.conv_bias), .channels = m.channels, .taps = b.mamba.taps};
  std::int64_t row = 0;
  for (const ForwardItem& item : s.items) {
    const auto n = static_cast<std::int64_t>(item.tokens.size());
    convolve(conv, m.projected + row * m.width + m.inner, m.width, m.convolved + row * m.channels, m.channels, n,
             item.cache->length(), item.cache->state(layer) + linear_state_floats(b.linear));
    row += n;
  }
  constexpr std::int64_t kRowsPerTask = 4;
  s.exec.pool.parallel_for(s.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    activate(m.convolved + begin * m.channels, Activation::silu, (end - begin) * m.channels,
             m.convolved + begin * m.channels, s.exec);
    for (std::int64_t r = begin; r < end; ++r) spread_heads(m, r);
  });
  HEED_TRY(attend(s, m, layer));
  s.exec.pool.parallel_for(s.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) finish_row(m, r, s.spec.norm_eps, s.exec);
  });
  HEED_ASSIGN(const Activations out, quantize_activations(m.out, s.rows, m.inner, s.exec));
  return join(s, out, w.ssm_out, w.attn_post_norm);
}

std::int64_t mamba_bytes_per_row(const BlockSpec& b) {
  if (b.kind != AttentionKind::mamba) return 0;
  const LinearSpec& l = b.linear;
  const std::int64_t inner = b.mamba.inner(l), channels = b.mamba.channels(l), heads = l.heads;
  return 4 * (3 * inner + 2 * channels + 2 * heads + 2 * heads * l.k_dim) + 10 * inner;
}

}  // namespace heed
