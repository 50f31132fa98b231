// latent.cc -- multi-head latent attention's projections: short vectors, out of which heads are made.
//
// The file's heads keep what turns last; RoPE turns the first numbers of a head, so these stand first here. The order
// within a head is the same for queries and keys and changes no score.
#include "model/step.h"

namespace heed {
namespace {

// A short vector of `rank` out of the input, normed.
Expected<Activations> shorten(Step& s, const float* x, std::int64_t stride, const Vector& norm, std::int64_t rank) {
  auto* rows = s.exec.arena.allocate_array<float>(static_cast<std::size_t>(s.rows * rank));
  if (!rows) return fail(Code::out_of_memory, kArenaFull);
  for (std::int64_t r = 0; r < s.rows; ++r) std::copy_n(x + r * stride, rank, rows + r * rank);
  norm_rows(rows, rank, {.eps = s.spec.norm_eps, .weight = norm.data()}, s.rows, rank, s.exec);
  return quantize_activations(rows, s.rows, rank, s.exec);
}

Expected<const float*> multiply(Step& s, const Activations& x, const Linear& w) {
  const std::int64_t width = w.w.n();
  auto* out = s.exec.arena.allocate_array<float>(static_cast<std::size_t>(s.rows * width));
  if (!out) return fail(Code::out_of_memory, kArenaFull);
  const MatmulJob job{.w = &w.w, .bias = data_of(w.bias), .out = out, .out_stride = width};
  HEED_TRY(matmul(x, {&job, 1}, s.exec));
  return static_cast<const float*>(out);
}

Expected<const float*> queries(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  if (b.latent.q_rank == 0) return multiply(s, input, w.q);
  HEED_ASSIGN(const float* rows, multiply(s, input, w.q_a));
  HEED_ASSIGN(const Activations latent, shorten(s, rows, b.latent.q_rank, w.q_a_norm, b.latent.q_rank));
  return multiply(s, latent, w.q);
}

// Of every row and head, a stride of floats apart.
struct Made {
  const float *keys, *values;
  std::int64_t key_stride, value_stride;
};

Expected<Made> keys_and_values(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& latent) {
  const std::int64_t key = b.head_dim - b.rope.dims, value = b.value_dim();
  if (b.latent.is_split) {
    HEED_ASSIGN(const float* keys, multiply(s, latent, w.k_b));
    HEED_ASSIGN(const float* values, multiply(s, latent, w.v_b));
    return Made{keys, values, key, value};
  }
  HEED_ASSIGN(const float* both, multiply(s, latent, w.kv_b));
  return Made{both, both + key, key + value, key + value};
}

}  // namespace

Expected<void> project_latent(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  const std::int64_t heads = b.attention.heads, head = b.head_dim, turned = b.rope.dims, plain = head - turned;
  const std::int64_t value = b.value_dim(), rank = b.latent.kv_rank;
  HEED_ASSIGN(const float* q, queries(s, b, w, input));
  HEED_ASSIGN(const float* kv, multiply(s, input, w.kv_a));
  HEED_ASSIGN(const Activations latent, shorten(s, kv, rank + turned, w.kv_a_norm, rank));
  HEED_ASSIGN(const Made made, keys_and_values(s, b, w, latent));
  constexpr std::int64_t kRowsPerTask = 8;
  s.exec.pool.parallel_for(s.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* to_q = s.qkv + r * heads * (2 * head + value);
      float *to_k = to_q + heads * head, *to_v = to_k + heads * head;
      const float* shared = kv + r * (rank + turned) + rank;
      for (std::int64_t h = 0; h < heads; ++h) {
        const float* from_q = q + (r * heads + h) * head;
        std::copy_n(from_q + plain, turned, to_q + h * head);
        std::copy_n(from_q, plain, to_q + h * head + turned);
        std::copy_n(shared, turned, to_k + h * head);
        std::copy_n(made.keys + (r * heads + h) * made.key_stride, plain, to_k + h * head + turned);
        std::copy_n(made.values + (r * heads + h) * made.value_stride, value, to_v + h * value);
      }
    }
  });
  return {};
}

std::int64_t latent_bytes_per_row(const BlockSpec& b) {
  if (b.latent.kv_rank == 0) return 0;
  const std::int64_t heads = b.attention.heads, q_rank = b.latent.q_rank, kv_rank = b.latent.kv_rank;
  const std::int64_t floats = heads * (2 * b.head_dim + b.value_dim()) + 2 * q_rank + 2 * kv_rank + b.rope.dims;
  return 4 * floats + 10 * (q_rank + kv_rank) + 64;
}

}  // namespace heed
