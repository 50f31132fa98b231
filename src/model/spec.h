// spec.h -- what a model is, as data: a stack of blocks. Families fill it, forward() reads it, nothing else branches.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/expected.h"
#include "kernels/attention.h"
#include "kernels/layers.h"
#include "kernels/linear_attention.h"
#include "kernels/position_bias.h"
#include "kernels/rope.h"

namespace heed {

/// Where a block's norms stand: before each half, or before and after it (Gemma 2 and 3).
enum class NormPlace : std::uint8_t { pre, sandwich };

/// What a block does with its past: keeps every key and value, or one state of fixed size.
enum class AttentionKind : std::uint8_t { softmax, linear };

struct BlockSpec {
  AttentionKind kind = AttentionKind::softmax;
  AttentionSpec attention;      // heads of either kind
  LinearSpec linear;            // of kind linear; its projection is a weight
  float max_alibi_bias = 0.0f;  // > 0: ALiBi slopes up to it
  T5Buckets relative;           // with has_relative_bias
  bool has_relative_bias = false, has_sink_logits = false;
  RopeSpec rope;
  std::int32_t head_dim = 0;
  std::int32_t ffn_dim = 0;
  Activation activation = Activation::silu;
  bool has_qk_norm = false;  // RMS norm of every q and k head before RoPE
  bool has_qkv_bias = false;
};

struct ModelSpec {
  std::string family;
  std::int32_t dim = 0;
  std::int32_t vocab = 0;
  std::int32_t context = 0;  // positions the model was trained for
  float norm_eps = 1e-5f;
  float embed_scale = 1.0f;
  float logit_softcap = 0.0f;  // > 0: cap * tanh(logit / cap)
  NormPlace norm_place = NormPlace::pre;
  std::int32_t memory_tokens = 0;  // learned rows ahead of every text, visible from everywhere (Burtsev et al. 2020)
  std::vector<BlockSpec> blocks;
};

/// Refuses impossible specs (files are hostile): dimensions, head counts, head sizes the kernels cannot run.
Expected<void> check(const ModelSpec& spec);

}  // namespace heed
