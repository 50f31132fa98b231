// step.h -- what the parts of forward() share while one step runs: its rows, and how a half joins the residual stream.
#pragma once
#include <algorithm>
#include <cmath>

#include "model/forward.h"

namespace heed {

inline constexpr const char* kArenaFull = "forward: the step's arena is full";

/// Buffers live in the arena until the step ends.
struct Step {
  const ModelSpec& spec;
  std::span<ForwardItem> items;
  Exec& exec;
  std::int64_t rows = 0;
  float* x = nullptr;                 // [rows, dim], the residual stream
  std::int32_t* positions = nullptr;  // [rows]
  float* qkv = nullptr;               // [rows, max over blocks of (heads + 2 kv_heads) * head_dim]
  float* attended = nullptr;          // [rows, max heads * head_dim]
  float* hidden = nullptr;            // [rows, max ffn_dim], of the feed-forward
  float* branch = nullptr;            // [rows, dim], a half's output before it joins
  AttentionJob* jobs = nullptr;       // [items]
  float* decay = nullptr;             // [rows, max kv_heads], gates of linear attention
  float* write = nullptr;             // [rows, max kv_heads]
  LinearJob* linear_jobs = nullptr;   // [items]
  RopeAngles* angles = nullptr;       // [blocks]; blocks that turn alike share them
  RopeAngles turn;                    // of the block that runs
};

inline float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
inline float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

inline const float* data_of(const Vector& v) { return v.empty() ? nullptr : v.data(); }

/// Which forms of an activation its readers need.
template <class... Matrix>
ActivationForms forms_for(const Matrix&... w) {
  return (w.is_float() || ...) ? ActivationForms::both : ActivationForms::integers;
}

inline Norm norm_of(const ModelSpec& spec, const NormWeights& w) {
  return {.kind = spec.norm, .eps = spec.norm_eps, .weight = w.weight.data(), .bias = data_of(w.bias)};
}

/// x += the half's result, normed and scaled as the spec says. It stands in s.branch.
void join_branch(Step& s, const NormWeights& post_norm);
/// The same of input w^T + bias.
Expected<void> join(Step& s, const Activations& input, const Linear& w, const NormWeights& post_norm);

/// The block's first half: s.x += attention of `input`.
Expected<void> attention_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                              const Activations& input);
/// Queries, keys and values of a block with latent attention into s.qkv, heads side by side; not turned yet.
Expected<void> project_latent(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input);
std::int64_t latent_bytes_per_row(const BlockSpec& b);
/// The same of a block of kind mamba.
Expected<void> mamba_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                          const Activations& input);
/// Bytes of the arena that a row of it takes.
std::int64_t mamba_bytes_per_row(const BlockSpec& b);
/// The same of a block of kind conv.
Expected<void> conv_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                         const Activations& input);
std::int64_t conv_bytes_per_row(const ModelSpec& spec, const BlockSpec& b);
/// Between them, with has_cross: s.x += attention of every item's rows to its source.
Expected<void> cross_half(Step& s, const BlockSpec& b, const BlockWeights& w, std::int32_t layer,
                          const Activations& input);
/// Its second: s.x += feed-forward of `input`, dense or by experts.
Expected<void> feed_forward_half(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input);
/// The experts' part of it. `input` holds floats.
Expected<void> mix_experts(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input);
/// Bytes of the arena that a row of it takes.
std::int64_t expert_bytes_per_row(const ModelSpec& spec, const BlockSpec& b);
/// Bytes that a step of one row takes besides.
std::int64_t expert_bytes_of_one(const BlockSpec& b);

}  // namespace heed
