// weights.h -- where a model's numbers are: packed matrices and small vectors, named as GGUF names them.
#pragma once
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "core/expected.h"
#include "core/file_cache.h"
#include "formats/model_file.h"
#include "kernels/matmul.h"
#include "model/spec.h"

namespace heed {

using Vector = std::vector<float>;

struct Linear {
  PackedMatrix w;  // [out, in]
  Vector bias;     // [out] or empty
};

struct BlockWeights {
  Vector attn_norm, attn_post_norm, ffn_norm, ffn_post_norm;  // [dim]
  Vector q_norm, k_norm;                                      // [head_dim]
  Linear q, k, v, o, gate, up, down;
  Vector sink_logit;                // [heads]
  Vector relative_bias;             // [buckets, heads]
  Vector alibi_slope, by_distance;  // made of the spec and the above, see Score
  Vector k_center;                  // [kv_heads, head_dim] or empty, see key_center
  Vector features;                  // performer: [head_dim, features]
  Linear decay, write;              // gated kinds: [kv_heads, dim] each
  Vector decay_rate, decay_bias;    // gated kinds: [kv_heads]; log decay = rate * softplus(decay x + bias), rate < 0
};

struct ModelWeights {
  Tensor tokens;        // [vocab, dim], view into the file: only rows that are read enter memory
  PackedMatrix output;  // [vocab, dim]; packed from `tokens` when the file ties them
  Vector output_norm;   // [dim]
  Vector memory;        // [memory_tokens, dim]
  std::vector<BlockWeights> blocks;
  MappedFile pack;  // what the matrices view; empty: they own their memory
};

/// One weight of the spec: its canonical name, shape and place.
struct WeightSlot {
  std::string name;
  std::string otherwise;  // name to read when `name` is absent (tied output); empty: required
  std::int64_t rows = 0;  // 0: a vector of `cols`; a Vector may also be a matrix, row by row
  std::int64_t cols = 0;
  std::variant<Vector*, PackedMatrix*, Tensor*> target;
};

/// Loading, listing and "which tensors of the file were never used?" are all visits. Stops at the first error.
Expected<void> visit_weights(const ModelSpec& spec, ModelWeights& weights,
                             const std::function<Expected<void>(const WeightSlot&)>& visit);

enum class WeightPrecision : std::uint8_t {
  file,  // the file's bits, int8 activations where it is quantized
  f32,   // dequantized: the yardstick for quality measurements, four to eight times the memory
};

struct LoadWeightsOptions {
  WeightPrecision precision = WeightPrecision::file;
  std::function<bool(std::int64_t done, std::int64_t total)> progress;  // bytes; false cancels; may be empty
  FileCache* packs = nullptr;                         // where packed weights are kept; none: packed at every load
  std::function<void(const std::string& text)> warn;  // the cache could not be used; may be empty
};

/// Maps the packed weights from the cache, or packs every weight of the spec; source pages are dropped as they are
/// packed. Missing, misshapen and unused tensors are errors by name.
Expected<ModelWeights> load_weights(const ModelSpec& spec, const ModelFile& file, Exec& exec,
                                    const LoadWeightsOptions& options = {});

}  // namespace heed
