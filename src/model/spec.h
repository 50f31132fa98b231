// spec.h -- what a model is, as data: a stack of blocks. Families fill it, forward() reads it, nothing else branches.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/expected.h"
#include "kernels/attention.h"
#include "kernels/layers.h"
#include "kernels/linear_attention.h"
#include "kernels/position_bias.h"
#include "kernels/rope.h"
#include "model/short_conv.h"

namespace heed {

/// Where a block's norms stand: before each half, before and after it (Gemma 2 and 3), only after it (OLMo 2), or after
/// the sum of a half and what it read (BERT).
enum class NormPlace : std::uint8_t { pre, sandwich, post, sum };

/// How the rows of a text become one vector; none: the model makes no vectors.
enum class Pooling : std::uint8_t { none, mean, first, last };

/// What is normed of queries and keys: each head (Qwen 3), all heads of a row as one (OLMo 2), or each head by mean and
/// variance and a weight of its own (Command R+).
enum class QkNorm : std::uint8_t { none, heads, whole, each };

/// Feed-forwards of which a router picks some for every token (Shazeer et al. 2017).
struct ExpertSpec {
  std::int32_t count = 0;  // 0: the one dense feed-forward of the block
  std::int32_t used = 0;
  std::int32_t ffn_dim = 0;
  std::int32_t shared_ffn_dim = 0;  // > 0: one more, which every token passes
  bool is_shared_gated = false;     // its output is multiplied by the sigmoid of a logit (Qwen 2 MoE)
  bool sums_to_one = true;          // the softmax is over the chosen, else over all
  bool is_sigmoid = false;          // weights are sigmoids, and a bias counts in the choice only (DeepSeek-V3, 2024)
  std::int32_t groups = 1;          // experts side by side; the choice is among those of the best groups, a group being
  std::int32_t used_groups = 1;     // worth its best expert, with sigmoids its two best (DeepSeek-V2, section 2.2.2)
  float scale = 1.0f;               // of the weights of the chosen
};

/// What a block does with its past: keeps every key and value, one state of fixed size (linear attention, Mamba 2), or
/// the last few rows (a short convolution, LFM 2, whose taps are MambaSpec's).
enum class AttentionKind : std::uint8_t { softmax, linear, mamba, conv };

/// Multi-head latent attention (DeepSeek-V2, 2024): keys and values of all heads come out of one short vector; of a
/// query's or key's head, BlockSpec::rope.dims numbers turn with the position, a key's being one and the same for all.
/// heed keeps the keys and values, not the vector.
struct LatentSpec {
  std::int32_t kv_rank = 0;  // 0: there is none, the block projects keys and values itself
  std::int32_t q_rank = 0;   // > 0: queries come out of a short vector, too
  bool is_split = false;     // the file keeps keys' and values' matrices apart, the keys' turned head by head
};

/// A state space layer (Mamba 2, Dao & Gu 2024): gated linear attention whose queries, keys and values went through a
/// short convolution. BlockSpec::linear says its heads, state size (k_dim) and head size (v_dim).
struct MambaSpec {
  std::int32_t groups = 1;  // of heads that share queries and keys
  std::int32_t taps = 4;    // of the convolution, the newest position's the last

