// linear_attention.h -- attention whose cost per token does not grow with the text: a state takes the place of the
// keys.
//
// All kinds are one recurrence: S <- a S + phi(k) u^T, out = phi(q) S, and differ in phi, the decay a and the written
// u. The text is worked off in chunks of 64 positions, fixed by position: inside a chunk rows meet each other directly
// (a small causal matrix), everything before it is the state. A decoded token and a row of a long prompt are thus the
// same sums in the same order, and bits do not depend on how the text was cut into calls.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/expected.h"
#include "kernels/exec.h"

namespace heed {

inline constexpr std::int32_t kLinearChunk = 64;  // positions

enum class LinearKind : std::uint8_t {
  elu,          // phi = elu + 1, normalized (Katharopoulos et al. 2020)
  performer,    // phi = positive random features of the softmax kernel, FAVOR+, normalized (Choromanski et al. 2021)
  gated,        // phi = identity, S decays by exp(log_decay) (Yang et al. 2024, scalar gate)
  gated_delta,  // q, k of length 1; writes what k does not say yet, times `write` (gated delta rule, Yang et al. 2024)
};

constexpr bool is_gated(LinearKind kind) noexcept {
  return kind == LinearKind::gated || kind == LinearKind::gated_delta;
}

struct LinearSpec {  // immutable, one per layer
  LinearKind kind = LinearKind::elu;
  std::int32_t heads = 1, kv_heads = 1;
  std::int32_t k_dim = 0, v_dim = 0;  // multiples of 16
  std::int32_t features = 0;          // performer, a multiple of 16; other kinds have k_dim of them
  float scale = 1.0f;                 // performer: of q . k; gated kinds: of q
  std::span<const float> projection;  // performer: [k_dim, features], see draw_features
};

struct LinearJob {           // one sequence of a ragged batch; rows lie `stride` floats apart
  const float* q = nullptr;  // [q_len, heads, k_dim]
  const float* k = nullptr;  // [q_len, kv_heads, k_dim]
  const float* v = nullptr;  // [q_len, kv_heads, v_dim]
  std::int64_t stride = 0;
  float* out = nullptr;  // [q_len, heads, v_dim]
  std::int64_t out_stride = 0;
  const float* log_decay = nullptr;  // gated kinds: [q_len, kv_heads], <= 0
  const float* write = nullptr;      // gated_delta: [q_len, kv_heads], 0 .. 1
  std::int32_t q_len = 0;
  std::int32_t first_pos = 0;  // 0: the state begins anew
  float* state = nullptr;      // [linear_state_floats], what the positions before first_pos left
};

/// Of one sequence and layer.
std::int64_t linear_state_floats(const LinearSpec& spec) noexcept;

Expected<void> linear_attention(const LinearSpec& spec, std::span<const LinearJob> jobs, Exec& exec);

/// Columns of a random projection [k_dim, features] for the performer: directions orthogonal in groups of k_dim,
/// lengths of Gaussian vectors. exp(scale q . k) is then the mean of phi(q) . phi(k) over draws, whatever the number of
/// features; its variance falls with 1 / features. Deterministic.
std::vector<float> draw_features(std::int32_t k_dim, std::int32_t features, std::uint64_t seed);

}  // namespace heed
