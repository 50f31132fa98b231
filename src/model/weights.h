// weights.h -- where a model's numbers are: packed matrices and small vectors, named as GGUF names them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/expected.h"
#include "core/file_cache.h"
#include "formats/model_file.h"
#include "kernels/matmul.h"
#include "model/mix.h"
#include "model/spec.h"

namespace heed {

using Vector = std::vector<float>;

struct Linear {
  PackedMatrix w;  // [out, in]
  Vector bias;     // [out] or empty
};

struct NormWeights {
  Vector weight, bias;  // [dim] or empty
};

struct Expert {
  Linear gate, up, down;
};

struct BlockWeights {
  NormWeights attn_norm, attn_post_norm, ffn_norm, ffn_post_norm;
  Vector q_norm, k_norm;  // [head_dim] or all heads' widths, see QkNorm
  Linear q, k, v, o, gate, up, down;
  Linear q_a, kv_a, kv_b;      // latent: [q_rank, dim], [kv_rank + rope dims, dim], [heads * (key + value), kv_rank]
  Linear k_b, v_b;             // latent, is_split: [heads * key, kv_rank], [heads * value, kv_rank] instead of kv_b
  Vector q_a_norm, kv_a_norm;  // latent: [q_rank], [kv_rank]
  NormWeights cross_norm;
  Linear cross_q, cross_k, cross_v, cross_o;  // with has_cross
  Linear router;                              // [experts, dim]
  Vector choice_bias;                         // [experts] or empty
  std::vector<Expert> experts;                // [experts]
  Expert shared;
  Vector shared_gate;               // [dim]
  Vector sink_logit;                // [heads]
  Vector relative_bias;             // [buckets, heads]
  Vector alibi_slope, by_distance;  // made of the spec and the above, see Score
  Vector k_center;                  // [kv_heads, head_dim] or empty, see key_center
  Vector features;                  // performer: [head_dim, features]
  Linear ssm_in, ssm_out;    // mamba: [inner + channels + heads, dim] (gate, convolution, time steps), [dim, inner]
  Vector conv, conv_by_tap;  // mamba: [channels, taps], and turned round
  // Of kind conv, too: ssm_in is [3 dim, dim] there (gate, gate of the output, values), conv [dim, taps].
  Vector conv_bias, skip, ssm_norm;  // mamba: [channels], [heads], [inner]
  Linear decay, write;               // gated kinds: [kv_heads, dim] each
  Vector decay_rate,
      decay_bias;  // gated kinds and mamba: [kv_heads]; log decay = rate * softplus(decay x + bias), rate < 0
};

struct ModelWeights {
  Tensor tokens;     // [vocab, dim], view into the file: only rows that are read enter memory
  Tensor positions;  // [context, dim], of learned positions
  Vector types;      // [token_types, dim]
  Linear output;     // [vocab, dim]; packed from `tokens` when the file ties them
  NormWeights embed_norm, output_norm;
  bool is_tied = false;                     // `output` is packed from `tokens`
  Vector memory;                            // [memory_tokens, dim]
  Vector rope_factors, short_rope_factors;  // [rope dims / 2] or empty; the second serve short contexts (long-rope)
  std::vector<BlockWeights> blocks;
  std::vector<BlockWeights> encoder;
  NormWeights encoder_norm;
  std::vector<Buffer> gathered;  // what views look at where the file keeps rows otherwise
  MappedFile pack;               // what the matrices view; empty: they own their memory
};

/// One weight of the spec: its canonical name, shape and place.
struct WeightSlot {
  std::string name;
  std::string otherwise;  // name to read when `name` is absent (tied output, fused projections); empty: none
  std::int64_t rows = 0;  // 0: a vector of `cols`; a Vector may also be a matrix, row by row
  std::int64_t cols = 0;
  std::variant<Vector*, PackedMatrix*, Tensor*> target;
  // The slot is rows (values, of a vector) [first, first + rows) of a tensor that has `of`; 0: it is the whole one.
  // Where there is an `otherwise`, that is the tensor cut so, and one called `name` is taken whole.
  std::int64_t first = 0, of = 0;
  bool is_optional = false;
  std::int32_t turned_heads = 0;  // > 0: the tensor is [heads, cols, rows / heads], each head's part turned
};

/// Loading, listing and "which tensors of the file were never used?" are all visits. Stops at the first error.
Expected<void> visit_weights(const ModelSpec& spec, ModelWeights& weights,
                             const std::function<Expected<void>(const WeightSlot&)>& visit);

struct LoadWeightsOptions {
  std::optional<Mix> mix;    // every matrix in its encoding (F32: the yardstick of quality); none: the file's bits
  std::int32_t context = 0;  // positions that will be in use; 0: all that the model knows
  std::function<bool(std::int64_t done, std::int64_t total)> progress;  // bytes; false cancels; may be empty
  FileCache* packs = nullptr;                         // where packed weights are kept; none: packed at every load
  std::function<void(const std::string& text)> warn;  // the cache could not be used; may be empty
};

/// How block b turns its heads with these weights.
RopeSpec rope_of(const BlockSpec& b, const ModelWeights& weights) noexcept;

/// Maps the packed weights from the cache, or packs every weight of the spec; source pages are dropped as they are
/// packed. Missing, misshapen and unused tensors are errors by name.
Expected<ModelWeights> load_weights(const ModelSpec& spec, const ModelFile& file, Exec& exec,
                                    const LoadWeightsOptions& options = {});

}  // namespace heed