  std::int64_t inner(const LinearSpec& l) const noexcept { return std::int64_t{l.heads} * l.v_dim; }
  /// Channels of the convolution: values, keys, queries.
  std::int64_t channels(const LinearSpec& l) const noexcept { return inner(l) + 2 * std::int64_t{groups} * l.k_dim; }
  /// Of a sequence and layer, besides the linear state.
  std::int64_t history_floats(const LinearSpec& l) const noexcept {
    return ShortConv{.channels = channels(l), .taps = taps}.history_floats();
  }
};

struct BlockSpec {
  AttentionKind kind = AttentionKind::softmax;
  AttentionSpec attention;  // heads of either kind
  LinearSpec linear;        // of the kinds with a state; its projection is a weight
  MambaSpec mamba;
  LatentSpec latent;
  float max_alibi_bias = 0.0f;  // > 0: ALiBi slopes up to it
  T5Buckets relative;           // with has_relative_bias
  bool has_relative_bias = false, has_sink_logits = false;
  RopeSpec rope;
  bool is_rope_scaled = true;  // turns by the model's factors, where it has some
  std::int32_t head_dim = 0;   // of queries and keys
  std::int32_t v_dim = 0;      // of a head's values; 0: head_dim
  std::int32_t ffn_dim = 0;
  Activation activation = Activation::silu;
  bool has_first_half = true;         // attention or its like
  bool has_second_half = true;        // feed-forward; a block with one half has one norm, attn_norm (Nemotron-H)
  bool is_gated = true;               // down(act(gate x) * up x), else down(act(up x))
  bool is_gate_in_up = false;         // the file keeps gate and up as one tensor, gate first
  bool is_parallel = false;           // both halves read the block's input; with one norm, if there is no second
  std::optional<Activation> ungated;  // of a block without a gate, where a gated one may lack it (T5 1.0)
  bool is_attn_norm_second =
      false;                      // the file calls it attn_norm_2, where it has one, and the other attn_norm (Falcon)
  float qkv_clip = 0.0f;          // > 0: what queries, keys and values are cut to
  QkNorm qk_norm = QkNorm::none;  // RMS
  bool may_lack_qk_norm = false;  // normed where the file has the weights
  bool is_rotated_before_norm = false;  // (Hunyuan)
  bool has_cross = false;               // attends to the encoder's output as well, after itself
  bool has_qkv_bias = false;            // must be in the file; a bias that need not be is taken where it is
  ExpertSpec experts;

  std::int64_t value_dim() const noexcept { return v_dim > 0 ? v_dim : head_dim; }
};

struct ModelSpec {
  std::string family;
  std::int32_t dim = 0;
  std::int32_t vocab = 0;
  std::int32_t context = 0;  // positions the model was trained for
  float norm_eps = 1e-5f;
  float embed_scale = 1.0f;
  float logit_softcap = 0.0f;   // > 0: cap * tanh(logit / cap)
  float residual_scale = 1.0f;  // of what each half adds (Granite)
  float logit_scale = 1.0f;
  float tied_logit_scale = 1.0f;  // besides, where the output matrix is that of the embeddings (T5 1.0)
  NormKind norm = NormKind::rms;
  NormPlace norm_place = NormPlace::pre;
  Pooling pooling = Pooling::none;
  std::int32_t text_length = 0;     // tokens of a text that becomes a vector; 0: context
  bool has_position_table = false;  // learned positions, added to the embedded tokens (GPT-2)
  std::int32_t token_types = 0;     // rows of which the first is added to every embedded token (BERT)
  bool has_embed_norm = false;      // of the embedded tokens; then the first block may have none ahead of it
  bool has_output_norm = true;
  bool has_output = true;  // logits; else rows and vectors alone come out
  // RoPE's factors come with the weights (Llama 3; long-rope has a set for texts up to short_context and one for longer
  // ones, Ding et al. 2024), or follow from the metadata (YaRN).
  std::vector<float> rope_factors;  // [rope dims / 2] or empty
  std::int32_t short_context = 0;
  bool is_output_norm_of_embeddings = false;  // by its name in the file, token_embd_norm (LFM 2)
  std::int32_t memory_tokens = 0;  // learned rows ahead of every text, visible from everywhere (Burtsev et al. 2020)
  std::vector<BlockSpec> blocks;
  std::int32_t guessing_blocks = 0;  // the file has behind them, to guess further tokens by; heed leaves them alone
  std::vector<BlockSpec> encoder;    // of an encoder-decoder; then `blocks` are the decoder
  std::int32_t start_token = 0;      // what its decoder begins with
};

/// Refuses impossible specs (files are hostile): dimensions, head counts, head sizes the kernels cannot run.
Expected<void> check(const ModelSpec& spec);

}  // namespace heed
